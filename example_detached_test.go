package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

var shout = lambdapool.Register("example.shout", func(_ context.Context, s string) (string, error) {
	if s == "" {
		return "", errors.New("nothing to shout")
	}
	return strings.ToUpper(s), nil
}, lambdapool.Idempotent())

func ExampleMapDetached() {
	ctx := context.Background()
	b := inproc.New() // on AWS: awslambda.New(ctx, "algorithms", awslambda.WithBucket("my-bucket"))
	defer b.Close()
	e, err := lambdapool.New(b)
	if err != nil {
		panic(err)
	}
	defer e.Close()

	// The program may end after this; the calls go on.
	run, err := lambdapool.MapDetached(ctx, e, shout, []string{"one", "two", "three"}, lambdapool.RunName("nightly"))
	if err != nil {
		panic(err)
	}
	fmt.Println(run.ID(), "has", run.Len(), "calls, of which any may begin within", run.Info().StartBy.Sub(run.Info().Created))

	// Started again it is the same run; a platform that may have lost its queue gets once
	// more what no agent has begun.
	if _, err := lambdapool.MapDetached(ctx, e, shout, []string{"one", "two", "three"}, lambdapool.RunName("nightly"), lambdapool.Resend()); err != nil {
		panic(err)
	}

	// Any other program finds the run by its name.
	run, err = lambdapool.Attach(ctx, e, shout, "nightly")
	if err != nil {
		panic(err)
	}
	values, err := run.Wait(ctx)
	fmt.Println(values, err)
	// Output:
	// nightly has 3 calls, of which any may begin within 6h0m0s
	// [ONE TWO THREE] <nil>
}

func ExampleSubmitDetached() {
	ctx := context.Background()
	b := inproc.New()
	defer b.Close()
	e, err := lambdapool.New(b)
	if err != nil {
		panic(err)
	}
	defer e.Close()

	run, err := lambdapool.SubmitDetached(ctx, e, shout, "hello",
		lambdapool.StartWithin(time.Hour), lambdapool.Retention(24*time.Hour))
	if err != nil {
		panic(err)
	}
	fmt.Println(run.Futures()[0].Result(ctx))
	place, err := run.Place(ctx, 0) // where it ran
	fmt.Println(place.RequestID != "", err)
	// Output:
	// HELLO <nil>
	// true <nil>
}

func ExampleExecutor_SubmitDetached() {
	ctx := context.Background()
	b := inproc.New()
	defer b.Close()
	e, err := lambdapool.New(b)
	if err != nil {
		panic(err)
	}
	defer e.Close()

	run, err := e.SubmitDetached(ctx, "example.shout", "hello")
	if err != nil {
		panic(err)
	}
	fmt.Println(run.Futures()[0].Result(ctx))
	// Output: HELLO <nil>
}

func ExampleStarMapDetached() {
	ctx := context.Background()
	b := inproc.New()
	defer b.Close()
	e, err := lambdapool.New(b)
	if err != nil {
		panic(err)
	}
	defer e.Close()

	run, err := lambdapool.StarMapDetached(ctx, e, "test.add", [][]any{{1, 2}, {3, 4}}, lambdapool.ChunkSize(2))
	if err != nil {
		panic(err)
	}
	again, err := e.Attach(ctx, run.ID()) // its manifest says which function it calls
	if err != nil {
		panic(err)
	}
	fmt.Println(again.Wait(ctx))
	// Output: [3 7] <nil>
}

// Results come as they are recorded, and are not kept: for runs that are larger than
// memory.
func ExampleRun_Results() {
	ctx := context.Background()
	b := inproc.New()
	defer b.Close()
	e, err := lambdapool.New(b)
	if err != nil {
		panic(err)
	}
	defer e.Close()

	run, err := lambdapool.MapDetached(ctx, e, shout, []string{"one", "", "three"})
	if err != nil {
		panic(err)
	}
	var lines []string
	for r := range run.Results(ctx) {
		if r.Err != nil {
			lines = append(lines, r.Err.Error())
			continue
		}
		lines = append(lines, fmt.Sprintf("item %d: %s", r.Index, r.Value))
	}
	slices.Sort(lines)
	fmt.Println(strings.Join(lines, "\n"))

	state, err := run.State(ctx)
	fmt.Println(state.Succeeded, "succeeded,", state.Failed, "failed,", state.Duplicates, "duplicates", err)
	// Output:
	// item 0: ONE
	// item 1: lambdapool: call example.shout: nothing to shout
	// item 2: THREE
	// 2 succeeded, 1 failed, 0 duplicates <nil>
}

