package lambdapool_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// napping are functions that sleep, of the same kind but with names of their own.
var napping = func() (fns []*lambdapool.Func[time.Duration, int]) {
	for i := range 3 {
		fns = append(fns, lambdapool.Register(fmt.Sprintf("test.nap%d", i), func(ctx context.Context, d time.Duration) (int, error) {
			select {
			case <-time.After(d):
			case <-ctx.Done():
			}
			return 0, ctx.Err()
		}))
	}
	return fns
}()

// A demand is what somebody always wants more of: naps of a length, as a run or as single calls.
type demand struct {
	single bool
	fn     int
	nap    time.Duration
	share  float64 // of all workers, wanted
	count  int     // so many of the same
}

// shares has all demands compete for workers and returns what each got, as parts of all worker time.
func shares(t *testing.T, workers int, long time.Duration, demands []demand) (got []float64) {
	t.Helper()
	work := make([]time.Duration, len(demands))
	synctest.Test(t, func(t *testing.T) {
		e := executor(t, inproc.New(), lambdapool.WithWorkers(workers))
		ctx, cancel := context.WithTimeout(t.Context(), long)
		defer cancel()
		var group sync.WaitGroup
		var mu sync.Mutex
		did := func(i int, d time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			work[i] += d
		}
		for i, d := range demands {
			if d.single {
				for range 2 * workers { // always one more than can run
					group.Go(func() {
						for ctx.Err() == nil {
							if _, err := lambdapool.Call(ctx, e, napping[d.fn], d.nap); err == nil {
								did(i, d.nap)
							}
						}
					})
				}
				continue
			}
			for range max(d.count, 1) {
				group.Go(func() {
					endless := func(yield func(time.Duration) bool) {
						for yield(d.nap) {
						}
					}
					for r := range lambdapool.StreamUnordered(ctx, e, napping[d.fn], endless, lambdapool.ChunkSize(1)) {
						if r.Err == nil {
							did(i, d.nap)
						}
					}
				})
			}
		}
		group.Wait()
	})
	for _, w := range work {
		got = append(got, w.Seconds()/long.Seconds()/float64(workers))
	}
	return got
}

// Whoever waits gets its part of the workers, whatever its invocations last and how many
// others there are: single calls as many as runs do, each function as another, each run as another.
func TestShares(t *testing.T) {
	s, ms := time.Second, time.Millisecond
	for _, tc := range []struct {
		name    string
		workers int
		long    time.Duration
		demands []demand
	}{
		{"a service beside 400 runs", 40, 4 * time.Minute, []demand{
			{single: true, nap: 300 * ms, share: 0.5}, {nap: 2 * s, count: 400, share: 0.5},
		}},
		{"on one worker", 1, 20 * time.Minute, []demand{{single: true, nap: 300 * ms, share: 0.5}, {nap: 2 * s, count: 10, share: 0.5}}},
		{"long single calls beside a run of short ones", 8, 5 * time.Minute, []demand{
			{single: true, nap: 10 * s, share: 0.5}, {nap: 100 * ms, share: 0.5},
		}},
		{"two functions and three runs", 24, 20 * time.Minute, []demand{
			{single: true, nap: s, share: 0.25}, {single: true, fn: 1, nap: 5 * s, share: 0.25},
			{nap: 200 * ms, share: 1. / 6}, {nap: s, share: 1. / 6}, {nap: 10 * s, share: 1. / 6},
		}},
		{"runs alone, on fewer workers than runs", 2, 20 * time.Minute, []demand{
			{nap: 200 * ms, share: 1. / 3}, {nap: s, share: 1. / 3}, {nap: 10 * s, share: 1. / 3},
		}},
		{"single calls alone", 9, 20 * time.Minute, []demand{
			{single: true, nap: s, share: 1. / 3}, {single: true, fn: 1, nap: 3 * s, share: 1. / 3}, {single: true, fn: 2, nap: 200 * ms, share: 1. / 3},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for i, got := range shares(t, tc.workers, tc.long, tc.demands) {
				if want := tc.demands[i].share; got < 0.93*want || got > 1.07*want {
					t.Errorf("%+v got %.3f of the workers, want %.3f", tc.demands[i], got, want)
				}
			}
		})
	}
}

// A run that has had the workers for itself is not paid back to those that come later, and
// what nobody else wants is anybody's.
func TestSharesOfWhoComesLater(t *testing.T) {
	const workers = 10
	synctest.Test(t, func(t *testing.T) {
		e := executor(t, inproc.New(), lambdapool.WithWorkers(workers))
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Second)
		defer cancel()
		var mu sync.Mutex
		done := map[string][]int{"first": make([]int, 300), "second": make([]int, 300)}
		start := time.Now()
		endless := func(yield func(time.Duration) bool) {
			for yield(time.Second) {
			}
		}
		var group sync.WaitGroup
		run := func(name string) {
			for r := range lambdapool.StreamUnordered(ctx, e, napping[0], endless, lambdapool.ChunkSize(1)) {
				if r.Err == nil {
					mu.Lock()
					done[name][int(time.Since(start).Seconds())]++
					mu.Unlock()
				}
			}
		}
		group.Go(func() { run("first") })
		time.Sleep(100*time.Second + time.Millisecond)
		group.Go(func() { run("second") })
		group.Wait()
		sum := func(name string, from, to int) (n int) {
			for _, d := range done[name][from:to] {
				n += d
			}
			return n
		}
		if n := sum("first", 10, 90); n < 80*workers*95/100 {
			t.Errorf("alone, the first run did %d items in 80 s, want %d", n, 80*workers)
		}
		for _, name := range []string{"first", "second"} {
			if n := sum(name, 110, 190); n < 80*workers/2*95/100 {
				t.Errorf("together, the %s run did %d items in 80 s, want %d", name, n, 80*workers/2)
			}
		}
	})
}

// A single call beside a busy run waits for one free worker, not for its turn among all.
func TestSingleCallsDoNotQueueBehindRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers, runs = 10, 400
		e := executor(t, inproc.New(), lambdapool.WithWorkers(workers))
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for range runs {
			group.Go(func() {
				args := make([]time.Duration, 50)
				for i := range args {
					args[i] = time.Second
				}
				_, _ = lambdapool.Map(ctx, e, napping[0], args, lambdapool.ChunkSize(1))
			})
		}
		time.Sleep(10*time.Second + 500*time.Millisecond)
		for range 20 {
			start := time.Now()
			if _, err := lambdapool.Call(t.Context(), e, napping[1], 10*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took > 1100*time.Millisecond {
				t.Errorf("a call of 10 ms took %v beside runs of items of 1 s", took)
			}
			time.Sleep(700 * time.Millisecond)
		}
		cancel()
		group.Wait()
	})
}
