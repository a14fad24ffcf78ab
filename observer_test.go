package lambdapool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/internal/quick"
)

// heard notes what an Observer was told, and checks that what begins ends, with the same context.
type heard struct {
	t *testing.T

	mu     sync.Mutex
	counts map[string]int
	failed []int
	runs   []error
	last   lambdapool.Snapshot
}

type heardKey string

func (h *heard) count(what string, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[what] += n
}

func (h *heard) start(ctx context.Context, what string) context.Context {
	h.count(what, 1)
	return context.WithValue(ctx, heardKey(what), true)
}

func (h *heard) end(ctx context.Context, what string) {
	h.count(what, -1)
	h.count(what+" ended", 1)
	if ctx.Value(heardKey(what)) == nil {
		h.t.Errorf("the end of a %s has not the context of its start", what)
	}
}

func newHeard(t *testing.T) (*heard, *lambdapool.Observer) {
	h := &heard{t: t, counts: map[string]int{}}
	return h, &lambdapool.Observer{
		Opened: func(*lambdapool.Executor) { h.count("executor", 1) },
		Closed: func(*lambdapool.Executor) { h.count("executor", -1) },
		RunStart: func(ctx context.Context, r lambdapool.RunEvent) context.Context {
			if s := r.Snapshot(); s.Done != 0 || s.Func != r.Func || s.Total != r.Total || r.Executor == nil {
				t.Errorf("a run that begins: %+v, %+v", r, s)
			}
			return h.start(ctx, "run")
		},
		RunEnd: func(ctx context.Context, r lambdapool.RunEvent, err error) {
			h.end(ctx, "run")
			h.mu.Lock()
			defer h.mu.Unlock()
			h.runs, h.last = append(h.runs, err), r.Snapshot()
		},
		CallStart: func(ctx context.Context, _ string) context.Context { return h.start(ctx, "call") },
		CallEnd: func(ctx context.Context, _ string, stats lambdapool.CallStats, err error) {
			h.end(ctx, "call")
			if stats.Total == 0 || (err != nil) != (stats.Attempts == 0) {
				t.Errorf("a call has ended: %+v, %v", stats, err)
			}
		},
		InvocationStart: func(ctx context.Context, r lambdapool.Record) context.Context {
			if r.ID == "" || r.Items == 0 || r.Attempt == 0 || ctx.Value(heardKey("run")) == nil && ctx.Value(heardKey("call")) == nil {
				t.Errorf("an invocation that begins: %+v", r)
			}
			return h.start(ctx, "invocation")
		},
		InvocationEnd: func(ctx context.Context, _ lambdapool.Record, _ error) { h.end(ctx, "invocation") },
		Failed: func(ctx context.Context, fn string, items []*lambdapool.ItemError) {
			if ctx.Value(heardKey("run")) == nil || fn != half.Name() {
				t.Errorf("what has failed of %s has not the context of the run", fn)
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			for _, it := range items {
				h.failed = append(h.failed, it.Index)
			}
		},
	}
}

func (h *heard) check(want map[string]int) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.counts, func(_ string, n int) bool { return n == 0 })
	if !maps.Equal(h.counts, want) {
		h.t.Errorf("heard %v, want %v", h.counts, want)
	}
}

// atOnce is WithObserver for observers of this module.
func atOnce(o *lambdapool.Observer) lambdapool.Option { return quick.Observe(o).(lambdapool.Option) }

// An observer that returns no context leaves that of those before as it is, also in place.
func TestObserverWithoutAContext(t *testing.T) {
	t.Parallel()
	var ended atomic.Int32
	observer := &lambdapool.Observer{
		CallStart:       func(context.Context, string) context.Context { return nil },
		InvocationStart: func(context.Context, lambdapool.Record) context.Context { return nil },
		InvocationEnd: func(ctx context.Context, _ lambdapool.Record, _ error) {
			if ended.Add(1); ctx == nil || ctx.Value(heardKey("program")) == nil {
				t.Errorf("an invocation ends with the context %v", ctx)
			}
		},
	}
	e := pool(t, atOnce(observer))
	if _, err := lambdapool.Call(context.WithValue(t.Context(), heardKey("program"), true), e, double, 4); err != nil || ended.Load() != 1 {
		t.Errorf("%v, and %d invocations ended", err, ended.Load())
	}
}

func TestObserver(t *testing.T) {
	t.Parallel()
	t.Run("of the program", func(t *testing.T) {
		t.Parallel()
		testObserver(t, func(o *lambdapool.Observer) lambdapool.Option { return lambdapool.WithObserver(o) })
	})
	t.Run("in place", func(t *testing.T) {
		t.Parallel()
		testObserver(t, atOnce)
	})
}

