package inproc_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// stubborn are functions that do not heed their context, and others.
type stubborn struct {
	r     *lambdapool.Registry
	sleep *lambdapool.Func[time.Duration, string]
	add   *lambdapool.Func[int, int]
	exit  *lambdapool.Func[int, int]
	panic *lambdapool.Func[int, int]
}

func newStubborn() stubborn {
	r := lambdapool.NewRegistry()
	return stubborn{
		r: r,
		sleep: lambdapool.RegisterIn(r, "sleep", func(_ context.Context, d time.Duration) (string, error) {
			time.Sleep(d)
			return "slept", nil
		}, lambdapool.Idempotent()),
		add: lambdapool.RegisterIn(r, "add", func(_ context.Context, n int) (int, error) { return n + 1, nil }),
		exit: lambdapool.RegisterIn(r, "exit", func(context.Context, int) (int, error) {
			runtime.Goexit()
			return 0, nil
		}),
		panic: lambdapool.RegisterIn(r, "panic", func(context.Context, int) (int, error) { panic("no") }),
	}
}

// pool has one worker, so that whatever holds it up holds up all.
func (s stubborn) pool(t *testing.T, b lambdapool.Backend, opts ...lambdapool.Option) *lambdapool.Executor {
	t.Helper()
	pool, err := lambdapool.New(b, append(opts, lambdapool.WithRegistry(s.r), lambdapool.WithWorkers(1))...)
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// takes checks that f takes so long.
func takes(t *testing.T, what string, want time.Duration, f func()) {
	t.Helper()
	begun := time.Now()
	f()
	if took := time.Since(begun); took < want || took > want+want/10 {
		t.Errorf("%s took %v, want %v", what, took, want)
	}
}

// works checks that the worker is free.
func (s stubborn) works(t *testing.T, pool *lambdapool.Executor) {
	t.Helper()
	takes(t, "the next call", 0, func() {
		if n, err := lambdapool.Call(t.Context(), pool, s.add, 1); n != 2 || err != nil {
			t.Errorf("the next call: %d, %v", n, err)
		}
	})
}

// A function that does not heed its context runs on the goroutine of a worker. When its time is up another goroutine
// does what that worker would: whatever it is that ends the call, and nothing of the function's is delivered late.
func TestStubbornFunctionsHoldUpNoWorker(t *testing.T) {
	s := newStubborn()
	for _, tt := range []struct {
		name string
		opts []lambdapool.Option
		end  func(f *lambdapool.Future[string], cancel func())
		at   time.Duration
		kind error
	}{
		{"timeout", []lambdapool.Option{lambdapool.WithTimeout(time.Second)}, nil, time.Second, lambdapool.ErrTimeout},
		{"attempt", []lambdapool.Option{lambdapool.WithAttemptTimeout(time.Second), lambdapool.WithRetry(lambdapool.RetryPolicy{MaxAttempts: 1})}, nil, time.Second, lambdapool.ErrTimeout},
		{"cancel", nil, func(f *lambdapool.Future[string], _ func()) { f.Cancel() }, time.Second, lambdapool.ErrCanceled},
		{"context", nil, func(_ *lambdapool.Future[string], cancel func()) { cancel() }, time.Second, lambdapool.ErrCanceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := inproc.New()
				pool := s.pool(t, b, tt.opts...)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				f := lambdapool.Submit(ctx, pool, s.sleep, time.Hour)
				if tt.end != nil {
					time.AfterFunc(tt.at, func() { tt.end(f, cancel) })
				}
				begun := time.Now()
				value, err := f.Result(context.Background())
				if !errors.Is(err, tt.kind) || value != "" {
					t.Errorf("%q, %v, want %v", value, err, tt.kind)
				}
				if took := time.Since(begun); took < tt.at || took > 2*tt.at {
					t.Errorf("took %v, want about %v", took, tt.at)
				}
				synctest.Wait()
				s.works(t, pool)
				time.Sleep(2 * time.Hour) // the function returns
				s.works(t, pool)
				if _, again := f.Result(t.Context()); !errors.Is(again, tt.kind) {
					t.Errorf("later %v", again)
				}
				synctest.Wait() // the worker has come back from the last call
				if stats := pool.Stats(); stats.Running != 0 || stats.InFlight != 0 || stats.Succeeded != 2 {
					t.Errorf("%+v", stats)
				}
				if err := errors.Join(pool.Close(), b.Close()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Close of the backend does not wait for them for ever, and says so; Close of the executor returns.
func TestCloseLeavesStubbornFunctions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := newStubborn(), inproc.New()
		pool := s.pool(t, b)
		f := lambdapool.Submit(t.Context(), pool, s.sleep, time.Hour)
		synctest.Wait()
		err := b.Close()
		if err == nil || !strings.Contains(err.Error(), "1 calls still run") {
			t.Errorf("Close of the backend: %v", err)
		}
		if _, err := f.Result(t.Context()); !errors.Is(err, lambdapool.ErrClosed) {
			t.Errorf("the call: %v", err)
		}
		takes(t, "Close of the executor", 0, func() {
			if err := pool.Close(); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(2 * time.Hour) // the function returns, to nobody
	})
}

// A function that ends its goroutine ends that of a worker: another one goes on, and the call has its own error.
func TestFunctionsThatEndTheirGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := newStubborn(), inproc.New()
		pool := s.pool(t, b)
		for range 3 {
			_, err := lambdapool.Call(t.Context(), pool, s.exit, 1)
			var failed *lambdapool.FunctionError
			if !errors.As(err, &failed) || !strings.Contains(failed.Message, "Goexit") {
				t.Errorf("%v, want a FunctionError that says so", err)
			}
			s.works(t, pool)
		}
		if err := errors.Join(pool.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	})
}

// The stack of a panic has the function's frames, and none of this module's.
func TestPanicStackOnAWorker(t *testing.T) {
	s, b := newStubborn(), inproc.New()
	pool := s.pool(t, b)
	_, err := lambdapool.Call(t.Context(), pool, s.panic, 1)
	var failed *lambdapool.FunctionError
	if !errors.As(err, &failed) || !failed.Panic {
		t.Fatalf("%v, want a panic", err)
	}
	if lines := strings.Split(failed.Stack, "\n"); len(lines) != 2 || !strings.Contains(failed.Stack, "newStubborn") {
		t.Errorf("the stack is\n%s", failed.Stack)
	}
	if err := errors.Join(pool.Close(), b.Close()); err != nil {
		t.Error(err)
	}
}

// around is a backend of the program's around one of this package, which wants to hear of the outcome.
type around struct {
	*inproc.Backend

	returned chan error
}

func (a *around) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	response, err := a.Backend.Invoke(ctx, req)
	a.returned <- err
	return response, err
}

// Invoke of a backend below another one returns when its context ends, and a function's own Invoke does, too.
func TestInvokeReturnsToWhomItBelongs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStubborn()
		a := &around{inproc.New(), make(chan error, 1)}
		pool := s.pool(t, a, lambdapool.WithTimeout(time.Second))
		if _, err := lambdapool.Call(t.Context(), pool, s.sleep, time.Hour); !errors.Is(err, lambdapool.ErrTimeout) {
			t.Errorf("the call: %v", err)
		}
		takes(t, "Invoke", 0, func() { <-a.returned })
		time.Sleep(2 * time.Hour)
		if err := errors.Join(pool.Close(), a.Close()); err != nil {
			t.Error(err)
		}

		b := inproc.New()
		invoked := make(chan error, 1)
		payload := request(t, s.r, "sleep", time.Hour).Payload
		direct := lambdapool.RegisterIn(s.r, "direct", func(ctx context.Context, _ int) (int, error) {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := b.Invoke(ctx, &lambdapool.Request{Payload: payload, Registry: s.r})
			invoked <- err
			return 1, nil
		})
		pool = s.pool(t, b)
		takes(t, "a function's own Invoke", time.Second, func() {
			if n, err := lambdapool.Call(t.Context(), pool, direct, 0); n != 1 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		})
		var refused *lambdapool.InvokeError
		if err := <-invoked; !errors.As(err, &refused) || !errors.Is(refused.Kind, lambdapool.ErrTimeout) {
			t.Errorf("its error: %v", err)
		}
		time.Sleep(2 * time.Hour)
		if err := errors.Join(pool.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	})
}
