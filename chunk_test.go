package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// distant is a backend as far away as a Lambda: each invocation takes latency
// longer than its items.
type distant struct {
	*inproc.Backend

	latency time.Duration
}

func (d *distant) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	select {
	case <-time.After(d.latency):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return d.Backend.Invoke(ctx, req)
}

// timed runs a map in virtual time and returns how long it took.
func timed[A, R any](t *testing.T, b lambdapool.Backend, workers int, fn *lambdapool.Func[A, R], args []A, opts ...lambdapool.MapOption) (took time.Duration, stats lambdapool.Stats) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := executor(t, b, lambdapool.WithWorkers(workers))
		start := time.Now()
		got, err := lambdapool.Map(t.Context(), e, fn, args, opts...)
		if err != nil || len(got) != len(args) {
			t.Fatalf("%d results, %v", len(got), err)
		}
		took, stats = time.Since(start), e.Stats()
	})
	return took, stats
}

func TestChunksDrownTheOverhead(t *testing.T) {
	const n, workers = 20_000, 64
	latency := 20 * time.Millisecond
	single, _ := timed(t, &distant{Backend: inproc.New(), latency: latency}, workers, double, upTo(n), lambdapool.ChunkSize(1))
	auto, stats := timed(t, &distant{Backend: inproc.New(), latency: latency}, workers, double, upTo(n))
	t.Logf("one by one %v, chosen chunks %v in %d invocations", single, auto, stats.Invocations)
	if ratio := float64(single) / float64(auto); ratio < 50 {
		t.Errorf("chosen chunks are %.1f times faster in virtual time, want 50", ratio)
	}
}

func TestChunksDoNotSlowLongItems(t *testing.T) {
	for _, tc := range []struct {
		items, workers int
		item           time.Duration
	}{
		{200, 200, time.Second}, {200, 64, time.Second}, {1000, 32, 100 * time.Millisecond}, {5, 8, time.Second},
	} {
		args := slices.Repeat([]time.Duration{tc.item}, tc.items)
		latency := 20 * time.Millisecond
		single, _ := timed(t, &distant{Backend: inproc.New(), latency: latency}, tc.workers, sleep, args, lambdapool.ChunkSize(1))
		auto, stats := timed(t, &distant{Backend: inproc.New(), latency: latency}, tc.workers, sleep, args)
		t.Logf("%d items of %v on %d workers: one by one %v, chosen chunks %v in %d invocations",
			tc.items, tc.item, tc.workers, single, auto, stats.Invocations)
		if float64(auto) > 1.02*float64(single) {
			t.Errorf("%d items of %v on %d workers: chosen chunks take %v, one by one %v", tc.items, tc.item, tc.workers, auto, single)
		}
	}
}

func TestChunksOfMixedItems(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	args := make([]time.Duration, 3000)
	var total time.Duration
	for i := range args {
		args[i] = time.Duration(rnd.ExpFloat64() * float64(20*time.Millisecond))
		total += args[i]
	}
	single, _ := timed(t, &distant{Backend: inproc.New(), latency: 20 * time.Millisecond}, 32, sleep, args, lambdapool.ChunkSize(1))
	auto, stats := timed(t, &distant{Backend: inproc.New(), latency: 20 * time.Millisecond}, 32, sleep, args)
	t.Logf("work %v on 32 workers: one by one %v, chosen chunks %v in %d invocations", total/32, single, auto, stats.Invocations)
	if auto > single*3/4 {
		t.Errorf("chosen chunks take %v, one by one %v", auto, single)
	}
}

func TestChunkSize(t *testing.T) {
	for _, tc := range []struct{ n, size, invocations int }{
		{1000, 100, 10}, {1000, 1, 1000}, {5, 100, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := executor(t, &distant{Backend: inproc.New(), latency: time.Second}, lambdapool.WithWorkers(1))
			// One item alone holds the worker up until the others wait.
			first := lambdapool.Submit(t.Context(), e, double, 0)
			got, err := lambdapool.Map(t.Context(), e, double, upTo(tc.n), lambdapool.ChunkSize(tc.size), lambdapool.Window(tc.n))
			if err != nil || got[tc.n-1] != 2*(tc.n-1) {
				t.Fatal(got, err)
			}
			if _, err := first.Result(t.Context()); err != nil {
				t.Fatal(err)
			}
			if inv := e.Stats().Invocations - 1; inv != int64(tc.invocations) {
				t.Errorf("%d items by %d took %d invocations, want %d", tc.n, tc.size, inv, tc.invocations)
			}
		})
	}
	for _, opt := range []lambdapool.MapOption{lambdapool.ChunkSize(-1), lambdapool.ChunkSize(1e6), lambdapool.Parallel(0)} {
		if _, err := lambdapool.Map(t.Context(), pool(t), double, upTo(1), opt); !errors.Is(err, lambdapool.ErrBadArguments) {
			t.Errorf("bad option: %v", err)
		}
	}
}