func testObserver(t *testing.T, observe func(*lambdapool.Observer) lambdapool.Option) {
	h, observer := newHeard(t)
	e := pool(t, observe(observer))
	// The run's own is the executor's: it is told once.
	values, err := lambdapool.Map(t.Context(), e, half, []int{2, 3, 4, -1, 6}, lambdapool.ChunkSize(2), lambdapool.ContinueOnError(), lambdapool.WithObserver(observer))
	if len(values) != 5 || err == nil {
		t.Fatalf("%v, %v", values, err)
	}
	if _, err := lambdapool.Call(t.Context(), e, double, 4); err != nil {
		t.Fatal(err)
	}
	slices.Sort(h.failed)
	if !slices.Equal(h.failed, []int{1, 3}) || h.last.Done != 3 || h.last.Failed != 2 || !h.last.Final || len(h.runs) != 1 || h.runs[0] != nil {
		t.Errorf("failed %v, runs ended %v, the last: %+v", h.failed, h.runs, h.last)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	h.check(map[string]int{"run ended": 1, "call ended": 1, "invocation ended": 4})
}

// How runs end that do not come to their end.
func TestObserverOfRunsThatEndEarly(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		run  func(*lambdapool.Executor, lambdapool.MapOption)
		want error
	}{
		{"an item fails", func(e *lambdapool.Executor, o lambdapool.MapOption) {
			_, _ = lambdapool.Map(t.Context(), e, half, []int{2, -1, 4}, o)
		}, errNegative},
		{"the loop ends", func(e *lambdapool.Executor, o lambdapool.MapOption) {
			for range lambdapool.Stream(t.Context(), e, half, slices.Values([]int{2, 4, 6}), o, lambdapool.ChunkSize(1), lambdapool.Window(1)) {
				break
			}
		}, lambdapool.ErrCanceled},
		{"its context ends", func(e *lambdapool.Executor, o lambdapool.MapOption) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			for range lambdapool.Stream(ctx, e, half, slices.Values([]int{2, 4, 6}), o, lambdapool.ChunkSize(1), lambdapool.Window(1)) {
				cancel()
			}
		}, lambdapool.ErrCanceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h, observer := newHeard(t)
			test.run(pool(t), lambdapool.WithObserver(observer))
			if len(h.runs) != 1 || !errors.Is(h.runs[0], test.want) {
				t.Errorf("ended by %v, want %v", h.runs, test.want)
			}
		})
	}
}

func TestObserverThatIsNone(t *testing.T) {
	t.Parallel()
	for _, o := range []*lambdapool.Observer{nil, {}} {
		if _, err := lambdapool.New(inproc.New(), lambdapool.WithObserver(o)); !errors.Is(err, lambdapool.ErrBadArguments) {
			t.Errorf("New: %v", err)
		}
		if _, err := lambdapool.Map(t.Context(), pool(t), double, []int{1}, lambdapool.WithObserver(o)); !errors.Is(err, lambdapool.ErrBadArguments) {
			t.Errorf("Map: %v", err)
		}
	}
}

func ExampleWithObserver() {
	failed := &lambdapool.Observer{
		Failed: func(_ context.Context, fn string, items []*lambdapool.ItemError) {
			for _, it := range items {
				fmt.Println(fn, "failed for", it)
			}
		},
		RunEnd: func(_ context.Context, r lambdapool.RunEvent, _ error) {
			fmt.Println(r.Snapshot().Done, "done")
		},
	}
	pool := mustPool()
	defer pool.Close()
	_, _ = lambdapool.Map(context.Background(), pool, root, []float64{4, -1}, lambdapool.ContinueOnError(), lambdapool.WithObserver(failed))
	// Output:
	// root failed for item 1: lambdapool: call root: no real root of -1
	// 1 done
}

// What travels to a function, and from there to those that it calls.
var traced = lambdapool.Register("test.traced", func(ctx context.Context, deeper bool) (string, error) {
	if !deeper {
		return lambdapool.TraceParent(ctx), nil
	}
	e, err := lambdapool.FromContext(ctx)
	if err != nil {
		return "", err
	}
	return lambdapool.Submit(ctx, e, tracedDeep, 0).Result(ctx)
})

var tracedDeep = lambdapool.Register("test.tracedDeep", func(ctx context.Context, _ int) (string, error) {
	return "deep " + lambdapool.TraceParent(ctx), nil
})

const (
	parent  = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	parent2 = "00-4bf92f3577b34da6a3ce929d0e0e4736-aaaaaaaaaaaaaaaa-01"
)

