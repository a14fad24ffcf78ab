package mapreduce_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/mapreduce"
)

// A metered backend bills a second of 1 GB for each invocation.
type metered struct{ *inproc.Backend }

func (b metered) Limits() lambdapool.Limits {
	limits := b.Backend.Limits()
	limits.Timeout = 2 * time.Second
	return limits
}

func (b metered) Invoke(ctx context.Context, r *lambdapool.Request) (*lambdapool.Response, error) {
	response, err := b.Backend.Invoke(ctx, r)
	time.Sleep(time.Second)
	if response != nil {
		response.Billed, response.MemoryLimit = time.Second, 1<<30
	}
	return response, err
}

// What the mappers have spent, the reducers have no more; what they have reduced by then is there.
func TestBudgetOfBothPhases(t *testing.T) {
	for _, test := range []struct {
		seconds     float64
		invocations int64 // at most
		all         bool
	}{
		{100, 16, true}, {16, 16, true}, {12, 12, false}, {9, 9, false}, {8, 8, false}, {5, 5, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			pool, err := lambdapool.New(metered{inproc.New()}, lambdapool.WithOwnedBackend(), lambdapool.WithWorkers(1))
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			got, phases := 0, map[string]lambdapool.Snapshot{}
			var last error
			for _, last = range count.Run(t.Context(), pool, source(textsOf(1, 8, 100, 50)), mapreduce.Partitions(8), mapreduce.With(
				lambdapool.WithBudget(lambdapool.Budget{GBSeconds: test.seconds}), lambdapool.ChunkSize(1),
				lambdapool.Progress(func(s lambdapool.Snapshot) { phases[s.Func] = s }),
			)) {
				if last == nil {
					got++
				}
			}
			s, r := pool.Stats(), phases["mapreduce-test-count/reduce"]
			if test.all != (last == nil) || !test.all && !errors.Is(last, lambdapool.ErrBudget) || s.Invocations > test.invocations {
				t.Errorf("%v: %v, after %d invocations", test.seconds, last, s.Invocations)
			}
			if test.seconds > 8 && (r.Done != int(s.Invocations)-8 || got == 0) || test.all && got != 50 {
				t.Errorf("%v: %d results, of %d partitions", test.seconds, got, r.Done)
			}
			if left := leftBelow(t, pool, "mapreduce/"); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
}

// A straggling backend bills as the metered does. Its last mapper's answer is lost a minute later, whatever its context says, and
// its duplicate takes the only worker that is left.
type straggling struct {
	metered

	mappers int64
	n       *atomic.Int64
	hedged  func()
}

func (b straggling) Limits() lambdapool.Limits {
	limits := b.metered.Limits()
	limits.Timeout = time.Minute
	return limits
}

func (b straggling) Invoke(ctx context.Context, r *lambdapool.Request) (*lambdapool.Response, error) {
	switch b.n.Add(1) {
	case b.mappers:
		time.Sleep(time.Minute)
		return nil, errors.New("reset")
	case b.mappers + 1:
		b.hedged()
	}
	return b.metered.Invoke(ctx, r)
}

// Reducers that wait for a worker end when a mapper that nobody waits for any more has spent the budget of both phases. They
// were affordable when they began, and nothing of their own can land.
func TestBudgetSpentByTheFirstPhaseLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const mappers = 8
		var pool *lambdapool.Executor
		hedged := func() {
			if err := pool.SetWorkers(1); err != nil { // the straggler has it
				t.Error(err)
			}
		}
		pool, err := lambdapool.New(straggling{metered{inproc.New()}, mappers, new(atomic.Int64), hedged}, lambdapool.WithOwnedBackend(),
			lambdapool.WithWorkers(2), lambdapool.WithHedging(lambdapool.Hedging{Budget: 1, MinSamples: 5, Quantile: 0.5}))
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		var last error
		for _, last = range count.Run(t.Context(), pool, source(textsOf(1, mappers, 100, 50)), mapreduce.Partitions(2), mapreduce.With(
			// It covers all that is known, but not the minute that the straggler may have taken.
			lambdapool.WithBudget(lambdapool.Budget{GBSeconds: 40}), lambdapool.ChunkSize(1),
		)) {
		}
		s := pool.Stats()
		if !errors.Is(last, lambdapool.ErrBudget) || s.Invocations != mappers+1 {
			t.Errorf("%v, after %d invocations; want ErrBudget after %d", last, s.Invocations, mappers+1)
		}
		if s.Hedges != 1 {
			t.Errorf("%d duplicates, want 1: this test shows nothing", s.Hedges)
		}
	})
}
