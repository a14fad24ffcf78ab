package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// busyPool returns a pool whose only worker is busy, and what it is busy with.
func busyPool(opts ...lambdapool.Option) (*lambdapool.Executor, *lambdapool.Future[string]) {
	pool, err := lambdapool.New(inproc.New(), append(opts, lambdapool.WithWorkers(1))...)
	if err != nil {
		panic(err)
	}
	busy := lambdapool.Submit(context.Background(), pool, wait, 100*time.Millisecond)
	for busy.State() == lambdapool.StateQueued {
		time.Sleep(time.Millisecond)
	}
	return pool, busy
}

func ExampleWithQueue() {
	ctx := context.Background()
	pool, _ := busyPool(lambdapool.WithQueue(1))
	defer pool.Close()
	lambdapool.Submit(ctx, pool, square, 7) // waits in the queue, which is full now
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	fmt.Println(lambdapool.Submit(short, pool, square, 8).Err())
	// Output: lambdapool: submit square: timed out: context deadline exceeded (the queue was full, see WithQueue: nothing was sent)
}

func ExampleTrySubmit() {
	ctx := context.Background()
	pool, _ := busyPool(lambdapool.WithQueue(1))
	defer pool.Close()
	lambdapool.TrySubmit(ctx, pool, square, 7)
	f := lambdapool.TrySubmit(ctx, pool, square, 8)
	fmt.Println(errors.Is(f.Err(), lambdapool.ErrQueueFull))
	// Output: true
}

func ExampleExecutor_TrySubmit() {
	pool, _ := busyPool(lambdapool.WithQueue(1))
	defer pool.Close()
	pool.TrySubmit(context.Background(), "square", 7)
	fmt.Println(pool.TrySubmit(context.Background(), "square", 8).Err())
	// Output: lambdapool: submit square: queue full: 1 call waiting for a worker (try later, or Submit it, which waits for room)
}

func ExampleExecutor_SetWorkers() {
	pool, _ := busyPool()
	defer pool.Close()
	fmt.Println(pool.SetWorkers(8)) // seven more may run from now on
	// Output: <nil>
}

func ExampleExecutor_Drain() {
	ctx := context.Background()
	pool, busy := busyPool()
	defer pool.Close()
	queued := lambdapool.Submit(ctx, pool, square, 7)
	fmt.Println(pool.Drain(ctx)) // once what runs has ended
	fmt.Println(busy.Result(ctx))
	fmt.Println(queued.Err())
	// Output:
	// <nil>
	// 100ms <nil>
	// lambdapool: call square: canceled: closed (Drain ends what waits; no agent has begun it)
}

func ExampleFuture_State() {
	ctx := context.Background()
	pool, busy := busyPool()
	defer pool.Close()
	queued := lambdapool.Submit(ctx, pool, square, 7)
	fmt.Println(busy.State(), queued.State())
	busy.Cancel()
	fmt.Println(busy.State())
	// Output:
	// running queued
	// done
}

func ExampleState_String() {
	fmt.Println(lambdapool.StateRunning)
	// Output: running
}

func ExampleFuture_CancelQueued() {
	pool, busy := busyPool()
	defer pool.Close()
	queued := lambdapool.Submit(context.Background(), pool, square, 7)
	fmt.Println(busy.CancelQueued(), queued.CancelQueued()) // what runs goes on
	// Output: false true
}

func ExampleTolerateFailures() {
	ctx := context.Background()
	pool := mustPool()
	defer pool.Close()
	roots, err := lambdapool.Map(ctx, pool, root, []float64{4, -1, 9}, lambdapool.TolerateFailures(1))
	fmt.Println(roots, err)
	// Output: [2 0 3] <nil>
}

func ExampleTolerateFailurePercent() {
	ctx := context.Background()
	pool := mustPool()
	defer pool.Close()
	_, err := lambdapool.Map(ctx, pool, root, []float64{4, -1, -9, 16}, lambdapool.TolerateFailurePercent(25))
	fmt.Println(errors.Is(err, lambdapool.ErrTooManyFailures))
	// Output: true
}

