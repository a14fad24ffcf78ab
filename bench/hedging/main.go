// Hedging compares a map of 2,000 calls on 64 workers without stragglers, with
// 2 % of its invocations taking 20 times as long, and with these hedged.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/bench/internal/far"
)

const (
	items   = 2000
	workers = 64
	normal  = 100 * time.Millisecond
	slow    = 20 * normal
)

var same = lambdapool.Register("same", func(_ context.Context, n int) (int, error) { return n, nil }, lambdapool.Idempotent())

func main() {
	fmt.Fprintln(os.Stdout, "| run | seconds | times the run without stragglers | duplicates |")
	fmt.Fprintln(os.Stdout, "|---|---|---|---|")
	ideal, _ := run(far.New(normal))
	fmt.Fprintf(os.Stdout, "| no stragglers | %.2f | 1.00 | 0 |\n", ideal)
	seconds, _ := run(far.New(normal).WithStragglers(0.02, slow-normal))
	fmt.Fprintf(os.Stdout, "| 2 %% stragglers | %.2f | %.2f | 0 |\n", seconds, seconds/ideal)
	seconds, hedges := run(far.New(normal).WithStragglers(0.02, slow-normal), lambdapool.WithHedging(lambdapool.Hedging{}))
	fmt.Fprintf(os.Stdout, "| 2 %% stragglers, hedged | %.2f | %.2f | %d |\n", seconds, seconds/ideal, hedges)
}

func run(b *far.Backend, opts ...lambdapool.Option) (seconds float64, hedges int64) {
	pool, err := lambdapool.New(b, append(opts, lambdapool.WithWorkers(workers))...)
	exitOn(err)
	start := time.Now()
	_, err = lambdapool.Map(context.Background(), pool, same, make([]int, items), lambdapool.ChunkSize(1))
	exitOn(err)
	seconds = time.Since(start).Seconds()
	hedges = pool.Stats().Hedges
	exitOn(pool.Close())
	return seconds, hedges
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
