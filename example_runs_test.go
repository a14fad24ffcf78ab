package lambdapool_test

import (
	"context"
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool"
)

// Whoever knows a run's name can attach to it: another program, on another machine, tomorrow.
func ExampleAttach() {
	ctx := context.Background()
	pool := mustPool()
	defer pool.Close()
	if _, err := lambdapool.MapDetached(ctx, pool, shout, []string{"one", "two"}, lambdapool.RunName("attached")); err != nil {
		panic(err)
	}

	run, err := lambdapool.Attach(ctx, pool, shout, "attached")
	if err != nil {
		panic(err)
	}
	defer run.Close()
	fmt.Println(run.Wait(ctx))
	// Output: [ONE TWO] <nil>
}

// A run that has a name is started once: the second start of it finds the first.
func ExampleRunName() {
	ctx := context.Background()
	pool := mustPool()
	defer pool.Close()
	for range 2 {
		run, err := lambdapool.MapDetached(ctx, pool, shout, []string{"one"}, lambdapool.RunName("monday"))
		if err != nil {
			panic(err)
		}
		fmt.Println(run.ID(), run.Len())
	}
	// Output:
	// monday 1
	// monday 1
}

func ExampleRun_Wait() {
	ctx := context.Background()
	pool := mustPool()
	defer pool.Close()
	run, err := lambdapool.MapDetached(ctx, pool, shout, []string{"one", "two"})
	if err != nil {
		panic(err)
	}
	defer run.Close()
	fmt.Println(run.Wait(ctx)) // ctx bounds the wait, not the run
	// Output: [ONE TWO] <nil>
}

func ExampleRun_State() {
	ctx := context.Background()
	pool := mustPool()
	defer pool.Close()
	run, err := lambdapool.MapDetached(ctx, pool, shout, []string{"one", "", "three"})
	if err != nil {
		panic(err)
	}
	defer run.Close()
	_, _ = run.Wait(ctx) // one has failed
	state, err := run.State(ctx)
	fmt.Println(state.Succeeded, "succeeded,", state.Failed, "failed,", state.Queued, "queued,", err)
	// Output: 2 succeeded, 1 failed, 0 queued, <nil>
}

// A call that no agent has begun in ten minutes is reported as expired, and what there is of the run is kept for a day.
func ExampleStartWithin() {
	ctx := context.Background()
	pool := mustPool()
	defer pool.Close()
	run, err := lambdapool.SubmitDetached(ctx, pool, shout, "hello",
		lambdapool.StartWithin(10*time.Minute), lambdapool.Retention(24*time.Hour))
	if err != nil {
		panic(err)
	}
	defer run.Close()
	fmt.Println(run.Info().StartBy.Sub(run.Info().Created))
	// Output: 10m0s
}
