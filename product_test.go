package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// Two controls at once: what each promises holds beside the other.

// A dispatcher is inproc, and notes when requests leave and of how many items. The n-th takes what took says.
type dispatcher struct {
	*inproc.Backend

	took func(n int) time.Duration

	mu   sync.Mutex
	sent []time.Time
}

func (d *dispatcher) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	d.mu.Lock()
	d.sent = append(d.sent, time.Now())
	n := len(d.sent)
	d.mu.Unlock()
	select {
	case <-time.After(d.took(n)):
		return d.Backend.Invoke(ctx, req)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// most is how many requests left in any second at most.
func (d *dispatcher) most() (most int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	first := 0
	for i := range d.sent {
		for d.sent[i].Sub(d.sent[first]) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// A duplicate obeys the rate, also that of its key, and waits for its turn: it is not forgotten.
func TestMaxRateAndHedges(t *testing.T) {
	const rate, items = 5, 60
	for name, opt := range map[string]lambdapool.MapOption{
		"all": lambdapool.MaxRate(rate), "key": lambdapool.MaxRateBy(rate, func(int) string { return "one" }),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &dispatcher{Backend: inproc.New(), took: func(n int) time.Duration {
					if n%10 == 0 {
						return time.Hour // but for a duplicate nobody sees its answer
					}
					return 50 * time.Millisecond
				}}
				e := executor(t, d, lambdapool.WithWorkers(16), lambdapool.WithHedging(lambdapool.Hedging{Budget: 1, MinSamples: 5}))
				began := time.Now()
				got, err := lambdapool.Map(t.Context(), e, again, firstInts(items), lambdapool.ChunkSize(1), opt)
				if err != nil || !slices.Equal(got, firstInts(items)) {
					t.Fatalf("%v, %v", got, err)
				}
				stats := e.Stats()
				if most := d.most(); most > rate+1 {
					t.Errorf("%d requests left in a second", most)
				}
				if took := time.Since(began); stats.Hedges < 6 || took > time.Minute {
					t.Errorf("%d duplicates, and the run took %v", stats.Hedges, took)
				}
			})
		})
	}
}

// A run that ends while duplicates wait for their turn leaves none of them behind.
func TestMaxRateAndHedgesOfARunThatEnds(t *testing.T) {
	for _, how := range []string{"canceled", "abandoned"} {
		synctest.Test(t, func(t *testing.T) {
			d := &dispatcher{Backend: inproc.New(), took: func(n int) time.Duration {
				if n > 10 {
					return time.Hour
				}
				return 50 * time.Millisecond
			}}
			e := executor(t, d, lambdapool.WithWorkers(64), lambdapool.WithHedging(lambdapool.Hedging{Budget: 1, MinSamples: 5}))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			f := lambdapool.MapAsync(ctx, e, again, firstInts(1000), lambdapool.ChunkSize(1), lambdapool.MaxRate(5))
			waiting := false
			for range 100 {
				time.Sleep(100 * time.Millisecond)
				waiting = waiting || e.Kept()["hedges wanted"] > 0
			}
			if !waiting {
				t.Error("no duplicate has waited: this proves nothing")
			}
			if how == "canceled" {
				cancel()
			} else {
				f.Cancel()
			}
			_, err := f.Result(t.Context())
			wantErr(t, err, lambdapool.ErrCanceled)
			synctest.Wait()
			if kept := e.Kept(); len(kept) > 0 {
				t.Errorf("%s: it holds %v", how, kept)
			}
		})
	}
}

// A run that its budget ends ends at once, not after the turns of items that it cannot pay. Another run with the same
// key has a rate of its own.
func TestMaxRateAndBudget(t *testing.T) {
	for _, chunk := range []int{1, 5} {
		for name, opt := range map[string]lambdapool.MapOption{
			"all": lambdapool.MaxRate(10), "key": lambdapool.MaxRateBy(10, func(int) string { return "one" }),
		} {
			t.Run(fmt.Sprint(name, chunk), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := executor(t, billing{inproc.New()}, lambdapool.WithWorkers(4))
					began := time.Now()
					results, err := lambdapool.MapResults(t.Context(), e, double, firstInts(1000), lambdapool.ChunkSize(chunk), opt,
						lambdapool.WithBudget(lambdapool.Budget{GBSeconds: 10.5}))
					wantErr(t, err, lambdapool.ErrBudget)
					done := 0
					for i, r := range results {
						switch {
						case r.Err == nil && r.Value == 2*i:
							done++
						case !errors.Is(r.Err, lambdapool.ErrBudget):
							t.Errorf("item %d: %+v", i, r)
						}
					}
					s := e.Stats()
					if s.Invocations != 10 || len(results) != 1000 || done < 10 {
						t.Errorf("%d invocations, %d items done of %d", s.Invocations, done, len(results))
					}
					if took := time.Since(began); took > 20*time.Second {
						t.Errorf("it took %v", took)
					}
				})
			})
		}
	}
}

