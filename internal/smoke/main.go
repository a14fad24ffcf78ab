// Smoke proves on an account what could not be proven without one: docs/aws-smoke.md says
// what it does, which rights it needs and what it costs.
//
//	go run ./internal/smoke -out smoke        # writes smoke.md and smoke.json
//
// It makes functions, a role and a bucket under a random name, and removes them again, also
// when it is interrupted. It touches nothing else.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/lambdapool/lambdapool/internal/smoke/claims"
)

// main is also the suite's, in the process that conformance starts.
func main() {
	if function := os.Getenv(suiteFunction); function != "" {
		suite(function, os.Getenv(suiteBucket))
	}
	workers := flag.Int("workers", 200, "of the ramp")
	out := flag.String("out", "smoke", "the report's `name`, without .md and .json")
	flag.Parse()
	// The first signal has everything removed, the second ends at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, *workers, *out); err != nil {
		fmt.Fprintln(os.Stderr, "smoke:", err)
		os.Exit(1)
	}
}

// run makes what is needed, checks claim after claim, and removes everything, whatever happened.
// The report is written also when it was interrupted. An error says how many claims do not hold:
// the command fails then.
func run(ctx context.Context, workers int, out string) (err error) {
	if workers < 1 {
		return errors.New("workers: must be at least 1")
	}
	r := &claims.Report{}
	a, err := open(ctx, r)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "smoke: everything is called %s…\n", a.name)
	defer func() {
		left := a.removeAll(context.WithoutCancel(ctx))
		r.Left = left
		err = errors.Join(err, r.Write(out))
		if len(left) > 0 {
			err = errors.Join(err, fmt.Errorf("not removed: %v", left))
		}
	}()
	if err := a.deploy(ctx); err != nil {
		return err
	}
	for _, row := range a.rows(workers) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.Check(ctx, row)
	}
	if n := r.Failed(); n > 0 {
		return fmt.Errorf("%d of %d claims are not as we say: see %s.md", n, len(r.Rows), out)
	}
	return nil
}
