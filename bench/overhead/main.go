// Overhead compares what one call costs on goroutines of this process: a bare
// errgroup and alitto/pond, which run a closure, and lambdapool on backend/inproc,
// which also encodes arguments and results, checks limits, keeps deadlines and
// contains panics, so that what runs here runs on Lambda.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/alitto/pond/v2"
	"golang.org/x/sync/errgroup"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

const (
	calls  = 200_000
	rounds = 5
)

var next = lambdapool.Register("next", func(_ context.Context, n int) (int, error) { return n + 1, nil })

func main() {
	subjects := []struct {
		name string
		run  func(ctx context.Context)
	}{
		{"errgroup with a limit", onErrgroup},
		{"pond, results", onPond},
		{"lambdapool, Submit and Result", onSubmit},
		{"lambdapool, Map", onMap},
	}
	wall, cpu := make([][]float64, len(subjects)), make([][]float64, len(subjects))
	for range rounds {
		for i, s := range subjects {
			runtime.GC()
			begun, used := time.Now(), cpuTime()
			s.run(context.Background())
			wall[i] = append(wall[i], float64(time.Since(begun))/calls)
			cpu[i] = append(cpu[i], float64(cpuTime()-used)/calls)
		}
	}
	fmt.Fprintln(os.Stdout, "| | ns per call | CPU ns per call | times errgroup |")
	fmt.Fprintln(os.Stdout, "|---|---|---|---|")
	for i, s := range subjects {
		fmt.Fprintf(os.Stdout, "| %s | %.0f | %.0f | %.1f |\n", s.name, median(wall[i]), median(cpu[i]), median(wall[i])/median(wall[0]))
	}
}

func onErrgroup(context.Context) {
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	results := make([]int, calls)
	for i := range calls {
		g.Go(func() error {
			results[i] = i + 1
			return nil
		})
	}
	exitOn(g.Wait())
}

func onPond(context.Context) {
	pool := pond.NewResultPool[int](runtime.GOMAXPROCS(0))
	tasks := make([]pond.ResultTask[int], calls)
	for i := range calls {
		tasks[i] = pool.Submit(func() int { return i + 1 })
	}
	for _, task := range tasks {
		_, err := task.Wait()
		exitOn(err)
	}
	pool.StopAndWait()
}

func onSubmit(ctx context.Context) {
	pool := open()
	futures := make([]*lambdapool.Future[int], calls)
	for i := range calls {
		futures[i] = lambdapool.Submit(ctx, pool, next, i)
	}
	for _, f := range futures {
		_, err := f.Result(ctx)
		exitOn(err)
	}
	exitOn(pool.Close())
}

func onMap(ctx context.Context) {
	pool := open()
	_, err := lambdapool.Map(ctx, pool, next, make([]int, calls))
	exitOn(err)
	exitOn(pool.Close())
}

func open() *lambdapool.Executor {
	pool, err := lambdapool.New(inproc.New())
	exitOn(err)
	return pool
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	exitOn(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(xs []float64) float64 {
	slices.Sort(xs)
	return xs[len(xs)/2]
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