func TestChunksFitTheLimits(t *testing.T) {
	e := pool(t, lambdapool.WithWorkers(1))
	big := slices.Repeat([]string{string(make([]byte, 1<<20))}, 20)
	got, err := lambdapool.Map(t.Context(), e, echo, big, lambdapool.ChunkSize(100))
	if err != nil || len(got) != 20 || len(got[19]) != 1<<20 {
		t.Errorf("Map = %d items, %v", len(got), err)
	}
}

func TestEachItemOfAChunkHasItsOwnEnd(t *testing.T) {
	e := pool(t, lambdapool.WithWorkers(1))
	got, err := lambdapool.Map(t.Context(), e, half, []int{2, -2, 4, 3, 6}, lambdapool.ChunkSize(5), lambdapool.ContinueOnError())
	if !slices.Equal(got, []int{1, 0, 2, 0, 3}) {
		t.Errorf("values = %v", got)
	}
	var item *lambdapool.ItemError
	var function *lambdapool.FunctionError
	if !errors.As(err, &item) || item.Index != 1 || !errors.As(err, &function) {
		t.Errorf("error = %v", err)
	}
}

// mortal is a backend whose agent goes down with every request that carries
// one of the deadly items.
type mortal struct {
	*inproc.Backend

	deadly func(payload []byte) bool
	seen   atomic.Int64
}

func (m *mortal) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	m.seen.Add(1)
	if m.deadly(req.Payload) {
		return nil, &lambdapool.InvokeError{
			Outcome: lambdapool.OutcomeRan, Kind: lambdapool.ErrOutOfMemory, Err: errors.New("signal: killed"), Permanent: true,
		}
	}
	return m.Backend.Invoke(ctx, req)
}

func TestDeadlyItemsAreIsolated(t *testing.T) {
	const poison = 77_777
	deadly := func(payload []byte) bool { return slices.Contains(intsIn(t, payload), poison) }
	args := upTo(100)
	args[13], args[14], args[60] = poison, poison, poison

	m := &mortal{Backend: inproc.New(), deadly: deadly}
	e := executor(t, m, lambdapool.WithWorkers(4))
	got, err := lambdapool.Map(t.Context(), e, again, args, lambdapool.ChunkSize(25), lambdapool.ContinueOnError())
	var failed []int
	for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
		wantErr(t, err, lambdapool.ErrOutOfMemory)
		failed = append(failed, itemIndex(t, err))
	}
	if !slices.Equal(failed, []int{13, 14, 60}) {
		t.Errorf("failed: %v, want the deadly ones", failed)
	}
	for i, v := range got {
		if v != i && !slices.Contains(failed, i) {
			t.Errorf("item %d is %d", i, v)
		}
	}
	if n := m.seen.Load(); n > 100 {
		t.Errorf("%d invocations: halves should need fewer than one for each item", n)
	}

	m = &mortal{Backend: inproc.New(), deadly: deadly}
	e = executor(t, m, lambdapool.WithWorkers(1))
	gate := lambdapool.Submit(t.Context(), e, sleep, 50*time.Millisecond) // lets the items gather
	got, err = lambdapool.Map(t.Context(), e, double, args, lambdapool.ChunkSize(25), lambdapool.ContinueOnError())
	if err == nil || got[99] != 198 || got[0] != 0 {
		t.Errorf("not idempotent: %v, %v", got, err)
	}
	if _, err := gate.Result(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := m.seen.Load(); n != 5 {
		t.Errorf("%d invocations of a function that is not idempotent, want 5", n)
	}
}

func TestChunksRetryItemsOnRequest(t *testing.T) {
	var mu sync.Mutex
	tries := map[int]int{}
	reg := lambdapool.NewRegistry()
	flaky := lambdapool.RegisterIn(reg, "flaky", func(_ context.Context, n int) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		tries[n]++
		if n%10 == 0 && tries[n] < 3 {
			return 0, fmt.Errorf("not yet")
		}
		return n, nil
	})
	synctest.Test(t, func(t *testing.T) {
		e := pool(t, lambdapool.WithRegistry(reg), lambdapool.WithRetry(lambdapool.RetryPolicy{
			RetryFunctionError: func(*lambdapool.FunctionError) bool { return true },
		}))
		got, err := lambdapool.Map(t.Context(), e, flaky, upTo(100), lambdapool.ChunkSize(20))
		if err != nil || !slices.Equal(got, upTo(100)) {
			t.Errorf("Map = %v, %v", got, err)
		}
		if tries[10] != 3 || tries[11] != 1 {
			t.Errorf("item 10 ran %d times, item 11 %d times; want 3 and 1", tries[10], tries[11])
		}
	})
}

