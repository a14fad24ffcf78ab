package lambdapool_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/lambdapool/lambdapool"
)

func ExampleFunctionError() {
	pool := mustPool()
	defer pool.Close()
	_, err := lambdapool.Call(context.Background(), pool, root, -4)
	var failed *lambdapool.FunctionError
	if errors.As(err, &failed) {
		fmt.Println(failed.Func, "|", failed.Type, "|", failed.Message, "| panic:", failed.Panic)
	}
	// Output: root | *fmt.wrapError | no real root of -4 | panic: false
}

func ExamplePoolError() {
	pool := mustPool()
	defer pool.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := lambdapool.Call(ctx, pool, square, 4)
	var failed *lambdapool.PoolError
	if errors.As(err, &failed) {
		fmt.Println(failed.Func, "|", failed.Kind, "|", failed.Outcome)
	}
	fmt.Println(errors.Is(err, lambdapool.ErrCanceled), errors.Is(err, context.Canceled))
	// Output:
	// square | canceled | not run
	// true true
}

func ExampleItemError() {
	pool := mustPool()
	defer pool.Close()
	_, err := lambdapool.Map(context.Background(), pool, root, []float64{1, 4, -9})
	var item *lambdapool.ItemError
	if errors.As(err, &item) {
		fmt.Println("item", item.Index, "of the input")
	}
	// Output: item 2 of the input
}
