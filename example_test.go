package lambdapool_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// The URL decides where functions run: "local:" is agent processes of this
// machine, "lambda://NAME" is AWS. The examples run on goroutines of this process.
func Example() {
	ctx := context.Background()
	pool, err := backend.NewExecutor(ctx, "inproc:")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()

	squares, err := lambdapool.Map(ctx, pool, square, []int{1, 2, 3, 4})
	fmt.Println(squares, err)
	// Output: [1 4 9 16] <nil>
}

func ExampleNew() {
	b := inproc.New()
	defer b.Close()
	_, err := lambdapool.New(b, lambdapool.WithWorkers(-3))
	fmt.Println(err)
	// Output: lambdapool: new executor: bad arguments: WithWorkers(-3): must be from 0 to 100000
}

// mustPool opens a pool for an example.
func mustPool(opts ...lambdapool.Option) *lambdapool.Executor {
	pool, err := lambdapool.New(inproc.New(), opts...)
	if err != nil {
		panic(err)
	}
	return pool
}

func ExampleWithWorkers() {
	// For tests: every call runs in Submit, in order.
	pool := mustPool(lambdapool.WithWorkers(0))
	defer pool.Close()
	future := lambdapool.Submit(context.Background(), pool, square, 5)
	select {
	case <-future.Done():
		fmt.Println("done already")
	default:
		fmt.Println("pending")
	}
	// Output: done already
}

func ExampleWithTimeout() {
	pool := mustPool(lambdapool.WithTimeout(20 * time.Millisecond))
	defer pool.Close()
	_, err := lambdapool.Call(context.Background(), pool, wait, time.Hour)
	fmt.Println(errorKind(err))
	// Output: timed out
}

func ExampleWithRegistry() {
	registry := lambdapool.NewRegistry()
	triple := lambdapool.RegisterIn(registry, "triple", func(_ context.Context, n int) (int, error) { return 3 * n, nil })
	pool := mustPool(lambdapool.WithRegistry(registry))
	defer pool.Close()
	fmt.Println(lambdapool.Call(context.Background(), pool, triple, 14))
	// Output: 42 <nil>
}

func ExampleWithLogger() {
	pool := mustPool(lambdapool.WithLogger(slog.New(slog.DiscardHandler)))
	defer pool.Close()
	fmt.Println(lambdapool.Call(context.Background(), pool, square, 3))
	// Output: 9 <nil>
}

func ExampleWithRetry() {
	pool := mustPool(lambdapool.WithRetry(lambdapool.RetryPolicy{
		MaxAttempts:        5,
		BaseDelay:          time.Millisecond,
		RetryFunctionError: func(err *lambdapool.FunctionError) bool { return !err.Panic },
	}))
	defer pool.Close()
	future := lambdapool.Submit(context.Background(), pool, root, -1.0)
	_, err := future.Result(context.Background())
	fmt.Println(err, "after", future.Stats().Attempts, "attempts")
	// Output: lambdapool: call root: no real root of -1 after 5 attempts
}

func ExampleExecutor_Stats() {
	pool := mustPool()
	defer pool.Close()
	_, _ = lambdapool.Map(context.Background(), pool, square, []int{1, 2, 3})
	_ = pool.Shutdown(context.Background())
	stats := pool.Stats()
	fmt.Println(stats.Submitted, "submitted,", stats.Succeeded, "succeeded")
	// Output: 3 submitted, 3 succeeded
}

func ExampleExecutor_Shutdown() {
	pool := mustPool()
	future := lambdapool.Submit(context.Background(), pool, square, 3)
	_ = pool.Shutdown(context.Background()) // waits
	fmt.Println(future.Result(context.Background()))
	_, err := lambdapool.Call(context.Background(), pool, square, 4)
	fmt.Println(err)
	// Output:
	// 9 <nil>
	// lambdapool: submit square: closed (the executor was shut down or closed: make another with New)
}

func ExampleExecutor_Close() {
	pool := mustPool()
	future := lambdapool.Submit(context.Background(), pool, wait, time.Hour)
	pool.Close() // cancels
	fmt.Println(errorKind(future.Err()))
	// Output: canceled
}

func ExampleWithHedging() {
	// Stragglers of idempotent functions get a duplicate; the first answer wins.
	pool := mustPool(lambdapool.WithHedging(lambdapool.Hedging{Quantile: 0.98, Budget: 0.02}))
	defer pool.Close()
	fmt.Println(lambdapool.Call(context.Background(), pool, root, 9))
	// Output: 3 <nil>
}

// invocations counts what was sent; package report makes a page of it.
type invocations struct{ n atomic.Int64 }

func (i *invocations) Record(lambdapool.Record) { i.n.Add(1) }

func ExampleWithRecorder() {
	var seen invocations
	pool := mustPool(lambdapool.WithRecorder(&seen))
	defer pool.Close()
	_, _ = lambdapool.Map(context.Background(), pool, square, []int{1, 2, 3, 4}, lambdapool.ChunkSize(2))
	fmt.Println(seen.n.Load(), "invocations")
	// Output: 2 invocations
}

func ExampleExecutor_Store() {
	pool := mustPool()
	defer pool.Close()
	list, err := pool.Store().List(context.Background(), "in/", "")
	fmt.Println(len(list.Objects), err)
	// Output: 0 <nil>
}
