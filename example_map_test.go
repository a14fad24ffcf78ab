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

func ExampleChunkSize() {
	pool := mustPool()
	defer pool.Close()
	// Four items in each invocation; without the option the executor measures and chooses.
	squares, err := lambdapool.Map(context.Background(), pool, square, []int{1, 2, 3, 4, 5, 6, 7, 8}, lambdapool.ChunkSize(4))
	fmt.Println(squares, err)
	fmt.Println(pool.Stats().Invocations)
	// Output:
	// [1 4 9 16 25 36 49 64] <nil>
	// 2
}

func ExampleParallel() {
	pool := mustPool()
	defer pool.Close()
	// A function that waits for a network can have many items at once in each agent. This one waits for
	// the other 49 items.
	met.Add(50)
	_, err := lambdapool.Map(context.Background(), pool, meet, make([]int, 50), lambdapool.ChunkSize(50), lambdapool.Parallel(50))
	fmt.Println(err)
	// Output: <nil>
}

func ExampleProgress() {
	pool := mustPool()
	defer pool.Close()
	// progress.Bar(os.Stderr) renders this; a program may want the numbers.
	_, err := lambdapool.Map(context.Background(), pool, square, []int{1, 2, 3},
		lambdapool.Progress(func(s lambdapool.Snapshot) {
			if s.Final {
				fmt.Printf("%d of %d done, %d failed, %d canceled\n", s.Done, s.Total, s.Failed, s.Canceled)
			}
		}))
	fmt.Println(err)
	// Output:
	// 3 of 3 done, 0 failed, 0 canceled
	// <nil>
}

func ExampleTotal() {
	pool := mustPool()
	defer pool.Close()
	lines := slices.Values([]int{1, 2, 3}) // of a file, say, of which it is known how many it has
	sum := 0
	for n, err := range lambdapool.Stream(context.Background(), pool, square, lines, lambdapool.Total(3),
		lambdapool.Progress(func(s lambdapool.Snapshot) {
			if s.Final {
				fmt.Printf("%d of %d done\n", s.Done, s.Total)
			}
		})) {
		if err == nil {
			sum += n
		}
	}
	fmt.Println(sum)
	// Output:
	// 3 of 3 done
	// 14
}

func ExampleMapResults() {
	pool := mustPool()
	defer pool.Close()
	results, err := lambdapool.MapResults(context.Background(), pool, root, []float64{4, -9, 16})
	for _, r := range results {
		fmt.Println(r.Index, r.Value, r.Err)
	}
	fmt.Println(err) // of the run as a whole
	// Output:
	// 0 2 <nil>
	// 1 0 item 1: lambdapool: call root: no real root of -9
	// 2 4 <nil>
	// <nil>
}

func ExampleStarMapResults() {
	pool := mustPool()
	defer pool.Close()
	results, err := lambdapool.StarMapResults(context.Background(), pool, "repeat", [][]any{{"a", 2}, {"b"}})
	fmt.Println(results[0].Value, errors.Is(results[1].Err, lambdapool.ErrBadArguments), err)
	// Output: aa true <nil>
}

func ExampleItemErrors() {
	pool := mustPool()
	defer pool.Close()
	args := []float64{4, -9, 16, -25}
	_, err := lambdapool.Map(context.Background(), pool, root, args, lambdapool.ContinueOnError())
	for item := range lambdapool.ItemErrors(fmt.Errorf("compute roots: %w", err)) {
		fmt.Println(args[item.Index], "|", item.Err)
	}
	// Output:
	// -9 | lambdapool: call root: no real root of -9
	// -25 | lambdapool: call root: no real root of -25
}

func ExampleWithBudget() {
	pool := mustPool()
	defer pool.Close()
	_, err := lambdapool.Map(context.Background(), pool, square, []int{1, 2, 3},
		lambdapool.WithBudget(lambdapool.Budget{Dollars: 5}))
	fmt.Println(err)
	_, err = lambdapool.Map(context.Background(), pool, square, []int{1, 2, 3},
		lambdapool.WithBudget(lambdapool.Budget{Dollars: -5}))
	fmt.Println(err)
	// Output:
	// <nil>
	// lambdapool: map square: bad arguments: WithBudget({GBSeconds:0 Dollars:-5}): must be positive
}

func ExampleStreamFrom() {
	pool := mustPool()
	defer pool.Close()
	// A source that fails after two numbers.
	numbers := func(yield func(int, error) bool) {
		_ = yield(3, nil) && yield(4, nil) && yield(0, errors.New("the disk is gone"))
	}
	for n, err := range lambdapool.StreamFrom(context.Background(), pool, square, numbers) {
		fmt.Println(n, err)
	}
	// Output:
	// 9 <nil>
	// 16 <nil>
	// 0 lambdapool: map square: input failed: the disk is gone (the input was not read to its end)
}

func ExampleStreamUnorderedFrom() {
	pool := mustPool()
	defer pool.Close()
	numbers := func(yield func(int, error) bool) {
		_ = yield(3, nil) && yield(0, errors.New("the disk is gone"))
	}
	for r := range lambdapool.StreamUnorderedFrom(context.Background(), pool, square, numbers) {
		fmt.Println(r.Index, r.Value, errors.Is(r.Err, lambdapool.ErrInput))
	}
	// Output:
	// 0 9 false
	// -1 0 true
}
