package lambdapool_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// A waiting backend has a platform on which requests wait for an agent, and are refused when none was free in time, as
// Cloud Run's are. It says so, or not.
type waiting struct {
	*inproc.Backend

	agents chan struct{}
	up     time.Time // no agent is there before
	says   bool
}

const longestWait = 10 * time.Second

func (w *waiting) Limits() lambdapool.Limits {
	limits := w.Backend.Limits()
	if w.says {
		limits.Wait = longestWait
	}
	return limits
}

func (w *waiting) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	patience := time.After(longestWait)
	if d := time.Until(w.up); d > 0 {
		<-time.After(d)
	}
	select {
	case w.agents <- struct{}{}:
		defer func() { <-w.agents }()
		return w.Backend.Invoke(ctx, req)
	case <-patience:
		return nil, &lambdapool.InvokeError{Outcome: lambdapool.OutcomeNotRun, Kind: lambdapool.ErrThrottled, Err: errors.New("no agent was free")}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// When agents come late, what waited for them tells nothing of how long functions take: stragglers are seen as soon as
// elsewhere.
func TestHedgingWhereRequestsWait(t *testing.T) {
	run := func(says bool) (took time.Duration, stats lambdapool.Stats) {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			begun := map[int]bool{}
			registry := lambdapool.NewRegistry()
			fn := lambdapool.RegisterIn(registry, "nap", func(ctx context.Context, n int) (int, error) {
				mu.Lock()
				again := begun[n]
				begun[n] = true
				mu.Unlock()
				nap := 100 * time.Millisecond
				if n%50 == 49 && !again {
					nap = 8 * time.Second
				}
				select {
				case <-time.After(nap):
					return n, nil
				case <-ctx.Done():
					return 0, ctx.Err()
				}
			}, lambdapool.Idempotent())
			const agents = 64
			b := &waiting{Backend: inproc.New(inproc.WithConcurrency(agents)), agents: make(chan struct{}, agents), up: time.Now().Add(6 * time.Second), says: says}
			e := executor(t, b, lambdapool.WithRegistry(registry), lambdapool.WithWorkers(agents), lambdapool.WithHedging(lambdapool.Hedging{}))
			start := time.Now()
			if _, err := lambdapool.Map(t.Context(), e, fn, upTo(640), lambdapool.ChunkSize(1)); err != nil {
				t.Fatal(err)
			}
			took, stats = time.Since(start), e.Stats()
		})
		return took, stats
	}
	before, _ := run(false)
	took, stats := run(true)
	t.Logf("%v, not knowing it %v; %d duplicates", took, before, stats.Hedges)
	if took > 9*time.Second || before < 11*time.Second {
		t.Errorf("it took %v, and %v without knowing that requests wait", took, before)
	}
	if stats.Hedges < 8 || stats.Hedges > 640/20 {
		t.Errorf("%d duplicates of 12 stragglers, the budget is 32", stats.Hedges)
	}
}

// Chunks grow by what an invocation costs, not by how long it waited for one of too few agents.
func TestChunksWhereRequestsWait(t *testing.T) {
	run := func(says bool) (invocations int64) {
		synctest.Test(t, func(t *testing.T) {
			registry := lambdapool.NewRegistry()
			fn := lambdapool.RegisterIn(registry, "nap", func(context.Context, int) (int, error) {
				time.Sleep(10 * time.Millisecond)
				return 0, nil
			})
			b := &waiting{Backend: inproc.New(inproc.WithConcurrency(4)), agents: make(chan struct{}, 4), says: says}
			e := executor(t, b, lambdapool.WithRegistry(registry), lambdapool.WithWorkers(64))
			if _, err := lambdapool.Map(t.Context(), e, fn, upTo(20_000)); err != nil {
				t.Fatal(err)
			}
			invocations = e.Stats().Invocations
		})
		return invocations
	}
	before, now := run(false), run(true)
	t.Logf("%d invocations, not knowing it %d", now, before)
	if now < 2*before {
		t.Errorf("%d invocations, and %d without knowing that requests wait", now, before)
	}
}

// Refusals that come late, of requests which were all sent before the first one, slow the pool down once, and cost the
// agents nothing.
func TestThrottlesThatComeLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := lambdapool.NewRegistry()
		fn := lambdapool.RegisterIn(registry, "nap", func(context.Context, int) (int, error) {
			time.Sleep(time.Second)
			return 0, nil
		})
		const agents, n = 4, 400
		b := &waiting{Backend: inproc.New(inproc.WithConcurrency(agents)), agents: make(chan struct{}, agents), says: true}
		e := executor(t, b, lambdapool.WithRegistry(registry), lambdapool.WithWorkers(64))
		start := time.Now()
		if _, err := lambdapool.Map(t.Context(), e, fn, upTo(n), lambdapool.ChunkSize(1)); err != nil {
			t.Fatal(err)
		}
		took, stats := time.Since(start), e.Stats()
		t.Logf("%v, %d refusals", took, stats.Throttles)
		if took > n/agents*time.Second*11/10 {
			t.Errorf("it took %v, at best %v", took, n/agents*time.Second)
		}
		if stats.Throttles == 0 || stats.Throttles > n/2 {
			t.Errorf("%d refusals", stats.Throttles)
		}
	})
}
