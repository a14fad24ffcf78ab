package lambdapool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
)

// naps submits one call for each duration.
func naps(t *testing.T, e *lambdapool.Executor, ds ...time.Duration) []*lambdapool.Future[time.Duration] {
	t.Helper()
	var fs []*lambdapool.Future[time.Duration]
	for _, d := range ds {
		fs = append(fs, lambdapool.Submit(t.Context(), e, sleep, d))
	}
	return fs
}

func TestAsCompleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := pool(t, lambdapool.WithWorkers(4))
		fs := naps(t, e, 3*time.Second, time.Second, 2*time.Second)
		var order []time.Duration
		for f := range lambdapool.AsCompleted(t.Context(), fs...) {
			d, err := f.Result(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			order = append(order, d)
		}
		if want := []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}; !slices.Equal(order, want) {
			t.Errorf("order %v, want %v", order, want)
		}
		n := 0
		for range lambdapool.AsCompleted(t.Context(), fs...) { // all have ended
			n++
		}
		if n != len(fs) {
			t.Errorf("%d of %d ended futures", n, len(fs))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		n = 0
		for range lambdapool.AsCompleted(ctx, naps(t, e, 0, time.Hour)...) {
			n++
		}
		if n != 1 {
			t.Errorf("%d before ctx ended, want 1", n)
		}
		for range lambdapool.AsCompleted[int](t.Context()) {
			t.Error("no futures yield one")
		}
	})
}

func TestWait(t *testing.T) {
	for _, tc := range []struct {
		until lambdapool.Until
		calls []time.Duration // negative: fails after that time
		done  []int
		took  time.Duration
	}{
		{lambdapool.AllCompleted, []time.Duration{2 * time.Second, time.Second}, []int{0, 1}, 2 * time.Second},
		{lambdapool.FirstCompleted, []time.Duration{2 * time.Second, time.Second, time.Hour}, []int{1}, time.Second},
		{lambdapool.FirstError, []time.Duration{time.Second, -2 * time.Second, time.Hour}, []int{0, 1}, 2 * time.Second},
		{lambdapool.FirstError, []time.Duration{time.Second, 2 * time.Second}, []int{0, 1}, 2 * time.Second},
		{lambdapool.AllCompleted, []time.Duration{time.Second, time.Hour}, []int{0}, 10 * time.Second}, // ctx ends
		{lambdapool.AllCompleted, nil, nil, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			reg := lambdapool.NewRegistry()
			fn := lambdapool.RegisterIn(reg, "nap", func(ctx context.Context, d time.Duration) (int, error) {
				select {
				case <-time.After(d.Abs()):
				case <-ctx.Done():
				}
				if d < 0 {
					return 0, errors.New("negative")
				}
				return 0, nil
			})
			e := pool(t, lambdapool.WithRegistry(reg), lambdapool.WithWorkers(4))
			var fs []*lambdapool.Future[int]
			for _, d := range tc.calls {
				fs = append(fs, lambdapool.Submit(t.Context(), e, fn, d))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			start := time.Now()
			done, pending := lambdapool.Wait(ctx, tc.until, fs...)
			if took := time.Since(start); took != tc.took {
				t.Errorf("until %d of %v took %v, want %v", tc.until, tc.calls, took, tc.took)
			}
			var want []*lambdapool.Future[int]
			for _, i := range tc.done {
				want = append(want, fs[i])
			}
			if !slices.Equal(done, want) || len(pending) != len(fs)-len(done) {
				t.Errorf("until %d of %v: %d done, %d pending", tc.until, tc.calls, len(done), len(pending))
			}
		})
	}
}