// A chunk that waits to be full is sent when its wait is over, although the alarm was set for
// one before it: an input may hold back its next item until it has seen the last.
func TestNoItemWaitsForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := pool(t, lambdapool.WithWorkers(1))
		seen := make(chan struct{})
		input := func(yield func(int) bool) {
			if !yield(0) {
				return
			}
			time.Sleep(time.Millisecond)
			for i := 1; i < 10; i++ { // now a chunk is full
				if !yield(i) {
					return
				}
			}
			time.Sleep(time.Millisecond)
			if yield(10) { // and this one is alone
				<-seen
				yield(11)
			}
		}
		began := time.Now()
		for n, err := range lambdapool.Stream(t.Context(), e, double, input, lambdapool.ChunkSize(10)) {
			if err != nil {
				t.Fatal(err)
			}
			if n == 20 {
				close(seen)
			}
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// Results that fit into a reply one by one, but not together, all arrive, and each item runs once:
// what has no room is not begun.
func TestNoResultIsLostForRoom(t *testing.T) {
	for _, size := range []int{0, 20} {
		var ran atomic.Int64
		reg := lambdapool.NewRegistry()
		fill := lambdapool.RegisterIn(reg, "fill", func(_ context.Context, n int) ([]byte, error) {
			ran.Add(1)
			return make([]byte, n), nil
		})
		e := executor(t, withoutStore{inproc.New()}, lambdapool.WithRegistry(reg), lambdapool.WithWorkers(2), lambdapool.WithCompression(false))
		sizes := slices.Concat(slices.Repeat([]int{10}, 20), slices.Repeat([]int{1_000_000}, 20))
		got, err := lambdapool.Map(t.Context(), e, fill, sizes, lambdapool.ChunkSize(size))
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range got {
			if len(v) != sizes[i] {
				t.Errorf("item %d has %d bytes, want %d", i, len(v), sizes[i])
			}
		}
		if ran.Load() != 40 {
			t.Errorf("%d items ran, want 40", ran.Load())
		}
		if s := e.Stats(); s.Retries != 0 || s.Succeeded != 40 || s.Queued != 0 {
			t.Errorf("stats %+v", s)
		}
	}
}

// Nobody can foresee what items return that run at the same moment, larger than any before: of the first four only
// two have room together. Those two are lost, if they must not run again, and nothing else is.
func TestResultsOfUnexpectedSize(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts []lambdapool.FuncOption
		lost int
	}{{"once", nil, 2}, {"idempotent", []lambdapool.FuncOption{lambdapool.Idempotent()}, 0}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ran [24]atomic.Int64
				reg := lambdapool.NewRegistry()
				fill := lambdapool.RegisterIn(reg, "fill", func(_ context.Context, n int) ([]byte, error) {
					ran[n].Add(1)
					time.Sleep(time.Second)
					return make([]byte, 2_500_000), nil
				}, tt.opts...)
				e := executor(t, withoutStore{inproc.New()}, lambdapool.WithRegistry(reg), lambdapool.WithWorkers(1), lambdapool.WithCompression(false))
				results, _ := lambdapool.MapResults(t.Context(), e, fill, upTo(len(ran)), lambdapool.ChunkSize(12), lambdapool.Parallel(4))
				lost := 0
				for i, r := range results {
					var pool *lambdapool.PoolError
					switch {
					case r.Err == nil && len(r.Value) != 2_500_000:
						t.Errorf("item %d has %d bytes", i, len(r.Value))
					case r.Err == nil:
					case i >= 4 || !errors.As(r.Err, &pool) || !errors.Is(pool.Kind, lambdapool.ErrTooLarge) || pool.Outcome != lambdapool.OutcomeRan:
						t.Error(r.Err)
					default:
						lost++
					}
					if n := ran[i].Load(); n != 1 && (tt.lost > 0 || i >= 4) {
						t.Errorf("item %d ran %d times", i, n)
					}
				}
				if lost != tt.lost {
					t.Errorf("%d results are lost, want %d", lost, tt.lost)
				}
			})
		})
	}
}

// withoutStore is a backend as it is without an object store.
type withoutStore struct{ lambdapool.Backend }
