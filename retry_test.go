package lambdapool_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

func TestOutcomes(t *testing.T) {
	notRun := answer(&lambdapool.InvokeError{Outcome: lambdapool.OutcomeNotRun, Kind: lambdapool.ErrAgentCrashed, Err: errors.New("refused")})
	denied := answer(&lambdapool.InvokeError{Outcome: lambdapool.OutcomeNotRun, Kind: lambdapool.ErrAccessDenied, Err: errors.New("403"), Permanent: true})
	crashed := answer(&lambdapool.InvokeError{Outcome: lambdapool.OutcomeRan, Kind: lambdapool.ErrAgentCrashed, Err: errors.New("exit status 3")})
	nowhere := answer(&lambdapool.InvokeError{Outcome: lambdapool.OutcomeNotRun, Err: errors.New("connection refused")})
	lost := lose(io.ErrUnexpectedEOF)
	throttled := throttle("ReservedFunctionConcurrentInvocationLimitExceeded", 0)
	for _, tc := range []struct {
		name     string
		script   []step
		fn       *lambdapool.Func[int, int]
		kind     error // nil: it succeeds
		attempts int   // requests that the backend saw
		counted  int   // of them, those that count as attempts
	}{
		{"not run is sent again", []step{notRun, notRun}, double, nil, 3, 1},
		{"throttles are no attempts", []step{throttled, throttled, throttled, throttled, throttled}, double, nil, 6, 1},
		{"unreachable is sent again, but not for ever", slices.Repeat([]step{nowhere}, 100), double, lambdapool.ErrUnreachable, 15, 0},
		{"denied is final", []step{denied}, double, lambdapool.ErrAccessDenied, 1, 0},
		{"lost is final", []step{lost}, double, lambdapool.ErrUnknownOutcome, 1, 1},
		{"lost is run again if idempotent", []step{lost, lost}, again, nil, 3, 3},
		{"but not for ever", []step{lost, lost, lost}, again, lambdapool.ErrUnknownOutcome, 3, 3},
		{"a crash is final", []step{crashed}, double, lambdapool.ErrAgentCrashed, 1, 1},
		{"a crash is run again if idempotent", []step{crashed}, again, nil, 2, 2},
		{"throttled, lost", []step{throttled, lost}, double, lambdapool.ErrUnknownOutcome, 2, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &scripted{Backend: inproc.New(), script: tc.script}
				e := executor(t, b)
				f := lambdapool.Submit(t.Context(), e, tc.fn, 3)
				got, err := f.Result(t.Context())
				if tc.kind == nil && (err != nil || got == 0) {
					t.Errorf("Result = %v, %v", got, err)
				}
				if tc.kind != nil {
					wantErr(t, err, tc.kind)
					var pool *lambdapool.PoolError
					if errors.As(err, &pool); pool.Attempts != tc.counted {
						t.Errorf("PoolError.Attempts = %d, want %d", pool.Attempts, tc.counted)
					}
				}
				if b.attempts() != tc.attempts || f.Stats().Attempts != tc.counted {
					t.Errorf("%d requests, %d attempts; want %d, %d", b.attempts(), f.Stats().Attempts, tc.attempts, tc.counted)
				}
			})
		})
	}
}