// Three at once: duplicates of stragglers wait for their turn and are paid by the budget, as everything that is sent.
func TestMaxRateBudgetAndHedges(t *testing.T) {
	const rate, paid = 5, 40
	synctest.Test(t, func(t *testing.T) {
		d := &dispatcher{Backend: inproc.New(), took: func(n int) time.Duration {
			if n%10 == 0 {
				return 3 * time.Second
			}
			return 50 * time.Millisecond
		}}
		e := executor(t, secondsEach{d}, lambdapool.WithWorkers(16), lambdapool.WithHedging(lambdapool.Hedging{Budget: 1, MinSamples: 5}))
		began := time.Now()
		results, err := lambdapool.MapResults(t.Context(), e, again, firstInts(1000), lambdapool.ChunkSize(1),
			lambdapool.MaxRate(rate), lambdapool.WithBudget(lambdapool.Budget{GBSeconds: paid}))
		wantErr(t, err, lambdapool.ErrBudget)
		done := 0
		for i, r := range results {
			switch {
			case r.Err == nil && r.Value == i:
				done++
			case !errors.Is(r.Err, lambdapool.ErrBudget):
				t.Errorf("item %d: %+v", i, r)
			}
		}
		stats := e.Stats()
		if most := d.most(); most > rate+1 {
			t.Errorf("%d requests left in a second", most)
		}
		// Of a straggler whose duplicate was first, nobody knows that it cost less than a timeout.
		if known, unknown := done, 3*int(stats.Hedges); known+unknown > paid || stats.Hedges < 2 || done < paid/2 {
			t.Errorf("%d items done and %d duplicates: %d GB-seconds; %d are paid", done, stats.Hedges, known+unknown, paid)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("it took %v", took)
		}
		synctest.Wait()
		if kept := e.Kept(); len(kept) > 0 {
			t.Errorf("it holds %v", kept)
		}
	})
}

// secondsEach charges a GB-second for each answer of a dispatcher, and can charge three at most.
type secondsEach struct{ *dispatcher }

func (s secondsEach) Limits() lambdapool.Limits {
	l := s.dispatcher.Limits()
	l.Timeout = 3 * time.Second
	return l
}

func (s secondsEach) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	r, err := s.dispatcher.Invoke(ctx, req)
	if r != nil {
		r.Billed, r.MemoryLimit = time.Second, 1<<30
	}
	return r, err
}

// An item that waits for its turn has not failed; those that have stop the run, and it does not wait for the others' turns.
func TestMaxRateAndTolerance(t *testing.T) {
	for _, chunk := range []int{0, 1, 4} {
		t.Run(fmt.Sprint(chunk), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg, fn, args := badAt(1000, 2, 4, 6)
				e := pool(t, lambdapool.WithRegistry(reg))
				began := time.Now()
				values, err := lambdapool.Map(t.Context(), e, fn, args, lambdapool.ChunkSize(chunk), lambdapool.MaxRate(4), lambdapool.TolerateFailures(2))
				wantErr(t, err, lambdapool.ErrTooManyFailures)
				if len(values) != 1000 || values[0] != 1 || values[4] != 5 || values[999] != 0 {
					t.Errorf("%d values, %v", len(values), values[:8])
				}
				if took := time.Since(began); took > 3*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// Shutdown lets the items of a run that wait for their turn have it; more workers make no rate higher.
func TestMaxRateShutdownAndWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clockwork{at: map[int][]time.Time{}}
		reg := lambdapool.NewRegistry()
		fn := lambdapool.RegisterIn(reg, "tick", c.run)
		e := executor(t, inproc.New(), lambdapool.WithRegistry(reg), lambdapool.WithWorkers(1))
		f := lambdapool.MapAsync(t.Context(), e, fn, firstInts(30), lambdapool.MaxRate(10), lambdapool.ChunkSize(1))
		time.Sleep(time.Second)
		if err := e.SetWorkers(64); err != nil {
			t.Error(err)
		}
		began := time.Now()
		if err := e.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		values, err := f.Result(t.Context())
		if err != nil || !slices.Equal(values, firstInts(30)) {
			t.Errorf("%v, %v", values, err)
		}
		if most, all := c.most(every); most > 11 || all != 30 {
			t.Errorf("%d in a second, %d in all", most, all)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("Shutdown took %v", took)
		}
	})
}

