package lambdapool_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// straggling is a backend on which every so many-th invocation takes longer.
type straggling struct {
	*inproc.Backend

	every  int64
	slow   time.Duration
	normal time.Duration
	seen   atomic.Int64
}

func (s *straggling) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	d := s.normal
	if s.every > 0 && s.seen.Add(1)%s.every == 0 {
		d = s.slow
	}
	select {
	case <-time.After(d):
		return s.Backend.Invoke(ctx, req)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestHedging(t *testing.T) {
	run := func(every int64, fn *lambdapool.Func[int, int], opts ...lambdapool.Option) (took time.Duration, stats lambdapool.Stats) {
		synctest.Test(t, func(t *testing.T) {
			b := &straggling{Backend: inproc.New(), every: every, normal: 100 * time.Millisecond, slow: 2 * time.Second}
			e := executor(t, b, append(opts, lambdapool.WithWorkers(64))...)
			start := time.Now()
			got, err := lambdapool.Map(t.Context(), e, fn, upTo(2000), lambdapool.ChunkSize(1))
			if err != nil || len(got) != 2000 {
				t.Fatal(err)
			}
			took, stats = time.Since(start), e.Stats()
		})
		return took, stats
	}
	ideal, _ := run(0, again)
	without, _ := run(50, again)
	with, stats := run(50, again, lambdapool.WithHedging(lambdapool.Hedging{}))
	t.Logf("no stragglers %v, with them %v, hedged %v with %d duplicates of %d", ideal, without, with, stats.Hedges, stats.Invocations)
	if float64(with) > 1.3*float64(ideal) {
		t.Errorf("hedged run takes %v, without stragglers %v", with, ideal)
	}
	if stats.Hedges > 2000/20 || stats.Hedges < 30 {
		t.Errorf("%d duplicates, the budget is 100", stats.Hedges)
	}
	if _, stats := run(50, double, lambdapool.WithHedging(lambdapool.Hedging{})); stats.Hedges != 0 {
		t.Errorf("%d duplicates of a function that is not idempotent", stats.Hedges)
	}
	for _, h := range []lambdapool.Hedging{{Quantile: 1}, {Quantile: -1}, {MinSamples: -1}, {Budget: 2}, {Budget: -1}} {
		if _, err := lambdapool.New(inproc.New(), lambdapool.WithHedging(h)); !errors.Is(err, lambdapool.ErrBadArguments) {
			t.Errorf("WithHedging(%+v): %v", h, err)
		}
	}
}

// A duplicate that fails must not end the call, nor may both be lost.
func TestHedgesThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		b := &scripted{Backend: inproc.New()}
		slow := func(d time.Duration, err error) step {
			return func(ctx context.Context, run func() (*lambdapool.Response, error)) (*lambdapool.Response, error) {
				n.Add(1)
				select {
				case <-time.After(d):
				case <-ctx.Done():
					return nil, ctx.Err()
				}
				if err != nil {
					return nil, err
				}
				return run()
			}
		}
		b.script = slices.Repeat([]step{slow(10*time.Millisecond, nil)}, 20)
		b.script = append(b.script,
			slow(10*time.Second, nil),                   // the straggler answers
			slow(time.Millisecond, errors.New("reset")), // its duplicate fails first
			slow(10*time.Second, errors.New("reset")),   // and here both fail
			slow(10*time.Second-200*time.Millisecond, errors.New("reset")),
		)
		e := executor(t, b, lambdapool.WithHedging(lambdapool.Hedging{Budget: 1}), lambdapool.WithWorkers(4))
		for i := range 20 {
			if _, err := lambdapool.Call(t.Context(), e, again, i); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 2 {
			got, err := lambdapool.Call(t.Context(), e, again, i)
			if err != nil || got != i {
				t.Errorf("call %d = %v, %v", i, got, err)
			}
		}
		if e.Stats().Hedges < 2 {
			t.Errorf("%d duplicates, want at least 2", e.Stats().Hedges)
		}
	})
}

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := executor(t, billing{inproc.New()}, lambdapool.WithWorkers(4))
		// One GB-second each: the eleventh would exceed ten.
		got, err := lambdapool.Map(t.Context(), e, double, upTo(100),
			lambdapool.ChunkSize(1), lambdapool.WithBudget(lambdapool.Budget{GBSeconds: 10.5}), lambdapool.ContinueOnError())
		wantErr(t, err, lambdapool.ErrBudget)
		if done := 100 - len(err.(interface{ Unwrap() []error }).Unwrap()); done != 10 || got[9] != 18 {
			t.Errorf("%d items were done, want 10", done)
		}
		if s := e.Stats(); s.Invocations != 10 {
			t.Errorf("%d invocations, want 10", s.Invocations)
		}
		_, err = lambdapool.Map(t.Context(), e, double, upTo(100), lambdapool.ChunkSize(1),
			lambdapool.WithBudget(lambdapool.Budget{Dollars: 0.0001}))
		wantErr(t, err, lambdapool.ErrBudget)
		if _, err := lambdapool.Map(t.Context(), e, double, upTo(5), lambdapool.ChunkSize(1),
			lambdapool.WithBudget(lambdapool.Budget{Dollars: 1})); err != nil {
			t.Errorf("within the budget: %v", err)
		}
		for _, b := range []lambdapool.Budget{{}, {GBSeconds: -1}, {Dollars: -1}} {
			if _, err := lambdapool.Map(t.Context(), e, double, upTo(5), lambdapool.WithBudget(b)); !errors.Is(err, lambdapool.ErrBadArguments) {
				t.Errorf("WithBudget(%+v): %v", b, err)
			}
		}
	})
}