func ExampleExecutor_Runs() {
	ctx := context.Background()
	b := inproc.New()
	defer b.Close()
	e, err := lambdapool.New(b)
	if err != nil {
		panic(err)
	}
	defer e.Close()
	for _, name := range []string{"monday", "tuesday"} {
		run, err := lambdapool.MapDetached(ctx, e, shout, []string{name}, lambdapool.RunName(name), lambdapool.FailOnTimeout())
		if err != nil {
			panic(err)
		}
		if _, err := run.Wait(ctx); err != nil {
			panic(err)
		}
	}

	if err := e.DeleteRun(ctx, "monday"); err != nil {
		panic(err)
	}
	for info, err := range e.Runs(ctx) {
		fmt.Println(info.ID, info.Func, info.Calls, err)
	}
	for info, err := range e.CleanRuns(ctx) { // those whose retention is over: none
		fmt.Println("deleted", info.ID, err)
	}
	_, err = e.Attach(ctx, "monday")
	fmt.Println(errors.Is(err, lambdapool.ErrRunNotFound))
	// Output:
	// tuesday example.shout 1 <nil>
	// true
}

// What no agent has begun never will be.
func ExampleRun_Cancel() {
	ctx := context.Background()
	b := inproc.New()
	defer b.Close()
	e, err := lambdapool.New(b)
	if err != nil {
		panic(err)
	}
	defer e.Close()

	run, err := lambdapool.SubmitDetached(ctx, e, shout, "hello")
	if err != nil {
		panic(err)
	}
	if _, err := run.Wait(ctx); err != nil {
		panic(err)
	}
	fmt.Println(run.Cancel(ctx)) // too late: all of it has run
	fmt.Println(run.Close())
	// Output:
	// 0 <nil>
	// <nil>
}

// A large result is read as it arrives.
func ExampleRun_Open() {
	ctx := context.Background()
	b := inproc.New()
	defer b.Close()
	e, err := lambdapool.New(b)
	if err != nil {
		panic(err)
	}
	defer e.Close()

	run, err := lambdapool.SubmitDetached(ctx, e, shout, strings.Repeat("large ", 1_000_000))
	if err != nil {
		panic(err)
	}
	for r := range run.Results(ctx) { // waits; run.State would only look
		if r.Err != nil {
			panic(r.Err)
		}
	}
	body, err := run.Open(ctx, 0)
	if err != nil {
		panic(err)
	}
	defer body.Close()
	n, err := io.Copy(io.Discard, body)
	fmt.Println(n, err)
	// Output: 6000000 <nil>
}

func ExampleRun_RetryFailed() {
	ctx := context.Background()
	e, err := lambdapool.New(inproc.New(), lambdapool.WithOwnedBackend())
	if err != nil {
		panic(err)
	}
	defer e.Close()
	run, err := lambdapool.MapDetached(ctx, e, shout, []string{"one", "", "three"}, lambdapool.RunName("loud"))
	if err != nil {
		panic(err)
	}
	_, err = run.Wait(ctx)
	fmt.Println(err)
	again, err := run.RetryFailed(ctx) // once the function has been mended and deployed
	if err != nil {
		panic(err)
	}
	fmt.Println(again.ID(), "has", again.Len(), "call of", again.Info().RetryOf)
	// Output:
	// item 1: lambdapool: call example.shout: nothing to shout
	// loud.retry-1 has 1 call of loud
}

func ExampleRun_Position() {
	ctx := context.Background()
	e, err := lambdapool.New(inproc.New(), lambdapool.WithOwnedBackend())
	if err != nil {
		panic(err)
	}
	defer e.Close()
	run, err := lambdapool.MapDetached(ctx, e, shout, []string{"one", "", "three", ""})
	if err != nil {
		panic(err)
	}
	_, _ = run.Wait(ctx) // two fail
	again, err := run.RetryFailed(ctx)
	if err != nil {
		panic(err)
	}
	for i := range again.Len() {
		fmt.Println("call", i, "is call", again.Position(i), "of the run")
	}
	// Output:
	// call 0 is call 1 of the run
	// call 1 is call 3 of the run
}