// A MapAsync that is canceled while its items wait for their turn sends nothing more, and its workers serve others.
func TestMapAsyncCancelWithRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clockwork{at: map[int][]time.Time{}}
		reg := lambdapool.NewRegistry()
		fn := lambdapool.RegisterIn(reg, "tick", c.run)
		e := executor(t, inproc.New(), lambdapool.WithRegistry(reg), lambdapool.WithWorkers(2))
		f := lambdapool.MapAsync(t.Context(), e, fn, firstInts(100), lambdapool.MaxRateBy(2, func(n int) string { return fmt.Sprint(n % 2) }), lambdapool.ContinueOnError())
		time.Sleep(2250 * time.Millisecond)
		if !f.Cancel() {
			t.Error("it had ended")
		}
		_, begun := c.most(every)
		_, err := f.Result(t.Context())
		wantErr(t, err, lambdapool.ErrCanceled)
		if v, err := lambdapool.Call(t.Context(), e, fn, 1000); v != 1000 || err != nil {
			t.Errorf("%v, %v", v, err)
		}
		time.Sleep(time.Minute)
		if _, all := c.most(every); all != begun+1 || begun < 8 || begun > 12 {
			t.Errorf("%d had begun, %d have", begun, all)
		}
	})
}

// Close may be called by several goroutines at once, and each returns when it is done.
func TestSeveralCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := executor(t, inproc.New(), lambdapool.WithWorkers(2))
		f := lambdapool.MapAsync(t.Context(), e, sleep, seconds(10), lambdapool.ChunkSize(1))
		time.Sleep(1500 * time.Millisecond)
		var closing sync.WaitGroup
		for range 8 {
			closing.Go(func() {
				if err := e.Close(); err != nil {
					t.Error(err)
				}
				if kept := e.Kept(); len(kept) > 0 {
					t.Errorf("it holds %v", kept)
				}
			})
		}
		closing.Wait()
		_, err := f.Result(t.Context())
		wantErr(t, err, lambdapool.ErrCanceled)
	})
}

// The room of a full queue is what waits: more workers make some, fewer make none, and each place is given once.
func TestTrySubmitAndSetWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := executor(t, inproc.New(), lambdapool.WithWorkers(1), lambdapool.WithQueue(2))
		var taken []*lambdapool.Future[time.Duration]
		var refused atomic.Int64
		try := func(n int) {
			for range n {
				synctest.Wait()
				f := lambdapool.TrySubmit(t.Context(), e, sleep, time.Second)
				if errors.Is(f.Err(), lambdapool.ErrQueueFull) {
					refused.Add(1)
				} else {
					taken = append(taken, f)
				}
			}
		}
		try(5) // one runs, two wait
		if len(taken) != 3 || refused.Load() != 2 {
			t.Fatalf("%d taken, %d refused", len(taken), refused.Load())
		}
		if err := e.SetWorkers(3); err != nil {
			t.Error(err)
		}
		try(5) // three run, two wait
		if len(taken) != 5 || refused.Load() != 5 {
			t.Errorf("with 3 workers %d taken, %d refused", len(taken), refused.Load())
		}
		if err := e.SetWorkers(1); err != nil {
			t.Error(err)
		}
		try(2)
		time.Sleep(1500 * time.Millisecond) // of the two that waited one runs
		try(2)
		if len(taken) != 6 || refused.Load() != 8 {
			t.Errorf("with one worker again %d taken, %d refused", len(taken), refused.Load())
		}
		if _, err := lambdapool.Collect(t.Context(), taken...); err != nil {
			t.Error(err)
		}
		if s := e.Stats(); s.Submitted != 6 || s.Succeeded != 6 {
			t.Errorf("%+v", s)
		}
	})
}