// What the last attempt did not run, one before it may have.
func TestOutcomeIsOfAllAttempts(t *testing.T) {
	denied := answer(&lambdapool.InvokeError{Outcome: lambdapool.OutcomeNotRun, Kind: lambdapool.ErrAccessDenied, Err: errors.New("403"), Permanent: true})
	crashed := answer(&lambdapool.InvokeError{Outcome: lambdapool.OutcomeRan, Kind: lambdapool.ErrAgentCrashed, Err: errors.New("exit status 3")})
	for _, tc := range []struct {
		name   string
		script []step
		items  int
		want   lambdapool.Outcome
	}{
		{"none ran", []step{denied}, 1, lambdapool.OutcomeNotRun},
		{"one was lost", []step{lose(io.EOF), denied}, 1, lambdapool.OutcomeUnknown},
		{"one was lost, one throttled", []step{lose(io.EOF), throttle("CallerRateLimitExceeded", 0), denied}, 1, lambdapool.OutcomeUnknown},
		{"a chunk crashed", []step{crashed, denied, denied}, 2, lambdapool.OutcomeUnknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := executor(t, &scripted{Backend: inproc.New(), script: tc.script})
				_, err := lambdapool.Map(t.Context(), e, again, upTo(tc.items), lambdapool.ChunkSize(tc.items))
				wantErr(t, err, lambdapool.ErrAccessDenied)
				var pool *lambdapool.PoolError
				if errors.As(err, &pool); pool.Outcome != tc.want {
					t.Errorf("the outcome is %v, want %v: %v", pool.Outcome, tc.want, err)
				}
			})
		})
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &scripted{Backend: inproc.New(), script: []step{throttle("CallerRateLimitExceeded", 7*time.Second)}}
		e := executor(t, b)
		start := time.Now()
		if _, err := lambdapool.Call(t.Context(), e, double, 1); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 7*time.Second || took > 10*time.Second {
			t.Errorf("took %v, want a little more than 7s", took)
		}
	})
}

func TestThrottledUntilTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &scripted{Backend: inproc.New()}
		for range 10_000 {
			b.script = append(b.script, throttle("ConcurrentInvocationLimitExceeded", 0))
		}
		e := executor(t, b, lambdapool.WithTimeout(time.Minute))
		start := time.Now()
		_, err := lambdapool.Call(t.Context(), e, double, 1)
		wantErr(t, err, lambdapool.ErrTimeout, lambdapool.ErrThrottled)
		var pool *lambdapool.PoolError
		if errors.As(err, &pool); pool.Outcome != lambdapool.OutcomeNotRun || pool.Attempts != 0 {
			t.Errorf("error = %#v", pool)
		}
		if took := time.Since(start); took != time.Minute {
			t.Errorf("took %v, want 1m", took)
		}
	})
}

func TestFunctionErrorsAreRetriedOnRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &scripted{Backend: inproc.New()}
		e := executor(t, b, lambdapool.WithRetry(lambdapool.RetryPolicy{
			MaxAttempts:        4,
			RetryFunctionError: func(err *lambdapool.FunctionError) bool { return !err.Panic },
		}))
		_, err := lambdapool.Call(t.Context(), e, half, -2)
		wantErr(t, err, errNegative)
		if b.attempts() != 4 {
			t.Errorf("%d attempts of an error, want 4", b.attempts())
		}
		if _, err = lambdapool.Call(t.Context(), e, half, 3); err == nil || b.attempts() != 5 {
			t.Errorf("%v after %d attempts of a panic, want 1", err, b.attempts()-4)
		}
	})
}

// A hook that does not answer is the pool's failure, and is counted as one, although the function had failed before.
func TestHooksThatDoNotAnswerAreThePoolsFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &scripted{Backend: inproc.New()}
		e := executor(t, b, lambdapool.WithLogger(slog.New(slog.DiscardHandler)), lambdapool.WithRetry(lambdapool.RetryPolicy{
			RetryFunctionError: func(*lambdapool.FunctionError) bool { panic("no opinion") },
		}))
		_, err := lambdapool.Call(t.Context(), e, half, -2)
		var pool *lambdapool.PoolError
		if !errors.As(err, &pool) || !errors.Is(err, lambdapool.ErrHook) || pool.Attempts != 1 {
			t.Errorf("Call ended in %+v", err)
		}
		if s := e.Stats(); s.PoolErrors != 1 || s.FunctionErrors != 0 {
			t.Errorf("counted as %+v", s)
		}
	})
}