func ExampleMapAsync() {
	ctx := context.Background()
	pool := mustPool()
	defer pool.Close()
	squares := lambdapool.MapAsync(ctx, pool, square, []int{1, 2, 3}) // a *Future[[]int]
	roots := lambdapool.MapAsync(ctx, pool, root, []float64{1, 4, 9})
	fmt.Println(squares.Result(ctx))
	fmt.Println(roots.Result(ctx))
	// Output:
	// [1 4 9] <nil>
	// [1 2 3] <nil>
}

func ExampleCallTimeout() {
	pool := mustPool()
	defer pool.Close()
	_, err := lambdapool.Map(context.Background(), pool, wait, []time.Duration{time.Hour}, lambdapool.CallTimeout(10*time.Millisecond))
	fmt.Println(errors.Is(err, lambdapool.ErrTimeout))
	// Output: true
}

func ExampleCallRetry() {
	pool := mustPool()
	defer pool.Close()
	temporary := func(err *lambdapool.FunctionError) bool { return err.Message == "try again" }
	roots, err := lambdapool.Map(context.Background(), pool, root, []float64{4, 9},
		lambdapool.CallRetry(lambdapool.RetryPolicy{MaxAttempts: 5, RetryFunctionError: temporary}))
	fmt.Println(roots, err)
	// Output: [2 3] <nil>
}

func ExampleDefaultTimeout() {
	registry := lambdapool.NewRegistry()
	nap := lambdapool.RegisterIn(registry, "nap", func(ctx context.Context, _ time.Duration) (bool, error) {
		<-ctx.Done() // or after d
		return true, ctx.Err()
	}, lambdapool.DefaultTimeout(10*time.Millisecond))
	pool := mustPool(lambdapool.WithRegistry(registry), lambdapool.WithTimeout(time.Hour))
	defer pool.Close()
	_, err := lambdapool.Call(context.Background(), pool, nap, time.Hour)
	fmt.Println(errors.Is(err, lambdapool.ErrTimeout))
	// Output: true
}

func ExampleDefaultAttemptTimeout() {
	registry := lambdapool.NewRegistry()
	tries := 0
	ask := lambdapool.RegisterIn(registry, "ask", func(ctx context.Context, _ string) (string, error) {
		if tries++; tries == 1 {
			<-ctx.Done() // an answer that never comes
			return "", ctx.Err()
		}
		return "42", nil
	}, lambdapool.Idempotent(), lambdapool.DefaultAttemptTimeout(10*time.Millisecond))
	pool := mustPool(lambdapool.WithRegistry(registry))
	defer pool.Close()
	fmt.Println(lambdapool.Call(context.Background(), pool, ask, "what is it?"))
	// Output: 42 <nil>
}

func ExampleDefaultRetry() {
	registry := lambdapool.NewRegistry()
	tries := 0
	flaky := lambdapool.RegisterIn(registry, "flaky", func(context.Context, int) (int, error) {
		if tries++; tries < 3 {
			return 0, errors.New("the service is busy")
		}
		return tries, nil
	}, lambdapool.DefaultRetry(lambdapool.RetryPolicy{
		BaseDelay:          time.Millisecond,
		RetryFunctionError: func(*lambdapool.FunctionError) bool { return true },
	}))
	pool := mustPool(lambdapool.WithRegistry(registry))
	defer pool.Close()
	fmt.Println(lambdapool.Call(context.Background(), pool, flaky, 0))
	// Output: 3 <nil>
}

func ExampleMaxRate() {
	pool := mustPool()
	defer pool.Close()
	began := time.Now()
	squares, err := lambdapool.Map(context.Background(), pool, square, []int{1, 2, 3, 4, 5, 6}, lambdapool.MaxRate(50)) // calls a second
	fmt.Println(squares, err, time.Since(began) >= 20*time.Millisecond)
	// Output: [1 4 9 16 25 36] <nil> true
}

func ExampleMaxRateBy() {
	pool := mustPool()
	defer pool.Close()
	parity := func(n int) string { return []string{"even", "odd"}[n%2] }
	squares, err := lambdapool.Map(context.Background(), pool, square, []int{1, 2, 3, 4}, lambdapool.MaxRateBy(100, parity))
	fmt.Println(squares, err)
	// Output: [1 4 9 16] <nil>
}
