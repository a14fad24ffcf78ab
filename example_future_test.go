package lambdapool_test

import (
	"context"
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool"
)

func ExampleSubmit() {
	ctx := context.Background()
	pool := mustPool()
	defer pool.Close()
	future := lambdapool.Submit(ctx, pool, square, 7) // a *Future[int]
	n, err := future.Result(ctx)
	fmt.Println(n, err)
	// Output: 49 <nil>
}

func ExampleExecutor_Submit() {
	ctx := context.Background()
	pool := mustPool()
	defer pool.Close()
	fmt.Println(pool.Submit(ctx, "square", 7).Result(ctx))
	fmt.Println(pool.Submit(ctx, "square", "seven").Err())
	fmt.Println(pool.Submit(ctx, "sqare", 7).Err())
	// Output:
	// 49 <nil>
	// lambdapool: submit square: bad arguments: argument 1: string, want int (square is func(int) int)
	// lambdapool: submit sqare: function not registered (did you mean square?)
}

func ExampleCall() {
	pool := mustPool()
	defer pool.Close()
	fmt.Println(lambdapool.Call(context.Background(), pool, root, 2))
	// Output: 1.4142135623730951 <nil>
}

func ExampleFuture_Result() {
	pool := mustPool()
	defer pool.Close()
	future := lambdapool.Submit(context.Background(), pool, wait, 50*time.Millisecond)
	short, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err := future.Result(short) // the wait ends, the call does not
	fmt.Println(err)
	fmt.Println(future.Result(context.Background()))
	// Output:
	// lambdapool: wait for wait: context deadline exceeded (the call goes on)
	// 50ms <nil>
}

func ExampleFuture_Done() {
	pool := mustPool()
	defer pool.Close()
	future := lambdapool.Submit(context.Background(), pool, square, 2)
	select {
	case <-future.Done():
		fmt.Println("done")
	case <-time.After(time.Minute):
		fmt.Println("still running")
	}
	// Output: done
}

func ExampleFuture_Err() {
	pool := mustPool()
	defer pool.Close()
	future := lambdapool.Submit(context.Background(), pool, root, -1)
	fmt.Println(future.Err() == nil || future.Err() != nil) // does not wait
	<-future.Done()
	fmt.Println(future.Err())
	// Output:
	// true
	// lambdapool: call root: no real root of -1
}

func ExampleFuture_Cancel() {
	pool := mustPool()
	defer pool.Close()
	future := lambdapool.Submit(context.Background(), pool, wait, time.Hour)
	fmt.Println(future.Cancel(), errorKind(future.Err()))
	fmt.Println(future.Cancel())
	// Output:
	// true canceled
	// false
}

func ExampleFuture_OnDone() {
	pool := mustPool()
	lambdapool.Submit(context.Background(), pool, square, 9).OnDone(func(f *lambdapool.Future[int]) {
		fmt.Println(f.Result(context.Background()))
	})
	_ = pool.Shutdown(context.Background()) // waits for callbacks too
	// Output: 81 <nil>
}

func ExampleFuture_Stats() {
	pool := mustPool()
	defer pool.Close()
	future := lambdapool.Submit(context.Background(), pool, square, 9)
	<-future.Done()
	stats := future.Stats()
	fmt.Println(stats.Attempts, "attempt;", stats.Total > 0, stats.Sent > 0, stats.Received > 0)
	// Output: 1 attempt; true true true
}

func ExampleCollect() {
	ctx := context.Background()
	pool := mustPool()
	defer pool.Close()
	a, b := lambdapool.Submit(ctx, pool, square, 3), lambdapool.Submit(ctx, pool, square, 4)
	fmt.Println(lambdapool.Collect(ctx, a, b))
	bad := lambdapool.Submit(ctx, pool, root, -1)
	_, err := lambdapool.Collect(ctx, lambdapool.Submit(ctx, pool, root, 1), bad)
	fmt.Println(err)
	// Output:
	// [9 16] <nil>
	// item 1: lambdapool: call root: no real root of -1
}

func ExampleAsCompleted() {
	ctx := context.Background()
	pool := mustPool(lambdapool.WithWorkers(2))
	defer pool.Close()
	slow := lambdapool.Submit(ctx, pool, wait, 100*time.Millisecond)
	fast := lambdapool.Submit(ctx, pool, wait, time.Millisecond)
	for future := range lambdapool.AsCompleted(ctx, slow, fast) {
		fmt.Println(future.Result(ctx))
	}
	// Output:
	// 1ms <nil>
	// 100ms <nil>
}

func ExampleWait() {
	ctx := context.Background()
	pool := mustPool(lambdapool.WithWorkers(2))
	defer pool.Close()
	slow := lambdapool.Submit(ctx, pool, wait, time.Hour)
	fast := lambdapool.Submit(ctx, pool, wait, time.Millisecond)
	done, pending := lambdapool.Wait(ctx, lambdapool.FirstCompleted, slow, fast)
	fmt.Println(len(done), "done,", len(pending), "pending")
	// Output: 1 done, 1 pending
}

func ExampleFuture_String() {
	pool := mustPool()
	defer pool.Close()
	f := lambdapool.Submit(context.Background(), pool, square, 4)
	<-f.Done()
	fmt.Println(f)
	// Output: Future(square: done)
}

func ExampleFuture_Format() {
	pool := mustPool()
	defer pool.Close()
	f := lambdapool.Submit(context.Background(), pool, root, -4)
	<-f.Done()
	fmt.Printf("%+v", f)
	// Output: Future(root: failed: lambdapool: call root: no real root of -4)
}
