package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

func upTo(n int) []int {
	xs := make([]int, n)
	for i := range xs {
		xs[i] = i
	}
	return xs
}

func TestMap(t *testing.T) {
	e := pool(t)
	got, err := lambdapool.Map(t.Context(), e, double, upTo(1000))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range got {
		if v != 2*i {
			t.Fatalf("item %d is %d", i, v)
		}
	}
	got, err = lambdapool.Map(t.Context(), e, double, nil)
	if got == nil || len(got) != 0 || err != nil {
		t.Errorf("Map over nothing = %#v, %v; want an empty slice", got, err)
	}
}

func TestMapStopsAtTheFirstError(t *testing.T) {
	for _, at := range []int{0, 500, 999} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			b := &scripted{Backend: inproc.New()}
			e := executor(t, b, lambdapool.WithWorkers(2))
			args := make([]int, 1000)
			args[at] = -1
			got, err := lambdapool.Map(t.Context(), e, half, args)
			var item *lambdapool.ItemError
			if got != nil || !errors.As(err, &item) || item.Index != at {
				t.Fatalf("Map = %d items, %v; want an error of item %d", len(got), err, at)
			}
			wantErr(t, err, errNegative)
			var function *lambdapool.FunctionError
			if !errors.As(err, &function) {
				t.Errorf("no FunctionError in %v", err)
			}
			if err := e.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			if at == 0 && b.attempts() > 200 {
				t.Errorf("%d calls were sent after the first had failed", b.attempts())
			}
		})
	}
}

func TestMapContinueOnError(t *testing.T) {
	e := pool(t)
	got, err := lambdapool.Map(t.Context(), e, half, []int{2, -2, 4, 3, 6}, lambdapool.ContinueOnError())
	if want := []int{1, 0, 2, 0, 3}; !slices.Equal(got, want) {
		t.Errorf("Map = %v, want %v", got, want)
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("error = %T", err)
	}
	var indexes []int
	for _, err := range joined.Unwrap() {
		indexes = append(indexes, itemIndex(t, err))
	}
	if !slices.Equal(indexes, []int{1, 3}) {
		t.Errorf("failed items %v, want 1 and 3", indexes)
	}
	wantErr(t, err, errNegative)
}

func TestMapCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := pool(t, lambdapool.WithWorkers(2))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := lambdapool.Map(ctx, e, sleep, slices.Repeat([]time.Duration{time.Second}, 1000), lambdapool.ChunkSize(1))
		wantErr(t, err, lambdapool.ErrTimeout, context.DeadlineExceeded)
		if err := e.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := e.Stats(); s.Succeeded < 100 || s.Succeeded > 120 {
			t.Errorf("stats = %+v, want about 120 successes", s)
		}
	})
}

func TestMapRefusals(t *testing.T) {
	e := pool(t)
	if _, err := lambdapool.Map(t.Context(), e, double, upTo(3), lambdapool.Window(0)); !errors.Is(err, lambdapool.ErrBadArguments) {
		t.Errorf("Window(0): %v", err)
	}
	if _, err := lambdapool.Map(t.Context(), e, double, upTo(3), nil); !errors.Is(err, lambdapool.ErrBadArguments) {
		t.Errorf("nil option: %v", err)
	}
	if _, err := lambdapool.Map(t.Context(), nil, double, upTo(3)); !errors.Is(err, lambdapool.ErrBadArguments) {
		t.Errorf("nil executor: %v", err)
	}
	if _, err := lambdapool.Map[int, int](t.Context(), e, nil, upTo(3)); !errors.Is(err, lambdapool.ErrBadArguments) {
		t.Errorf("nil handle: %v", err)
	}
	if _, err := lambdapool.StarMap(t.Context(), e, "test.nothing", nil); !errors.Is(err, lambdapool.ErrNotRegistered) {
		t.Errorf("unknown name: %v", err)
	}
}