// What a backend returns is the backend's, also where a function of its own pool had said it: nobody knows whether
// the called one has run.
func TestABackendThatFailsByAFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said := &lambdapool.FunctionError{Func: "relay", Message: "no route"}
		b := &scripted{Backend: inproc.New(), script: []step{lose(said)}}
		e := executor(t, b)
		_, err := lambdapool.Call(t.Context(), e, half, 2)
		pool, ok := err.(*lambdapool.PoolError) //nolint:errorlint // what is tested
		if !ok || !errors.Is(pool.Kind, lambdapool.ErrUnknownOutcome) || !errors.Is(err, said) {
			t.Errorf("Call ended in %#v", err)
		}
		if s := e.Stats(); s.PoolErrors != 1 || s.FunctionErrors != 0 {
			t.Errorf("counted as %+v", s)
		}
	})
}

func TestInlineRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &scripted{Backend: inproc.New(), script: []step{lose(io.EOF), throttle("CallerRateLimitExceeded", time.Second)}}
		e := executor(t, b, lambdapool.WithWorkers(0))
		if got, err := lambdapool.Call(t.Context(), e, again, 3); err != nil || got != 3 {
			t.Errorf("Call = %v, %v", got, err)
		}
		if b.attempts() != 3 {
			t.Errorf("%d attempts, want 3", b.attempts())
		}
	})
}

func TestSpoiltReplies(t *testing.T) {
	spoil := func(change func([]byte) []byte) step {
		return func(_ context.Context, run func() (*lambdapool.Response, error)) (*lambdapool.Response, error) {
			r, err := run()
			if err != nil {
				return nil, err
			}
			r.Payload = change(r.Payload)
			return r, nil
		}
	}
	var stale []byte
	for name, s := range map[string]step{
		"truncated": spoil(func(b []byte) []byte { return b[:len(b)-1] }),
		"empty":     spoil(func([]byte) []byte { return nil }),
		"json":      spoil(func([]byte) []byte { return []byte(`{"errorMessage":"no"}`) }),
		"stale":     spoil(func([]byte) []byte { return stale }),
		"panic": func(context.Context, func() (*lambdapool.Response, error)) (*lambdapool.Response, error) {
			panic("oops")
		},
		"nothing": answer(nil),
	} {
		t.Run(name, func(t *testing.T) {
			keep := spoil(func(b []byte) []byte { stale = append([]byte(nil), b...); return b })
			b := &scripted{Backend: inproc.New(), script: []step{keep, s}}
			e := executor(t, b)
			if _, err := lambdapool.Call(t.Context(), e, double, 1); err != nil {
				t.Fatal(err)
			}
			got, err := lambdapool.Call(t.Context(), e, double, 2)
			if err == nil {
				t.Errorf("Call = %v, want an error", got)
			}
			wantErr(t, err, lambdapool.ErrUnknownOutcome)
			b.mu.Lock()
			b.script = []step{nil, nil, nil, s}
			b.script[2], b.seen = keep, 3
			b.mu.Unlock()
			if got, err := lambdapool.Call(t.Context(), e, again, 2); err != nil || got != 2 {
				t.Errorf("idempotent: %v, %v; want 2", got, err)
			}
		})
	}
}

// What asks for more patience than the call has is the end of its time.
func TestRetryAfterBeyondTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &scripted{Backend: inproc.New(), script: []step{throttle("ReservedFunctionConcurrentInvocationLimitExceeded", time.Minute)}}
		e := executor(t, b, lambdapool.WithTimeout(time.Second))
		_, err := lambdapool.Call(t.Context(), e, double, 1)
		wantErr(t, err, lambdapool.ErrTimeout, lambdapool.ErrThrottled, context.DeadlineExceeded)
		var pool *lambdapool.PoolError
		if errors.As(err, &pool); pool.Outcome != lambdapool.OutcomeNotRun {
			t.Errorf("error = %#v", pool)
		}
	})
}