func TestTraceParent(t *testing.T) {
	t.Parallel()
	ctx := lambdapool.WithTraceParent(t.Context(), parent)
	e := pool(t)
	for _, deeper := range []bool{false, true} {
		want := map[bool]string{false: parent, true: "deep " + parent}[deeper]
		if got, err := lambdapool.Call(ctx, e, traced, deeper); got != want || err != nil {
			t.Errorf("a call has %q, %v, want %q", got, err, want)
		}
		if got, err := lambdapool.Map(ctx, e, traced, []bool{deeper}); err != nil || got[0] != want {
			t.Errorf("a run has %q, %v, want %q", got, err, want)
		}
	}
	if got, err := lambdapool.Call(t.Context(), e, traced, false); got != "" || err != nil {
		t.Errorf("a call without has %q, %v", got, err)
	}
	// An observer's span of the invocation goes before.
	spans := &lambdapool.Observer{InvocationStart: func(ctx context.Context, _ lambdapool.Record) context.Context {
		return lambdapool.WithTraceParent(ctx, parent2)
	}}
	if got, err := lambdapool.Call(ctx, pool(t, lambdapool.WithObserver(spans)), traced, false); got != parent2 || err != nil {
		t.Errorf("a call has %q, %v, want that of the observer", got, err)
	}
}

// An Observer does harm to nobody, whichever of its functions fails.
func TestObserversThatFail(t *testing.T) {
	t.Parallel()
	observe := func(o *lambdapool.Observer) lambdapool.Option { return lambdapool.WithObserver(o) }
	for name, test := range map[string]struct {
		how     func()
		observe func(*lambdapool.Observer) lambdapool.Option
	}{
		"panics":          {func() { panic("boom") }, observe},
		"ends":            {runtime.Goexit, observe},
		"blocks":          {func() { time.Sleep(time.Hour) }, observe},
		"panics in place": {func() { panic("boom") }, atOnce},
		"ends in place":   {runtime.Goexit, atOnce},
	} {
		how := test.how
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := func(ctx context.Context) context.Context { how(); return ctx }
				observer := &lambdapool.Observer{
					Opened:          func(*lambdapool.Executor) { how() },
					Closed:          func(*lambdapool.Executor) { how() },
					RunStart:        func(ctx context.Context, _ lambdapool.RunEvent) context.Context { return begin(ctx) },
					RunEnd:          func(context.Context, lambdapool.RunEvent, error) { how() },
					CallStart:       func(ctx context.Context, _ string) context.Context { return begin(ctx) },
					CallEnd:         func(context.Context, string, lambdapool.CallStats, error) { how() },
					InvocationStart: func(ctx context.Context, _ lambdapool.Record) context.Context { return begin(ctx) },
					InvocationEnd:   func(context.Context, lambdapool.Record, error) { how() },
					Failed:          func(context.Context, string, []*lambdapool.ItemError) { how() },
				}
				var log bytes.Buffer
				e, err := lambdapool.New(inproc.New(), test.observe(observer), lambdapool.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
				if err != nil {
					t.Fatal(err)
				}
				ctx := lambdapool.WithTraceParent(t.Context(), parent)
				if got, err := lambdapool.Call(ctx, e, traced, false); err != nil || got != parent {
					t.Errorf("a call: %q, %v", got, err)
				}
				if values, err := lambdapool.Map(ctx, e, half, []int{2, 3}, lambdapool.ContinueOnError()); err == nil || values[0] != 1 {
					t.Errorf("a run: %v, %v", values, err)
				}
				if err := e.Close(); err != nil {
					t.Error(err)
				}
				if !strings.Contains(log.String(), "Observer.") {
					t.Errorf("nothing is logged of it: %s", &log)
				}
				time.Sleep(2 * time.Hour) // what blocked has returned
			})
		})
	}
}

