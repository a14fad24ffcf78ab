package lambdapool_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// A sluggard is a backend whose agents begin a part of what they are given.
type sluggard struct {
	*inproc.Backend

	begins func(n int64) int // how many items of the n-th invocation
	takes  func(n int64) time.Duration
	seen   atomic.Int64
	billed atomic.Int64 // seconds
}

func (s *sluggard) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	n := s.seen.Add(1)
	if s.takes != nil {
		pause(ctx, s.takes(n))
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	s.billed.Add(1)
	response, err := beginning(ctx, s.Backend.Invoke, req, s.begins(n))
	if err == nil {
		response.Billed, response.MemoryLimit = time.Second, 1<<30
	}
	return response, err
}

// two begins two items of each invocation.
func two(int64) int { return 2 }

// A tallied counts how often a function ran for each argument, which it doubles.
type tallied struct {
	reg         *lambdapool.Registry
	once, again *lambdapool.Func[int, int]

	mu  sync.Mutex
	ran map[int]int
}

func newTallied() *tallied {
	c := &tallied{reg: lambdapool.NewRegistry(), ran: map[int]int{}}
	f := func(_ context.Context, n int) (int, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ran[n]++
		return 2 * n, nil
	}
	c.once = lambdapool.RegisterIn(c.reg, "once", f)
	c.again = lambdapool.RegisterIn(c.reg, "again", f, lambdapool.Idempotent())
	return c
}

func (c *tallied) most() (most int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.ran {
		most = max(most, n)
	}
	return most
}

// Items that nobody has begun when the run ends are not in its journal; the next run of the same name runs them,
// and no other.
func TestNotBegunWithAJournal(t *testing.T) {
	for _, idempotent := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := newTallied()
			fn := c.once
			if idempotent {
				fn = c.again
			}
			b := &sluggard{Backend: inproc.New(), begins: two, takes: func(int64) time.Duration { return time.Second }}
			e := executor(t, b, lambdapool.WithRegistry(c.reg), lambdapool.WithWorkers(2))
			j := &memory{}
			ctx, cancel := context.WithTimeout(t.Context(), 5500*time.Millisecond)
			defer cancel()
			opts := []lambdapool.MapOption{lambdapool.Journaled(j), lambdapool.ChunkSize(10), lambdapool.ContinueOnError()}
			first, err := lambdapool.Map(ctx, e, fn, upTo(40), opts...)
			failed := map[int]bool{}
			for item := range lambdapool.ItemErrors(err) {
				failed[item.Index] = true
			}
			if len(failed) == 0 || len(failed) == 40 {
				t.Fatalf("%d items failed: %v", len(failed), err)
			}
			for i := range 40 {
				if j.recorded(i) == failed[i] || !failed[i] && first[i] != 2*i {
					t.Errorf("item %d: value %d, failed %v, recorded %v", i, first[i], failed[i], j.recorded(i))
				}
			}
			got, err := lambdapool.Map(t.Context(), e, fn, upTo(40), opts...)
			if err != nil || !slices.Equal(got, doubled(40)) {
				t.Errorf("the second run: %v, %v", got, err)
			}
			if most := c.most(); most != 1 || len(c.ran) != 40 {
				t.Errorf("%d items ran, one of them %d times", len(c.ran), most)
			}
		})
	}
}

// A duplicate and its original may each begin a part. All have their values, and none ran more than those two
// times.
func TestNotBegunWithHedging(t *testing.T) {
	for seed := range int64(7) {
		synctest.Test(t, func(t *testing.T) {
			c := newTallied()
			b := &sluggard{Backend: inproc.New(), begins: func(n int64) int { return 1 + int((n+seed)%5) }, takes: func(n int64) time.Duration {
				if (n+seed)%7 == 0 {
					return 20 * time.Second
				}
				return time.Second
			}}
			e := executor(t, b, lambdapool.WithRegistry(c.reg), lambdapool.WithWorkers(6),
				lambdapool.WithHedging(lambdapool.Hedging{Quantile: 0.5, MinSamples: 3, Budget: 1}))
			got, err := lambdapool.Map(t.Context(), e, c.again, upTo(100), lambdapool.ChunkSize(6))
			if err != nil || !slices.Equal(got, doubled(100)) {
				t.Errorf("%v, %v", got, err)
			}
			stats := e.Stats()
			if stats.Hedges == 0 || stats.Retries != 0 || c.most() > 2 {
				t.Errorf("one ran %d times; %+v", c.most(), stats)
			}
		})
	}
}

// What is given back is paid for once more, out of the same budget; what that does not pay for was not run, and had
// no attempt.
func TestNotBegunWithABudget(t *testing.T) {
	for _, workers := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			c := newTallied()
			b := &sluggard{Backend: inproc.New(), begins: two}
			e := executor(t, b, lambdapool.WithRegistry(c.reg), lambdapool.WithWorkers(workers))
			const budget = 10
			got, err := lambdapool.Map(t.Context(), e, c.once, upTo(100), lambdapool.ChunkSize(10), lambdapool.ContinueOnError(),
				lambdapool.WithBudget(lambdapool.Budget{GBSeconds: budget}))
			failed := map[int]bool{}
			for item := range lambdapool.ItemErrors(err) {
				failed[item.Index] = true
				var pool *lambdapool.PoolError
				if !errors.As(item, &pool) || !errors.Is(pool.Kind, lambdapool.ErrBudget) || pool.Outcome != lambdapool.OutcomeNotRun || pool.Attempts != 0 {
					t.Error(item)
				}
			}
			for i, v := range got {
				if failed[i] == (v == 2*i && c.ran[i] == 1) {
					t.Errorf("item %d: value %d, failed %v, ran %d times", i, v, failed[i], c.ran[i])
				}
			}
			if spent := b.billed.Load(); spent > budget || spent < budget/2 || len(failed) != 100-2*int(spent) {
				t.Errorf("%d invocations for a budget of %d; %d items failed", spent, budget, len(failed))
			}
		})
	}
}

// An attempt that has no time for all of its chunk loses nothing by it: for every function, and as no attempt.
func TestNotBegunWithAttemptTimeout(t *testing.T) {
	for _, parallel := range []int{1, 3} {
		for _, way := range []time.Duration{0, 100 * time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				e := executor(t, &far{Backend: inproc.New(), there: way, back: way}, lambdapool.WithWorkers(3))
				args := slices.Repeat([]time.Duration{time.Second}, 60)
				got, err := lambdapool.Map(t.Context(), e, sleep, args, lambdapool.ChunkSize(30), lambdapool.Parallel(parallel), lambdapool.WithAttemptTimeout(5*time.Second))
				if err != nil || !slices.Equal(got, args) {
					t.Errorf("%d at once, %v away: %v", parallel, way, err)
				}
				if s := e.Stats(); s.Retries != 0 {
					t.Errorf("%d retries", s.Retries)
				}
			})
		}
	}
}