func TestStarMap(t *testing.T) {
	e := pool(t)
	got, err := lambdapool.StarMap(t.Context(), e, add, [][]any{{1, 2}, {3, 4}, {5.0, uint8(6)}})
	if err != nil || !slices.Equal(got, []any{3, 7, 11}) {
		t.Errorf("StarMap = %v, %v", got, err)
	}
	_, err = lambdapool.StarMap(t.Context(), e, add, [][]any{{1, 2}, {3}})
	var item *lambdapool.ItemError
	if !errors.As(err, &item) || item.Index != 1 || !errors.Is(err, lambdapool.ErrBadArguments) {
		t.Errorf("StarMap with a short list: %v", err)
	}
	got, err = lambdapool.StarMap(t.Context(), e, "test.check", [][]any{{1}, {-1}, {2}}, lambdapool.ContinueOnError())
	if len(got) != 3 || !errors.Is(err, errNegative) {
		t.Errorf("StarMap = %v, %v", got, err)
	}
}

func TestStreamIsLazyAndOrdered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := pool(t, lambdapool.WithWorkers(4))
		var pulled atomic.Int64
		input := func(yield func(time.Duration) bool) {
			for i := range 1000 {
				pulled.Add(1)
				if !yield(time.Duration(i%7) * time.Second) {
					return
				}
			}
		}
		i := 0
		for d, err := range lambdapool.Stream(t.Context(), e, sleep, input, lambdapool.Window(10)) {
			if err != nil || d != time.Duration(i%7)*time.Second {
				t.Fatalf("item %d = %v, %v", i, d, err)
			}
			i++
			time.Sleep(time.Minute) // a slow consumer
			if ahead := pulled.Load() - int64(i); ahead > 10 {
				t.Fatalf("%d items pulled ahead, the window is 10", ahead)
			}
			if i == 100 {
				break
			}
		}
		if err := e.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestStreamUnordered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := pool(t, lambdapool.WithWorkers(4))
		var order []int
		for r := range lambdapool.StreamUnordered(t.Context(), e, sleep, slices.Values([]time.Duration{3, 1, 2})) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			order = append(order, r.Index)
		}
		if !slices.Equal(order, []int{1, 2, 0}) {
			t.Errorf("order %v", order)
		}
	})
}

func TestStreamErrors(t *testing.T) {
	e := pool(t)
	input := []int{2, 4, -6, 8}
	collect := func(opts ...lambdapool.MapOption) (got []int, indexes []int) {
		for v, err := range lambdapool.Stream(t.Context(), e, half, slices.Values(input), opts...) {
			var item *lambdapool.ItemError
			if errors.As(err, &item) {
				indexes = append(indexes, item.Index)
			}
			got = append(got, v)
		}
		return got, indexes
	}
	if got, bad := collect(); !slices.Equal(got, []int{1, 2, 0}) || !slices.Equal(bad, []int{2}) {
		t.Errorf("Stream = %v, failed %v", got, bad)
	}
	if got, bad := collect(lambdapool.ContinueOnError()); !slices.Equal(got, []int{1, 2, 0, 4}) || !slices.Equal(bad, []int{2}) {
		t.Errorf("with ContinueOnError = %v, failed %v", got, bad)
	}
	n := 0
	for _, err := range lambdapool.Stream(t.Context(), e, half, slices.Values(input), lambdapool.Window(-1)) {
		n++
		wantErr(t, err, lambdapool.ErrBadArguments)
	}
	if n != 1 {
		t.Errorf("a bad option yields %d times", n)
	}
}

func TestStreamLeavesNothing(t *testing.T) {
	endless := func(yield func(time.Duration) bool) {
		for yield(time.Hour) {
		}
	}
	for name, consume := range map[string]func(iter.Seq[lambdapool.Result[time.Duration]]){
		"break": func(results iter.Seq[lambdapool.Result[time.Duration]]) {
			for range results {
				break
			}
		},
		"panic": func(results iter.Seq[lambdapool.Result[time.Duration]]) {
			defer func() { _ = recover() }()
			for range results {
				panic("consumer")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := pool(t, lambdapool.WithWorkers(2))
				input := func(yield func(time.Duration) bool) {
					if yield(time.Second) {
						endless(yield)
					}
				}
				start := time.Now()
				consume(lambdapool.StreamUnordered(t.Context(), e, sleep, input))
				if err := e.Shutdown(t.Context()); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("took %v", took)
				}
				if s := e.Stats(); s.Succeeded != 1 || s.Canceled != s.Submitted-1 {
					t.Errorf("stats = %+v", s)
				}
			})
		})
	}
}

func TestStreamWithABlockedInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := pool(t)
		gate := make(chan struct{})
		input := func(yield func(int) bool) {
			if yield(1) && yield(2) {
				<-gate
				yield(3)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var got []int
		var last error
		for v, err := range lambdapool.Stream(ctx, e, double, input) {
			if last = err; err == nil {
				got = append(got, v)
			}
		}
		if !slices.Equal(got, []int{2, 4}) {
			t.Errorf("results before the input blocked: %v", got)
		}
		wantErr(t, last, lambdapool.ErrTimeout, context.DeadlineExceeded)
		close(gate)
		synctest.Wait() // the feeder ends when the input yields
	})
}

func TestStreamInputPanics(t *testing.T) {
	e := pool(t)
	input := func(yield func(int) bool) {
		yield(1)
		panic("input")
	}
	defer func() {
		if p := recover(); p != "input" {
			t.Errorf("recovered %v", p)
		}
		if got, err := lambdapool.Call(t.Context(), e, double, 1); err != nil || got != 2 {
			t.Errorf("afterwards: %v, %v", got, err)
		}
	}()
	for range lambdapool.Stream(t.Context(), e, double, input) {
	}
	t.Error("the panic was swallowed")
}

func TestStreamInputEndsItsGoroutine(t *testing.T) {
	e := pool(t)
	input := func(yield func(int) bool) {
		yield(1)
		runtime.Goexit() // as t.FailNow does
	}
	var last error
	for _, err := range lambdapool.Stream(t.Context(), e, double, input) {
		last = err
	}
	wantErr(t, last, lambdapool.ErrCanceled)
}

// What a map takes in waits for a worker, and waiting counts: WithTimeout must not end
// calls only because their map is long.
func TestLongMapWithTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := executor(t, inproc.New(), lambdapool.WithWorkers(32), lambdapool.WithTimeout(10*time.Second))
		args := slices.Repeat([]time.Duration{time.Second}, 3000)
		if _, err := lambdapool.Map(t.Context(), e, sleep, args); err != nil {
			t.Error(err)
		}
	})
}

// A nil input is an error like any other of a run that cannot be set up.
func TestStreamOfNil(t *testing.T) {
	t.Parallel()
	e := pool(t)
	for _, err := range lambdapool.Stream(t.Context(), e, double, nil) {
		wantErr(t, err, lambdapool.ErrBadArguments)
	}
	for r := range lambdapool.StreamUnordered(t.Context(), e, double, nil) {
		wantErr(t, r.Err, lambdapool.ErrBadArguments)
	}
}

// What was taken in before the input panics is delivered; then the panic.
func TestInputThatPanicsDeliversWhatCameBefore(t *testing.T) {
	t.Parallel()
	e := pool(t)
	for _, chunk := range []int{0, 1, 10} {
		var got []int
		func() {
			defer func() {
				if p := recover(); p != "input" {
					t.Errorf("chunk %d: recovered %v, want the input's panic", chunk, p)
				}
			}()
			for v, err := range lambdapool.Stream(t.Context(), e, double, func(yield func(int) bool) {
				_ = yield(1) && yield(2) && yield(3)
				panic("input")
			}, lambdapool.ChunkSize(chunk)) {
				if err != nil {
					t.Errorf("chunk %d: %v", chunk, err)
				}
				got = append(got, v)
			}
		}()
		if !slices.Equal(got, []int{2, 4, 6}) {
			t.Errorf("chunk %d: got %v, want what was taken in", chunk, got)
		}
	}
}
