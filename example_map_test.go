package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lambdapool/lambdapool"
)

func ExampleMap() {
	pool := mustPool()
	defer pool.Close()
	fmt.Println(lambdapool.Map(context.Background(), pool, square, []int{5, 6, 7}))
	// Output: [25 36 49] <nil>
}

func ExampleMap_error() {
	pool := mustPool()
	defer pool.Close()
	_, err := lambdapool.Map(context.Background(), pool, root, []float64{4, -9, 16})
	fmt.Println(err)
	var item *lambdapool.ItemError
	fmt.Println(errors.As(err, &item), item.Index)
	// Output:
	// item 1: lambdapool: call root: no real root of -9
	// true 1
}

func ExampleContinueOnError() {
	pool := mustPool()
	defer pool.Close()
	roots, err := lambdapool.Map(context.Background(), pool, root, []float64{4, -9, 16, -25}, lambdapool.ContinueOnError())
	fmt.Println(roots)
	fmt.Println(err)
	// Output:
	// [2 0 4 0]
	// item 1: lambdapool: call root: no real root of -9
	// item 3: lambdapool: call root: no real root of -25
}

func ExampleStarMap() {
	pool := mustPool()
	defer pool.Close()
	fmt.Println(lambdapool.StarMap(context.Background(), pool, "repeat", [][]any{{"a", 1}, {"b", 2}, {"c", 3}}))
	// Output: [a bb ccc] <nil>
}

func ExampleStream() {
	pool := mustPool()
	defer pool.Close()
	naturals := func(yield func(int) bool) {
		for n := 1; yield(n); n++ {
		}
	}
	// The input is endless: it is pulled as results are consumed.
	for n, err := range lambdapool.Stream(context.Background(), pool, square, naturals) {
		if err != nil || n > 30 {
			break
		}
		fmt.Print(n, " ")
	}
	// Output: 1 4 9 16 25
}

func ExampleStreamUnordered() {
	pool := mustPool()
	defer pool.Close()
	sum := 0
	for r := range lambdapool.StreamUnordered(context.Background(), pool, square, slices.Values([]int{1, 2, 3})) {
		sum += r.Value // r.Index says which item it is
	}
	fmt.Println(sum)
	// Output: 14
}

func ExampleWindow() {
	pool := mustPool()
	defer pool.Close()
	pulled := 0
	input := func(yield func(int) bool) {
		for n := range 1000 {
			pulled++
			if !yield(n) {
				return
			}
		}
	}
	for range lambdapool.Stream(context.Background(), pool, square, input, lambdapool.Window(5)) {
		break
	}
	fmt.Println(pulled <= 6)
	// Output: true
}
