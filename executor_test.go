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

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

func TestSubmitTyped(t *testing.T) {
	e := pool(t)
	f := lambdapool.Submit(t.Context(), e, double, 21)
	for range 2 { // getting twice is getting the same
		got, err := f.Result(t.Context())
		if err != nil || got != 42 {
			t.Fatalf("Result = %v, %v; want 42", got, err)
		}
	}
	if err := f.Err(); err != nil {
		t.Errorf("Err after success = %v", err)
	}
	select {
	case <-f.Done():
	default:
		t.Error("Done is open after Result")
	}
	if f.Cancel() {
		t.Error("Cancel after the end reports true")
	}
}

func TestSubmitDynamic(t *testing.T) {
	e := pool(t)
	for _, tc := range []struct {
		name string
		fn   any
		args []any
		want any
	}{
		{"by name", "test.add", []any{1, 2}, 3},
		{"by value", add, []any{1, 2}, 3},
		{"by handle", double, []any{4}, 8},
		{"variadic, none", "test.join", []any{"-"}, ""},
		{"variadic, three", join, []any{"-", "a", "b", "c"}, "a-b-c"},
		{"error only", "test.check", []any{1}, nil},
		{"integral float", "test.add", []any{1.0, uint8(2)}, 3},
		{"duration", "test.sleep", []any{time.Duration(0)}, time.Duration(0)},
		{"number for named number", "test.sleep", []any{0}, time.Duration(0)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := e.Submit(t.Context(), tc.fn, tc.args...).Result(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSubmitRefusals(t *testing.T) {
	e := pool(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithTimeout(t.Context(), -1)
	defer cancel()
	other := lambdapool.RegisterIn(lambdapool.NewRegistry(), "test.other", func(context.Context, int) (int, error) { return 0, nil })
	closure := func(k int) func(int, int) int { return func(a, b int) int { return a + b + k } }
	var noFunc func(int) int
	var noHandle *lambdapool.Func[int, int]
	for _, tc := range []struct {
		name string
		ctx  context.Context
		fn   any
		args []any
		kind error
		text string
	}{
		{"unknown name", t.Context(), "test.ad", []any{1, 2}, lambdapool.ErrNotRegistered,
			"lambdapool: submit test.ad: function not registered (did you mean test.add?)"},
		{"unknown function", t.Context(), closure(1), []any{1, 2}, lambdapool.ErrNotRegistered, ""},
		{"nil", t.Context(), nil, nil, lambdapool.ErrBadArguments, "lambdapool: submit: bad arguments: the function is nil (pass a *Func, a registered function or its name)"},
		{"nil function", t.Context(), noFunc, nil, lambdapool.ErrBadArguments, ""},
		{"nil handle", t.Context(), noHandle, nil, lambdapool.ErrBadArguments, ""},
		{"no function", t.Context(), 7, nil, lambdapool.ErrBadArguments, ""},
		{"another registry", t.Context(), other, []any{1}, lambdapool.ErrNotRegistered, ""},
		{"too few", t.Context(), "test.add", []any{1}, lambdapool.ErrBadArguments,
			"lambdapool: submit test.add: bad arguments: 1 argument, want 2 (test.add is func(int, int) int)"},
		{"too many", t.Context(), "test.add", []any{1, 2, 3}, lambdapool.ErrBadArguments, ""},
		{"too few for variadic", t.Context(), "test.join", nil, lambdapool.ErrBadArguments,
			"lambdapool: submit test.join: bad arguments: 0 arguments, want at least 1 (test.join is func(string, ...string) string)"},
		{"wrong type", t.Context(), "test.add", []any{1, "2"}, lambdapool.ErrBadArguments,
			"lambdapool: submit test.add: bad arguments: argument 2: string, want int (test.add is func(int, int) int)"},
		{"loss", t.Context(), "test.add", []any{1.5, 2}, lambdapool.ErrBadArguments,
			"lambdapool: submit test.add: bad arguments: argument 1: 1.5 (float64) does not convert to int without loss (test.add is func(int, int) int)"},
		{"nil for a number", t.Context(), "test.add", []any{nil, 2}, lambdapool.ErrBadArguments, ""},
		{"wrong type in the tail", t.Context(), "test.join", []any{"-", "a", 2}, lambdapool.ErrBadArguments,
			"lambdapool: submit test.join: bad arguments: argument 3: int, want string (test.join is func(string, ...string) string)"},
		{"ctx canceled", ended, "test.add", []any{1, 2}, lambdapool.ErrCanceled, ""},
		{"ctx late", late, "test.add", []any{1, 2}, lambdapool.ErrTimeout, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := e.Submit(tc.ctx, tc.fn, tc.args...)
			_, err := f.Result(t.Context())
			wantErr(t, err, tc.kind)
			var pool *lambdapool.PoolError
			if !errors.As(err, &pool) || pool.Outcome != lambdapool.OutcomeNotRun || pool.Attempts != 0 {
				t.Errorf("error = %#v, want a PoolError that did not run", err)
			}
			if tc.text != "" && err.Error() != tc.text {
				t.Errorf("error\n got %s\nwant %s", err, tc.text)
			}
			called := false
			f.OnDone(func(*lambdapool.Future[any]) { called = true })
			if !called {
				t.Error("OnDone of a failed future did not run at once")
			}
		})
	}
	//nolint:staticcheck // a nil context is the mistake under test
	_, err := e.Submit(nil, "test.add", 1, 2).Result(t.Context())
	wantErr(t, err, lambdapool.ErrBadArguments)
	var none *lambdapool.Executor
	_, err = none.Submit(t.Context(), "test.add", 1, 2).Result(t.Context())
	wantErr(t, err, lambdapool.ErrBadArguments)
	_, err = lambdapool.Call(t.Context(), none, double, 1)
	wantErr(t, err, lambdapool.ErrBadArguments)
}

func TestArgumentsMayBeReused(t *testing.T) {
	sum := lambdapool.NewRegistry()
	fn := lambdapool.RegisterIn(sum, "sum", func(_ context.Context, xs []int) (int, error) {
		total := 0
		for _, x := range xs {
			total += x
		}
		return total, nil
	})
	e := pool(t, lambdapool.WithRegistry(sum))
	xs := []int{1, 2, 3}
	f := lambdapool.Submit(t.Context(), e, fn, xs)
	clear(xs)
	if got, err := f.Result(t.Context()); err != nil || got != 6 {
		t.Errorf("sum = %v, %v; want 6", got, err)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, opt := range map[string]lambdapool.Option{
		"workers":  lambdapool.WithWorkers(-1),
		"many":     lambdapool.WithWorkers(1 << 30),
		"timeout":  lambdapool.WithTimeout(0),
		"registry": lambdapool.WithRegistry(nil),
		"logger":   lambdapool.WithLogger(nil),
		"attempts": lambdapool.WithRetry(lambdapool.RetryPolicy{MaxAttempts: -1}),
		"base":     lambdapool.WithRetry(lambdapool.RetryPolicy{BaseDelay: -1}),
		"max":      lambdapool.WithRetry(lambdapool.RetryPolicy{MaxDelay: -1}),
		"order":    lambdapool.WithRetry(lambdapool.RetryPolicy{BaseDelay: 2, MaxDelay: 1}),
		"nil":      nil,
	} {
		e, err := lambdapool.New(inproc.New(), opt)
		if e != nil || !errors.Is(err, lambdapool.ErrBadArguments) {
			t.Errorf("%s: New = %v, %v; want ErrBadArguments", name, e, err)
		}
	}
	if _, err := lambdapool.New(nil); !errors.Is(err, lambdapool.ErrBadArguments) {
		t.Errorf("New(nil) = %v", err)
	}
}

func TestErrorsSayWhoFailed(t *testing.T) {
	e := pool(t)
	_, err := lambdapool.Call(t.Context(), e, half, -4)
	var function *lambdapool.FunctionError
	if !errors.As(err, &function) {
		t.Fatalf("error = %v, want a FunctionError", err)
	}
	wantErr(t, err, errNegative)
	want := lambdapool.FunctionError{
		Func: "test.half", Type: "*fmt.wrapError", Message: "half of -4: negative",
		Chain: []lambdapool.ErrorDetail{{Type: "*errors.errorString", Message: "negative"}},
	}
	function.RequestID = ""
	if diff := cmp.Diff(want, *function, cmpopts.IgnoreUnexported(*function)); diff != "" {
		t.Error(diff)
	}

	_, err = lambdapool.Call(t.Context(), e, half, 3)
	if !errors.As(err, &function) || !function.Panic || function.Message != "3 is odd" {
		t.Fatalf("error = %#v, want the panic", err)
	}
	if err.Error() != "lambdapool: call test.half: panic: 3 is odd" {
		t.Errorf("text = %q", err)
	}
}

func TestInlineRunsInOrder(t *testing.T) {
	reg := lambdapool.NewRegistry()
	var seen []int // not safe for concurrent use, as the fakes that WithWorkers(0) is for
	fn := lambdapool.RegisterIn(reg, "note", func(_ context.Context, n int) (int, error) {
		seen = append(seen, n)
		return n, nil
	})
	e := pool(t, lambdapool.WithRegistry(reg), lambdapool.WithWorkers(0))
	for i := range 5 {
		f := lambdapool.Submit(t.Context(), e, fn, i)
		select {
		case <-f.Done():
		default:
			t.Fatal("Submit returned before the call had ended")
		}
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { lambdapool.Submit(t.Context(), e, fn, 9) })
	}
	wg.Wait()
	got, err := lambdapool.Map(t.Context(), e, fn, []int{5, 6, 7})
	if err != nil || !slices.Equal(got, []int{5, 6, 7}) {
		t.Errorf("Map = %v, %v", got, err)
	}
	if want := []int{0, 1, 2, 3, 4, 9, 9, 9, 9, 9, 9, 9, 9, 5, 6, 7}; !slices.Equal(seen, want) {
		t.Errorf("order %v, want %v", seen, want)
	}
}

func TestWorkersBoundWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := lambdapool.NewRegistry()
		var now, most atomic.Int64
		fn := lambdapool.RegisterIn(reg, "work", func(context.Context, int) (int, error) {
			n := now.Add(1)
			defer now.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(time.Second)
			return 0, nil
		})
		e := pool(t, lambdapool.WithRegistry(reg), lambdapool.WithWorkers(7))
		start := time.Now()
		if _, err := lambdapool.Map(t.Context(), e, fn, make([]int, 70), lambdapool.ChunkSize(1)); err != nil {
			t.Fatal(err)
		}
		if most.Load() != 7 {
			t.Errorf("%d at once, want 7", most.Load())
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("took %v, want 10s", took)
		}
	})
}

func TestDeadlines(t *testing.T) {
	t.Run("WithTimeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := pool(t, lambdapool.WithTimeout(3*time.Second), lambdapool.WithWorkers(1))
			start := time.Now()
			running := lambdapool.Submit(t.Context(), e, sleep, time.Hour)
			queued := lambdapool.Submit(t.Context(), e, sleep, time.Millisecond)
			for f, outcome := range map[*lambdapool.Future[time.Duration]]lambdapool.Outcome{
				running: lambdapool.OutcomeUnknown, queued: lambdapool.OutcomeNotRun,
			} {
				_, err := f.Result(t.Context())
				wantErr(t, err, lambdapool.ErrTimeout, context.DeadlineExceeded)
				var pool *lambdapool.PoolError
				if !errors.As(err, &pool) {
					t.Fatalf("error = %#v", err)
				}
				if f == queued && pool.Outcome != outcome {
					t.Errorf("outcome of a queued call = %v", pool.Outcome)
				}
			}
			if took := time.Since(start); took != 3*time.Second {
				t.Errorf("took %v, want 3s", took)
			}
		})
	})
	t.Run("context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := pool(t, lambdapool.WithWorkers(1))
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			first := lambdapool.Submit(ctx, e, sleep, time.Hour)
			second := lambdapool.Submit(ctx, e, sleep, time.Hour)
			free := lambdapool.Submit(t.Context(), e, sleep, time.Second)
			for _, f := range []*lambdapool.Future[time.Duration]{first, second} {
				_, err := f.Result(t.Context())
				wantErr(t, err, lambdapool.ErrTimeout, context.DeadlineExceeded)
			}
			if _, err := free.Result(t.Context()); err != nil {
				t.Errorf("the call behind them: %v", err)
			}
		})
	})
	t.Run("a wait bounds nothing but itself", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := pool(t)
			f := lambdapool.Submit(t.Context(), e, sleep, time.Minute)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := f.Result(ctx)
			wantErr(t, err, context.DeadlineExceeded)
			var pool *lambdapool.PoolError
			if errors.As(err, &pool) {
				t.Errorf("the end of a wait is a PoolError: %v", err)
			}
			if got, err := f.Result(t.Context()); err != nil || got != time.Minute {
				t.Errorf("the call = %v, %v", got, err)
			}
		})
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &scripted{Backend: inproc.New()}
		e := executor(t, b, lambdapool.WithWorkers(1))
		running := lambdapool.Submit(t.Context(), e, sleep, time.Hour)
		queued := lambdapool.Submit(t.Context(), e, sleep, time.Hour)
		synctest.Wait()
		if !queued.Cancel() || !running.Cancel() {
			t.Error("Cancel of a pending call reports false")
		}
		if running.Cancel() {
			t.Error("the second Cancel reports true")
		}
		for _, f := range []*lambdapool.Future[time.Duration]{running, queued} {
			_, err := f.Result(t.Context())
			wantErr(t, err, lambdapool.ErrCanceled, context.Canceled)
		}
		var pool *lambdapool.PoolError
		if errors.As(running.Err(), &pool); pool.Outcome != lambdapool.OutcomeUnknown {
			t.Errorf("outcome of the running call = %v", pool.Outcome)
		}
		if _, err := lambdapool.Call(t.Context(), e, double, 1); err != nil {
			t.Error(err)
		}
		if b.attempts() != 2 {
			t.Errorf("%d attempts, want 2: the queued call must never be sent", b.attempts())
		}
	})
}

func TestOneContextForManyCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := pool(t, lambdapool.WithWorkers(2))
		ctx, cancel := context.WithCancelCause(t.Context())
		reason := errors.New("enough")
		var fs []*lambdapool.Future[time.Duration]
		for range 100 {
			fs = append(fs, lambdapool.Submit(ctx, e, sleep, time.Hour))
		}
		synctest.Wait()
		cancel(reason)
		for _, f := range fs {
			_, err := f.Result(t.Context())
			wantErr(t, err, lambdapool.ErrCanceled, context.Canceled, reason)
		}
	})
}

func TestCloseCancelsAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := pool(t, lambdapool.WithWorkers(1))
		running := lambdapool.Submit(t.Context(), e, sleep, time.Hour)
		queued := lambdapool.Submit(t.Context(), e, sleep, time.Hour)
		synctest.Wait()
		for range 2 {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		}
		for _, f := range []*lambdapool.Future[time.Duration]{running, queued} {
			select {
			case <-f.Done():
			default:
				t.Fatal("Close returned before the calls had ended")
			}
			wantErr(t, f.Err(), lambdapool.ErrCanceled, lambdapool.ErrClosed)
		}
		_, err := lambdapool.Call(t.Context(), e, double, 1)
		wantErr(t, err, lambdapool.ErrClosed)
		_, err = lambdapool.Map(t.Context(), e, double, []int{1})
		wantErr(t, err, lambdapool.ErrClosed)
	})
}

func TestShutdownWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := pool(t, lambdapool.WithWorkers(1))
		first := lambdapool.Submit(t.Context(), e, sleep, time.Minute)
		second := lambdapool.Submit(t.Context(), e, sleep, time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := e.Shutdown(ctx)
		wantErr(t, err, lambdapool.ErrTimeout, context.DeadlineExceeded)
		_, err = lambdapool.Call(t.Context(), e, double, 1)
		wantErr(t, err, lambdapool.ErrClosed)
		called := false
		second.OnDone(func(*lambdapool.Future[time.Duration]) { time.Sleep(time.Second); called = true })
		if err := e.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if first.Err() != nil || second.Err() != nil || !called {
			t.Errorf("after Shutdown: %v, %v, callback run: %t", first.Err(), second.Err(), called)
		}
		if err := e.Shutdown(t.Context()); err != nil {
			t.Errorf("second Shutdown: %v", err)
		}
	})
}

func TestStats(t *testing.T) {
	e := pool(t)
	futures := []interface{ Done() <-chan struct{} }{
		lambdapool.Submit(t.Context(), e, double, 1),
		lambdapool.Submit(t.Context(), e, half, -1),
		lambdapool.Submit(t.Context(), e, echo, "x"),
	}
	for _, f := range futures {
		<-f.Done()
	}
	f := lambdapool.Submit(t.Context(), e, sleep, time.Hour)
	f.Cancel()
	if err := e.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := e.Stats()
	if got.Submitted != 4 || got.Succeeded != 2 || got.FunctionErrors != 1 || got.PoolErrors != 1 || got.Canceled != 1 {
		t.Errorf("stats = %+v", got)
	}
	if got.Queued != 0 || got.Running != 0 || got.Sent == 0 || got.Received == 0 {
		t.Errorf("stats = %+v", got)
	}
	g := lambdapool.Submit(t.Context(), pool(t), double, 1)
	if _, err := g.Result(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := g.Stats()
	if s.Attempts != 1 || s.RequestID == "" || s.Total <= 0 || s.Sent == 0 || s.Received == 0 {
		t.Errorf("call stats = %+v", s)
	}
}
