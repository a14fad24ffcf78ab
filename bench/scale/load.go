package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/bench/internal/far"
	"github.com/lambdapool/lambdapool/bench/internal/processes"
)

var next = lambdapool.Register("bench.scale.next", func(_ context.Context, n int) (int, error) { return n + 1, nil })

var errWrong = errors.New("a result is wrong")

const (
	workersCalls = 1_000_000             // of the series of workers: a hundred for each, where there are most
	each         = 25 * time.Microsecond // of time for a worker's call: 10 workers are as fast as 10,000, or nearly
	runItems     = 10_000                // of each of the runs at once
	warmUp       = 1_000
)

// loads make items, as many as there are by a series' number, and say how many these are.
var loads = map[string]func(ctx context.Context, n int) (items int, err error){
	"errgroup": func(_ context.Context, n int) (int, error) { return n, onErrgroup(n) },
	"submit":   func(ctx context.Context, n int) (int, error) { return n, submit(ctx, inproc.New(), 0, n) },
	"map":      func(ctx context.Context, n int) (int, error) { return n, mapped(ctx, n) },
	"workers": func(ctx context.Context, n int) (int, error) {
		return workersCalls, submit(ctx, far.New(time.Duration(n)*each), n, workersCalls)
	},
	"runs": func(ctx context.Context, n int) (int, error) { return n * runItems, runs(ctx, n) },
}

func onErrgroup(n int) error {
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	results := make([]int, n)
	for i := range n {
		g.Go(func() error {
			results[i] = i + 1
			return nil
		})
	}
	return g.Wait()
}

// with has an executor; workers 0: what the backend suggests.
func with(b lambdapool.Backend, workers int, use func(pool *lambdapool.Executor) error) (err error) {
	opts := []lambdapool.Option{lambdapool.WithOwnedBackend()}
	if workers > 0 {
		opts = append(opts, lambdapool.WithWorkers(workers))
	}
	pool, err := lambdapool.New(b, opts...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	return use(pool)
}

// submit keeps the futures of all calls.
func submit(ctx context.Context, b lambdapool.Backend, workers, n int) error {
	return with(b, workers, func(pool *lambdapool.Executor) error {
		futures := make([]*lambdapool.Future[int], n)
		for i := range futures {
			futures[i] = lambdapool.Submit(ctx, pool, next, i)
		}
		for i, f := range futures {
			if v, err := f.Result(ctx); err != nil || v != i+1 {
				return errors.Join(err, errWrong)
			}
		}
		return nil
	})
}

func mapped(ctx context.Context, n int) error {
	return with(inproc.New(), 0, func(pool *lambdapool.Executor) error { return mapOn(ctx, pool, n) })
}

func mapOn(ctx context.Context, pool *lambdapool.Executor, n int) error {
	args := make([]int, n)
	for i := range args {
		args[i] = i
	}
	results, err := lambdapool.Map(ctx, pool, next, args)
	if err != nil {
		return err
	}
	for i, v := range results {
		if v != i+1 {
			return errWrong
		}
	}
	return nil
}

func runs(ctx context.Context, n int) error {
	return with(inproc.New(), 0, func(pool *lambdapool.Executor) error {
		var all errgroup.Group
		for range n {
			all.Go(func() error { return mapOn(ctx, pool, runItems) })
		}
		return all.Wait()
	})
}

// Two environment variables make this program measure one point, and print it.
const (
	loadEnv = "SCALE_LOAD"
	sizeEnv = "SCALE_SIZE"
)

// A measure is what a process prints.
type measure struct {
	Items     int
	Took, CPU time.Duration
	Grown     int64 // its peak resident size, in bytes
}

// inChild measures in a process of its own.
func inChild(ctx context.Context, load string, n int) (point, error) {
	self, err := os.Executable()
	if err != nil {
		return point{}, err
	}
	cmd := exec.CommandContext(ctx, self) //nolint:gosec // this program
	cmd.Env, cmd.Stderr = append(os.Environ(), loadEnv+"="+load, sizeEnv+"="+strconv.Itoa(n)), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return point{}, err
	}
	var m measure
	if err := json.Unmarshal(out, &m); err != nil {
		return point{}, err
	}
	items := float64(m.Items)
	return point{n, float64(m.Took) / items, float64(m.CPU) / items, float64(max(m.Grown, 0)) / items}, nil
}

// child measures if this process is one of inChild's.
func child() bool {
	load, there := loads[os.Getenv(loadEnv)]
	if !there {
		return false
	}
	n, err := strconv.Atoi(os.Getenv(sizeEnv))
	if err == nil {
		err = printMeasure(load, n)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

func printMeasure(load func(ctx context.Context, n int) (int, error), n int) error {
	ctx := context.Background()
	if err := errors.Join(onErrgroup(warmUp), submit(ctx, inproc.New(), 0, warmUp), mapped(ctx, warmUp)); err != nil {
		return err
	}
	runtime.GC()
	before, used, began := processes.Peak(os.Getpid()), processes.CPU(), time.Now()
	items, err := load(ctx, n)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(measure{items, time.Since(began), processes.CPU() - used, processes.Peak(os.Getpid()) - before})
}