func TestCollect(t *testing.T) {
	e := pool(t)
	var fs []*lambdapool.Future[int]
	for i := range 20 {
		fs = append(fs, lambdapool.Submit(t.Context(), e, double, i))
	}
	got, err := lambdapool.Collect(t.Context(), fs...)
	if err != nil || len(got) != 20 || got[7] != 14 {
		t.Errorf("Collect = %v, %v", got, err)
	}
	bad := lambdapool.Submit(t.Context(), e, half, -2)
	got, err = lambdapool.Collect(t.Context(), fs[0], fs[1], bad)
	var item *lambdapool.ItemError
	if got != nil || !errors.As(err, &item) || item.Index != 2 || !errors.Is(err, errNegative) {
		t.Errorf("Collect = %v, %v; want item 2", got, err)
	}
	got, err = lambdapool.Collect[int](t.Context())
	if got == nil || len(got) != 0 || err != nil {
		t.Errorf("Collect of none = %v, %v", got, err)
	}
	synctest.Test(t, func(t *testing.T) {
		e := pool(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := lambdapool.Collect(ctx, naps(t, e, time.Hour)...)
		wantErr(t, err, context.DeadlineExceeded)
	})
}

func TestOnDone(t *testing.T) {
	var log bytes.Buffer
	var mu sync.Mutex
	e := pool(t, lambdapool.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	var order []int
	note := func(n int) func(*lambdapool.Future[int]) {
		return func(f *lambdapool.Future[int]) {
			mu.Lock()
			defer mu.Unlock()
			if v, err := f.Result(t.Context()); v == 42 && err == nil {
				order = append(order, n)
			}
		}
	}
	f := lambdapool.Submit(t.Context(), e, double, 21)
	f.OnDone(note(1))
	f.OnDone(func(*lambdapool.Future[int]) { panic("contained") })
	f.OnDone(note(2))
	f.OnDone(nil)
	if err := e.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.OnDone(note(3)) // runs now
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(order, []int{1, 2, 3}) {
		t.Errorf("callbacks ran as %v", order)
	}
	if !strings.Contains(log.String(), "contained") {
		t.Errorf("the panic is not in the log: %q", log.String())
	}
}

func TestCallbackMayUseThePool(t *testing.T) {
	// With one worker, a callback that ran on it would wait for itself.
	e := pool(t, lambdapool.WithWorkers(1))
	got := make(chan int, 1)
	lambdapool.Submit(t.Context(), e, double, 1).OnDone(func(f *lambdapool.Future[int]) {
		v, err := f.Result(t.Context())
		if err == nil {
			v, err = lambdapool.Call(t.Context(), e, double, v)
		}
		if err != nil {
			t.Error(err)
		}
		got <- v
	})
	if v := <-got; v != 4 {
		t.Errorf("got %d, want 4", v)
	}
}

// A Future can be printed at any time, with any verb.
func TestFuturePrints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := pool(t, lambdapool.WithWorkers(1))
		running := lambdapool.Submit(t.Context(), e, sleep, time.Second)
		queued := lambdapool.Submit(t.Context(), e, sleep, time.Second)
		canceled := lambdapool.Submit(t.Context(), e, sleep, time.Second)
		failed := lambdapool.Submit(t.Context(), e, half, -1)
		canceled.Cancel()
		synctest.Wait()
		var none *lambdapool.Future[int]
		check := func(want string, f any) {
			t.Helper()
			for _, verb := range []string{"%v", "%s", "%+v", "%#v", "%d"} {
				if got := fmt.Sprintf(verb, f); got != want {
					t.Errorf("%s = %s, want %s", verb, got, want)
				}
			}
			if got, want := fmt.Sprintf("%q", f), fmt.Sprintf("%q", want); got != want {
				t.Errorf("%%q = %s, want %s", got, want)
			}
		}
		check("Future(test.sleep: running)", running)
		check("Future(test.sleep: queued)", queued)
		check("Future(test.sleep: canceled: "+canceled.Err().Error()+")", canceled)
		time.Sleep(time.Minute)
		check("Future(test.sleep: done)", running)
		check("Future(test.half: failed: lambdapool: call test.half: half of -1: negative)", failed)
		check("Future(nil)", none)
		check("Future(failed: lambdapool: submit: bad arguments: the executor is nil (make one with New))", lambdapool.Submit(t.Context(), nil, double, 1))
	})
}

// The race detector sees whether printing a call disturbs it.
func TestFuturesArePrintedWhileTheyRun(t *testing.T) {
	e := pool(t)
	for range 100 {
		f := lambdapool.Submit(t.Context(), e, double, 1)
		for range 5 {
			for _, verb := range []string{"%v", "%+v", "%#v", "%d", "%s"} {
				if got := fmt.Sprintf(verb, f); !strings.HasPrefix(got, "Future(test.double: ") {
					t.Fatal(got)
				}
			}
		}
		if _, err := f.Result(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// A nil future is one that has failed, wherever it is used.
func TestNilFuture(t *testing.T) {
	t.Parallel()
	var f *lambdapool.Future[int]
	_, err := f.Result(t.Context())
	wantErr(t, err, lambdapool.ErrBadArguments)
	wantErr(t, f.Err(), lambdapool.ErrBadArguments)
	<-f.Done()
	told := false
	f.OnDone(func(*lambdapool.Future[int]) { told = true })
	if f.Cancel() || !told || f.Stats() != (lambdapool.CallStats{}) {
		t.Error("a nil future was canceled, told nobody, or has stats")
	}
	good := lambdapool.Submit(t.Context(), pool(t), double, 1)
	done, pending := lambdapool.Wait(t.Context(), lambdapool.AllCompleted, good, nil, good)
	if len(done) != 3 || len(pending) != 0 {
		t.Errorf("%d futures are done and %d pending, want all three done", len(done), len(pending))
	}
	_, err = lambdapool.Collect(t.Context(), good, nil)
	wantErr(t, err, lambdapool.ErrBadArguments)
	if i := itemIndex(t, err); i != 1 {
		t.Errorf("the error is of future %d, want 1", i)
	}
}
