package local_test

import (
	"context"
	"fmt"
	"os"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/local"
)

// A directory keeps a detached run: the first program ends, the second finds it.
func ExampleWithData_run() {
	dir, err := os.MkdirTemp("", "lambdapool-example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	program := func(do func(ctx context.Context, pool *lambdapool.Executor)) {
		b, err := local.New(local.WithData(dir))
		if err != nil {
			panic(err)
		}
		pool, err := lambdapool.New(b, lambdapool.WithOwnedBackend())
		if err != nil {
			panic(err)
		}
		defer pool.Close()
		do(context.Background(), pool)
	}
	program(func(ctx context.Context, pool *lambdapool.Executor) {
		run, err := lambdapool.MapDetached(ctx, pool, repeated, []int{1, 2, 3}, lambdapool.RunName("r"))
		if err != nil {
			panic(err)
		}
		fmt.Println(run.Len(), "calls; kept when the program ends:", !run.Info().Ephemeral)
	})
	program(func(ctx context.Context, pool *lambdapool.Executor) {
		run, err := lambdapool.Attach(ctx, pool, repeated, "r")
		if err != nil {
			panic(err)
		}
		fmt.Println(run.Wait(ctx))
	})
	// Output:
	// 3 calls; kept when the program ends: true
	// [r rr rrr] <nil>
}
