// Chunks compares one item per invocation with the chunks that the executor
// chooses. Every invocation takes 20 ms beside its items; the agents are
// goroutines of this process. Long items wait rather than compute.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/bench/internal/far"
)

const (
	latency = 20 * time.Millisecond
	workers = 256
)

var (
	trivial = lambdapool.Register("trivial", func(_ context.Context, n int) (int, error) { return n + 1, nil })
	nap     = lambdapool.Register("nap", func(_ context.Context, d time.Duration) (int, error) { <-time.After(d); return 0, nil })
)

func main() {
	fmt.Fprintln(os.Stdout, "| items | chunk | seconds | invocations | times faster than one by one |")
	fmt.Fprintln(os.Stdout, "|---|---|---|---|---|")
	numbers := make([]int, 100_000)
	compare("100,000 trivial", trivial, numbers, 1, 100, 1000, 0)
	compare("200 of 1 s", nap, slices.Repeat([]time.Duration{time.Second}, 200), 1, 0)
	compare("5,000 of 10 ms", nap, slices.Repeat([]time.Duration{10 * time.Millisecond}, 5000), 1, 0)
}

func compare[A any](name string, fn *lambdapool.Func[A, int], args []A, sizes ...int) {
	var single float64
	for _, size := range sizes {
		seconds, invocations := run(fn, args, size)
		chunk := fmt.Sprint(size)
		if size == 0 {
			chunk = "chosen"
		}
		if size == 1 {
			single = seconds
		}
		fmt.Fprintf(os.Stdout, "| %s | %s | %.3f | %d | %.2f |\n", name, chunk, seconds, invocations, single/seconds)
	}
}

// run returns the median of three runs.
func run[A any](fn *lambdapool.Func[A, int], args []A, size int) (seconds float64, invocations int64) {
	var took []float64
	for range 3 {
		pool, err := lambdapool.New(far.New(latency), lambdapool.WithWorkers(workers))
		exitOn(err)
		start := time.Now()
		_, err = lambdapool.Map(context.Background(), pool, fn, args, lambdapool.ChunkSize(size))
		exitOn(err)
		took = append(took, time.Since(start).Seconds())
		invocations = pool.Stats().Invocations
		exitOn(pool.Close())
	}
	slices.Sort(took)
	return took[1], invocations
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