// billing is a backend whose invocations are billed one GB-second each.
type billing struct{ *inproc.Backend }

func (b billing) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	time.Sleep(time.Second)
	r, err := b.Backend.Invoke(ctx, req)
	if r != nil {
		r.Billed, r.MemoryLimit = time.Second, 1<<30
	}
	return r, err
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := executor(t, billing{inproc.New()}, lambdapool.WithWorkers(4))
		var seen []lambdapool.Snapshot
		_, err := lambdapool.Map(t.Context(), e, half, []int{2, 4, 6, -2, 8, 10, 12, 14, 3}, lambdapool.ChunkSize(1),
			lambdapool.ContinueOnError(), lambdapool.Progress(func(s lambdapool.Snapshot) { seen = append(seen, s) }))
		if err == nil {
			t.Error("no error")
		}
		last := seen[len(seen)-1]
		if !last.Final || last.Total != 9 || last.Items != 9 || last.Done != 7 || last.Failed != 2 || last.Running != 0 || last.Queued != 0 {
			t.Errorf("last snapshot = %+v", last)
		}
		if last.GBSeconds != 9 || last.Cost <= 0 || last.Billed != 9*time.Second || last.Invocations != 9 {
			t.Errorf("last snapshot = %+v", last)
		}
		if len(seen) < 20 { // three seconds, ten a second
			t.Errorf("%d snapshots", len(seen))
		}
		for i, s := range seen {
			if s.Done+s.Failed+s.Canceled+s.Running+s.Queued != s.Items || i > 0 && s.Done < seen[i-1].Done || s.Final != (i == len(seen)-1) {
				t.Errorf("snapshot %d = %+v", i, s)
			}
		}
		if mid := seen[len(seen)/2]; mid.ETA <= 0 || mid.Rate <= 0 || mid.Running == 0 {
			t.Errorf("snapshot in the middle = %+v", mid)
		}
	})
}

// A function that takes its time is not called again meanwhile: it need not lock what it writes.
func TestSlowProgressIsCalledByOneGoroutineAtATime(t *testing.T) {
	slow := func(t *testing.T) lambdapool.MapOption {
		var inside atomic.Int32
		return lambdapool.Progress(func(lambdapool.Snapshot) {
			if inside.Add(1) > 1 {
				t.Error("called while it is being called")
			}
			time.Sleep(350 * time.Millisecond)
			inside.Add(-1)
		})
	}
	t.Run("map", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := executor(t, billing{inproc.New()}, lambdapool.WithWorkers(1))
			if _, err := lambdapool.Map(t.Context(), e, double, upTo(5), lambdapool.ChunkSize(1), slow(t)); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("detached", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			run, err := lambdapool.MapDetached(t.Context(), executor(t, newCourier()), sleep,
				[]time.Duration{time.Second, 10 * time.Second}, slow(t))
			if err != nil {
				t.Fatal(err)
			}
			run.Futures() // which are followed on their own
			if _, err := run.Wait(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})
}

type records struct{ ch chan lambdapool.Record }

func (r records) Record(rec lambdapool.Record) { r.ch <- rec }

func TestRecorder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := records{make(chan lambdapool.Record, 10)}
		b := &scripted{Backend: inproc.New(), script: []step{throttle("CallerRateLimitExceeded", 0)}}
		e := executor(t, b, lambdapool.WithRecorder(r), lambdapool.WithWorkers(1))
		if _, err := lambdapool.Map(t.Context(), e, double, upTo(3), lambdapool.ChunkSize(3)); err != nil {
			t.Fatal(err)
		}
		first, second := <-r.ch, <-r.ch
		if first.Throttle == "" || first.Outcome != lambdapool.OutcomeNotRun || first.Won == false {
			t.Errorf("throttled record = %+v", first)
		}
		if second.Items != 3 || second.Attempt != 2 || second.Outcome != lambdapool.OutcomeRan || second.Err != "" || second.Failed != 0 ||
			second.BytesOut == 0 || second.BytesIn == 0 || second.Received.Before(second.Sent) || second.Sent.Before(second.Queued) {
			t.Errorf("record = %+v", second)
		}
	})
	if _, err := lambdapool.New(inproc.New(), lambdapool.WithRecorder(nil)); !errors.Is(err, lambdapool.ErrBadArguments) {
		t.Errorf("nil recorder: %v", err)
	}
}
