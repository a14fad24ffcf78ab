// Tour is the program behind the README's two-minute tour, whose code blocks are
// parts of this file.
//
//	go run ./examples/tour
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend"
)

// ErrNegative says that there is no root.
var ErrNegative = errors.New("negative")

// Sqrt is a function with a name. The package-level variable makes client and
// agent register it alike.
var Sqrt = lambdapool.Register("sqrt", func(_ context.Context, x float64) (float64, error) {
	if x < 0 {
		return 0, fmt.Errorf("sqrt(%g): %w", x, ErrNegative)
	}
	return math.Sqrt(x), nil
})

// Nap waits as long as its caller does.
var Nap = lambdapool.Register("nap", func(ctx context.Context, d time.Duration) (time.Duration, error) {
	select {
	case <-time.After(d):
		return d, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
})

func init() {
	lambdapool.RegisterFunc("hypot", math.Hypot)      // any func([ctx,] args...) ([R,] [error])
	lambdapool.RegisterError("negative", ErrNegative) // survives the wire: errors.Is finds it on the client
}

var where = flag.String("backend", "local:", "where functions run: inproc:, local: or lambda://NAME")

func main() {
	agent.Main() // started as an agent, the program serves here and never returns
	flag.Parse() // so an agent sees no flags

	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "tour:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer) error {
	e, err := backend.NewExecutor(ctx, *where) // "local:" is agents of this very executable, behind the Lambda API
	if err != nil {
		return err
	}
	defer e.Close() // and its backend

	return errors.Join(submit(ctx, e, w), mapped(ctx, e, w), failing(ctx, e, w), stopping(ctx, e, w), walkingAway(ctx, w))
}

// submit makes single calls: by the handle, and by name.
func submit(ctx context.Context, e *lambdapool.Executor, w io.Writer) error {
	root := lambdapool.Submit(ctx, e, Sqrt, 2) // *Future[float64]; never blocks
	long := e.Submit(ctx, "hypot", 3, 4)       // *Future[any]; arguments are checked before anything is sent

	x, err := root.Result(ctx) // waits
	if err != nil {
		return err
	}
	y, err := long.Result(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%.3f %v\n", x, y) // 1.414 5
	return nil
}

// mapped calls a function for each item of a slice.
func mapped(ctx context.Context, e *lambdapool.Executor, w io.Writer) error {
	roots, err := lambdapool.Map(ctx, e, Sqrt, []float64{1, 4, 9}) // in order; stops at the first error
	fmt.Fprintln(w, roots, err)                                    // [1 2 3] <nil>

	roots, err = lambdapool.Map(ctx, e, Sqrt, []float64{1, -4, 9}, lambdapool.ContinueOnError())
	fmt.Fprintln(w, roots, err) // [1 0 3] item 1: lambdapool: call sqrt: sqrt(-4): negative

	futures := []*lambdapool.Future[float64]{
		lambdapool.Submit(ctx, e, Sqrt, 16),
		lambdapool.Submit(ctx, e, Sqrt, 25),
	}
	for f := range lambdapool.AsCompleted(ctx, futures...) { // also Collect, Wait and OnDone
		if f.Err() != nil {
			return f.Err()
		}
	}
	return nil
}

// failing tells the two kinds of error apart: the function's, and everything else.
func failing(ctx context.Context, e *lambdapool.Executor, w io.Writer) error {
	_, err := lambdapool.Call(ctx, e, Sqrt, -1)

	var function *lambdapool.FunctionError // your function returned an error, or panicked
	var pool *lambdapool.PoolError         // everything else: the function is not to blame
	switch {
	case errors.As(err, &function):
		fmt.Fprintln(w, function.Message, errors.Is(err, ErrNegative)) // sqrt(-1): negative true
	case errors.As(err, &pool):
		fmt.Fprintln(w, pool.Hint, errors.Is(err, lambdapool.ErrTimeout), pool.Outcome)
	}

	_, err = e.Submit(ctx, "hypot", 3, "4").Result(ctx)
	fmt.Fprintln(w, errors.Is(err, lambdapool.ErrBadArguments)) // true; err says which argument, and why
	return nil
}

// stopping ends calls early, by hand and by time.
func stopping(ctx context.Context, e *lambdapool.Executor, w io.Writer) error {
	f := lambdapool.Submit(ctx, e, Nap, time.Hour)
	f.Cancel()                                                  // a queued call is never sent, a running one is abandoned
	fmt.Fprintln(w, errors.Is(f.Err(), lambdapool.ErrCanceled)) // true

	ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond) // covers the whole call, queueing included,
	defer cancel()                                                // and travels to the agent as a deadline
	_, err := lambdapool.Call(ctx, e, Nap, time.Hour)
	fmt.Fprintln(w, errors.Is(err, lambdapool.ErrTimeout)) // true
	return nil
}

// walkingAway starts a run and collects it as another program would, with nothing in common but a
// directory and a name.
func walkingAway(ctx context.Context, w io.Writer) error {
	dir, err := os.MkdirTemp("", "lambdapool-tour-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	return errors.Join(starting(ctx, "local:?data="+dir, w), attaching(ctx, "local:?data="+dir, w))
}

// starting queues the calls and ends.
func starting(ctx context.Context, where string, w io.Writer) error {
	e, err := backend.NewExecutor(ctx, where) // "local:?data=DIR", or "lambda://NAME?bucket=NAME"
	if err != nil {
		return err
	}
	defer e.Close()

	run, err := lambdapool.MapDetached(ctx, e, Sqrt, []float64{1, 4, 9}, lambdapool.RunName("roots"))
	if err != nil {
		return err
	}
	fmt.Fprintln(w, run.ID(), "has", run.Len(), "calls") // roots has 3 calls
	return nil                                           // and the program may end
}

// attaching finds the run by its name, and waits for it.
func attaching(ctx context.Context, where string, w io.Writer) error {
	e, err := backend.NewExecutor(ctx, where)
	if err != nil {
		return err
	}
	defer e.Close()

	run, err := lambdapool.Attach(ctx, e, Sqrt, "roots") // in another process, tomorrow
	if err != nil {
		return err
	}
	roots, err := run.Wait(ctx)
	fmt.Fprintln(w, "detached:", roots, err) // detached: [1 2 3] <nil>
	return nil
}
