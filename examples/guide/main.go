// Guide is the program behind docs/guide, whose code blocks are parts of this directory's files.
//
//	go run ./examples/guide
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend"
)

func main() {
	agent.Main()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "guide:", err)
		os.Exit(1)
	}
}

// run does what each page shows, on goroutines. Traps are shown on agent processes as well.
func run(ctx context.Context, w io.Writer) error {
	pool, err := backend.NewExecutor(ctx, "inproc:")
	if err != nil {
		return err
	}
	defer pool.Close()
	return errors.Join(
		traps(ctx, w), printing(ctx, w), poison(ctx, pool, w), explain(ctx, pool, w),
		estimate(w), chunked(ctx, pool, w), bounded(ctx, pool, w), data(ctx, pool, w), others(ctx, pool, w),
	)
}

// others does what the page for people who come from other libraries shows.
func others(ctx context.Context, pool *lambdapool.Executor, w io.Writer) error {
	return errors.Join(multiprocessing(ctx, pool, w), concurrentFutures(ctx, pool, w), lithops(ctx, pool, w), modal(ctx, pool, w), group(ctx, pool, w))
}