// An observer that ends the worker which calls it in place costs no call its value, and the executor no worker; the observers
// before and behind it hear of each invocation once.
func TestObserversThatEndTheWorker(t *testing.T) {
	t.Parallel()
	for which, ends := range map[string]*lambdapool.Observer{
		"CallEnd": {CallEnd: func(context.Context, string, lambdapool.CallStats, error) { runtime.Goexit() }},
		"Failed":  {Failed: func(context.Context, string, []*lambdapool.ItemError) { runtime.Goexit() }},
		"InvocationStart": {InvocationStart: func(context.Context, lambdapool.Record) context.Context {
			runtime.Goexit()
			return nil
		}},
		"InvocationEnd": {InvocationEnd: func(context.Context, lambdapool.Record, error) { runtime.Goexit() }},
	} {
		t.Run(which, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var begun, ended [2]map[string]int
				options := []lambdapool.Option{lambdapool.WithWorkers(1), lambdapool.WithLogger(slog.New(slog.DiscardHandler))}
				for i := range begun {
					begun[i], ended[i] = map[string]int{}, map[string]int{}
					options = append(options, atOnce(&lambdapool.Observer{
						InvocationStart: func(ctx context.Context, r lambdapool.Record) context.Context { begun[i][r.ID]++; return ctx },
						InvocationEnd:   func(_ context.Context, r lambdapool.Record, _ error) { ended[i][r.ID]++ },
					}))
					if i == 0 {
						again := *ends // a second one
						options = append(options, atOnce(ends), atOnce(&again))
					}
				}
				e := executor(t, inproc.New(), options...)
				for range 3 {
					if got, err := lambdapool.Call(t.Context(), e, half, 4); err != nil || got != 2 {
						t.Errorf("a call: %d, %v", got, err)
					}
				}
				values, err := lambdapool.Map(t.Context(), e, half, []int{2, 4, 6, 8, -1}, lambdapool.ChunkSize(2), lambdapool.ContinueOnError())
				if want := []int{1, 2, 3, 4, 0}; err == nil || !slices.Equal(values, want) {
					t.Errorf("a run: %v, %v, want %v and an error", values, err, want)
				}
				synctest.Wait()
				for i := range begun {
					if len(begun[i]) != 6 || !maps.Equal(begun[i], ended[i]) || slices.Max(slices.Collect(maps.Values(begun[i]))) != 1 {
						t.Errorf("observer %d: %v began, %v ended, want 6 once each", i, begun[i], ended[i])
					}
				}
				if s := e.Stats(); s.Invocations != 6 || s.InFlight != 0 || s.Running != 0 {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}

// What is given errors may wait for ever, since their methods may be the program's: it is left behind, also if it is called
// in place otherwise.
func TestObserversThatWaitForErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wait := func() { time.Sleep(time.Hour) }
		e := executor(t, inproc.New(), lambdapool.WithLogger(slog.New(slog.DiscardHandler)), atOnce(&lambdapool.Observer{
			CallEnd: func(context.Context, string, lambdapool.CallStats, error) { wait() },
			Failed:  func(context.Context, string, []*lambdapool.ItemError) { wait() },
			RunEnd:  func(context.Context, lambdapool.RunEvent, error) { wait() },
		}))
		began := time.Now()
		if _, err := lambdapool.Call(t.Context(), e, half, -1); !errors.Is(err, errNegative) {
			t.Errorf("a call: %v", err)
		}
		if _, err := lambdapool.Map(t.Context(), e, half, []int{2, -1}, lambdapool.ContinueOnError()); !errors.Is(err, errNegative) {
			t.Errorf("a run: %v", err)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("it took %v", took)
		}
		time.Sleep(2 * time.Hour) // what waits has returned
	})
}

// Of hedges that lost and of calls that were canceled, the observers hear the end too.
func TestObserverOfWhatIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, observer := newHeard(t)
		var given []string
		observer.InvocationEnd, observer.CallEnd = func(ctx context.Context, r lambdapool.Record, err error) {
			h.end(ctx, "invocation")
			given = append(given, fmt.Sprint(r.Outcome, r.Won, r.Cost, err))
		}, nil
		observer.CallStart = nil
		observer.InvocationStart = func(ctx context.Context, _ lambdapool.Record) context.Context { return h.start(ctx, "invocation") }
		e, err := lambdapool.New(inproc.New(), lambdapool.WithObserver(observer))
		if err != nil {
			t.Fatal(err)
		}
		f := lambdapool.Submit(t.Context(), e, sleep, time.Hour)
		synctest.Wait()
		if s := e.Stats(); s.InFlight != 1 || s.Limit == 0 {
			t.Errorf("while it runs: %+v", s)
		}
		f.Cancel()
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		h.check(map[string]int{"invocation ended": 1})
		if want := []string{"unknown false 0 given up: its call had ended"}; !slices.Equal(given, want) {
			t.Errorf("given up: %q, want %q", given, want)
		}
	})
}

func ExampleTraceParent() {
	pool := mustPool()
	defer pool.Close()
	ctx := lambdapool.WithTraceParent(context.Background(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	// In the function: lambdapool.TraceParent(ctx).
	fmt.Println(lambdapool.Call(ctx, pool, traced, false))
	// Output: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 <nil>
}

func ExampleWithTraceParent() {
	ctx := lambdapool.WithTraceParent(context.Background(), "something else")
	fmt.Printf("%q\n", lambdapool.TraceParent(ctx))
	// Output: ""
}
