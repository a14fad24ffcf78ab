package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool"
)

// Errors of the function are tried again only if a policy says so. Here those of a busy service are, and others end the call.
func ExampleRetryPolicy() {
	policy := lambdapool.RetryPolicy{
		MaxAttempts:        3,
		BaseDelay:          time.Millisecond,
		RetryFunctionError: func(err *lambdapool.FunctionError) bool { return errors.Is(err, context.DeadlineExceeded) },
	}
	pool := mustPool(lambdapool.WithRetry(policy))
	defer pool.Close()
	future := lambdapool.Submit(context.Background(), pool, root, -1.0)
	_, err := future.Result(context.Background())
	fmt.Println(err, "after", future.Stats().Attempts, "attempt")
	// Output: lambdapool: call root: no real root of -1 after 1 attempt
}

// The zero Hedging is a good start: of calls that are slower than 95 of 100, one in twenty at most gets a duplicate.
func ExampleHedging() {
	pool := mustPool(lambdapool.WithHedging(lambdapool.Hedging{}))
	defer pool.Close()
	roots, err := lambdapool.Map(context.Background(), pool, root, []float64{4, 9})
	fmt.Println(roots, err)
	// Output: [2 3] <nil>
}

// A budget can be in GB-seconds, in dollars or in both. The first that is reached ends the run.
func ExampleBudget() {
	pool := mustPool()
	defer pool.Close()
	squares, err := lambdapool.Map(context.Background(), pool, square, []int{1, 2, 3},
		lambdapool.WithBudget(lambdapool.Budget{GBSeconds: 10_000, Dollars: 0.20}))
	fmt.Println(squares, errors.Is(err, lambdapool.ErrBudget))
	// Output: [1 4 9] false
}

// The numbers of a run, for a program that shows them in its own way.
func ExampleSnapshot() {
	pool := mustPool()
	defer pool.Close()
	var last lambdapool.Snapshot
	_, err := lambdapool.Map(context.Background(), pool, square, []int{1, 2, 3, 4}, lambdapool.ChunkSize(2),
		lambdapool.Progress(func(s lambdapool.Snapshot) { last = s }))
	fmt.Printf("%s: %d of %d in %d invocations, %d queued, %v\n", last.Func, last.Done, last.Total, last.Invocations, last.Queued, err)
	// Output: square: 4 of 4 in 2 invocations, 0 queued, <nil>
}

// A recorder is told of every invocation. Package report has one that makes a page of them.
func ExampleRecorder() {
	var recorder lambdapool.Recorder = &invocations{}
	pool := mustPool(lambdapool.WithRecorder(recorder))
	defer pool.Close()
	_, err := lambdapool.Call(context.Background(), pool, square, 3)
	fmt.Println(recorder.(*invocations).n.Load(), "invocation", err)
	// Output: 1 invocation <nil>
}

func ExampleFunc_Name() {
	pool := mustPool()
	defer pool.Close()
	fmt.Println(square.Name())
	fmt.Println(pool.Submit(context.Background(), square.Name(), 7).Result(context.Background())) // by name, untyped
	// Output:
	// square
	// 49 <nil>
}
