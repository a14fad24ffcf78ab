package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// What a run says of its calls goes before what the function says, and that before the executor.
func TestTimeoutsByPrecedence(t *testing.T) {
	for _, tt := range []struct {
		run, function, executor, want time.Duration
		option                        string
	}{
		{0, 0, 3, 3, "WithTimeout"},
		{0, 2, 3, 2, "DefaultTimeout"},
		{0, 4, 3, 4, "DefaultTimeout"}, // also where it is longer
		{1, 2, 3, 1, "CallTimeout"},
		{5, 2, 3, 5, "CallTimeout"},
	} {
		for _, chunk := range []int{0, 1, 3} { // 0: a single call
			if chunk == 0 && tt.run > 0 {
				continue
			}
			t.Run(fmt.Sprint(tt.option, tt.want, chunk), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					reg := lambdapool.NewRegistry()
					var opts []lambdapool.FuncOption
					if tt.function > 0 {
						opts = append(opts, lambdapool.DefaultTimeout(tt.function*time.Second))
					}
					fn := lambdapool.RegisterIn(reg, "hangs", func(ctx context.Context, n int) (int, error) {
						if n > 0 {
							<-ctx.Done()
						}
						return n, ctx.Err()
					}, opts...)
					e := pool(t, lambdapool.WithRegistry(reg), lambdapool.WithTimeout(tt.executor*time.Second))
					began := time.Now()
					var err error
					if chunk == 0 {
						_, err = lambdapool.Call(t.Context(), e, fn, 1)
					} else {
						run := []lambdapool.MapOption{lambdapool.ChunkSize(chunk), lambdapool.ContinueOnError()}
						if tt.run > 0 {
							run = append(run, lambdapool.CallTimeout(tt.run*time.Second))
						}
						_, err = lambdapool.Map(t.Context(), e, fn, []int{0, 1, 0}, run...)
					}
					wantErr(t, err, lambdapool.ErrTimeout)
					if took := time.Since(began).Round(time.Second); took != tt.want*time.Second {
						t.Errorf("it took %v: %v", took, err)
					}
					if chunk < 2 && !strings.Contains(err.Error(), tt.option) {
						t.Errorf("%v does not name %s", err, tt.option)
					}
				})
			})
		}
	}
}

// The same of attempts and of retries: single calls, items alone and among others.
func TestRetriesByPrecedence(t *testing.T) {
	policy := func(attempts int) lambdapool.RetryPolicy {
		return lambdapool.RetryPolicy{MaxAttempts: attempts, BaseDelay: time.Millisecond, RetryFunctionError: func(*lambdapool.FunctionError) bool { return true }}
	}
	for _, tt := range []struct{ run, function, executor, want int }{
		{0, 0, 4, 4}, {0, 2, 4, 2}, {0, 5, 4, 5}, {3, 2, 4, 3}, {1, 2, 4, 1},
	} {
		for _, chunk := range []int{0, 1, 3} {
			if chunk == 0 && tt.run > 0 {
				continue
			}
			t.Run(fmt.Sprint(tt, chunk), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					reg := lambdapool.NewRegistry()
					var opts []lambdapool.FuncOption
					if tt.function > 0 {
						opts = append(opts, lambdapool.DefaultRetry(policy(tt.function)))
					}
					var tries atomic.Int64
					fn := lambdapool.RegisterIn(reg, "fails", func(_ context.Context, n int) (int, error) {
						if n == 0 {
							return 0, nil
						}
						tries.Add(1)
						return 0, errNegative
					}, opts...)
					e := pool(t, lambdapool.WithRegistry(reg), lambdapool.WithRetry(policy(tt.executor)))
					var err error
					if chunk == 0 {
						_, err = lambdapool.Call(t.Context(), e, fn, 1)
					} else {
						run := []lambdapool.MapOption{lambdapool.ChunkSize(chunk), lambdapool.ContinueOnError()}
						if tt.run > 0 {
							run = append(run, lambdapool.CallRetry(policy(tt.run)))
						}
						_, err = lambdapool.Map(t.Context(), e, fn, []int{0, 1, 0}, run...)
					}
					var said *lambdapool.FunctionError
					if !errors.As(err, &said) || int(tries.Load()) != tt.want {
						t.Errorf("%d tries, %v", tries.Load(), err)
					}
				})
			})
		}
	}
}

// A function's attempts have its time, with hedges too, and a run says otherwise.
func TestDefaultAttemptTimeout(t *testing.T) {
	for _, run := range []time.Duration{0, 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			reg := lambdapool.NewRegistry()
			var tries atomic.Int64
			fn := lambdapool.RegisterIn(reg, "slow once", func(ctx context.Context, n int) (int, error) {
				if n == 1 && tries.Add(1) == 1 {
					<-ctx.Done()
				}
				return n, ctx.Err()
			}, lambdapool.Idempotent(), lambdapool.DefaultAttemptTimeout(2*time.Second))
			e := executor(t, inproc.New(), lambdapool.WithRegistry(reg), lambdapool.WithAttemptTimeout(time.Hour), lambdapool.WithHedging(lambdapool.Hedging{}))
			want := 2 * time.Second
			opts := []lambdapool.MapOption{lambdapool.ChunkSize(1)}
			if run > 0 {
				want, opts = run, append(opts, lambdapool.WithAttemptTimeout(run))
			}
			began := time.Now()
			values, err := lambdapool.Map(t.Context(), e, fn, []int{0, 1, 2}, opts...)
			if took := time.Since(began).Round(time.Second); err != nil || values[1] != 1 || took != want {
				t.Errorf("%v: %v, %v", took, values, err)
			}
		})
	}
}

// Bad policies are refused where they are given.
func TestBadPolicies(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]lambdapool.FuncOption{
		"DefaultTimeout(-1ns)":       lambdapool.DefaultTimeout(-1),
		"DefaultAttemptTimeout(0s)":  lambdapool.DefaultAttemptTimeout(0),
		"DefaultRetry: MaxAttempts":  lambdapool.DefaultRetry(lambdapool.RetryPolicy{MaxAttempts: -1}),
		"DefaultRetry: BaseDelay 2s": lambdapool.DefaultRetry(lambdapool.RetryPolicy{BaseDelay: 2 * time.Second, MaxDelay: time.Second}),
	} {
		func() {
			defer func() {
				if said := fmt.Sprint(recover()); !strings.Contains(said, name) || !strings.Contains(said, "policy_test.go") {
					t.Errorf("%s: %s", name, said)
				}
			}()
			lambdapool.RegisterFuncIn(lambdapool.NewRegistry(), "f", add, opt)
		}()
	}
	e := pool(t)
	for _, opt := range []lambdapool.MapOption{lambdapool.CallTimeout(0), lambdapool.CallRetry(lambdapool.RetryPolicy{MaxAttempts: -1})} {
		_, err := lambdapool.Map(t.Context(), e, double, []int{1}, opt)
		wantErr(t, err, lambdapool.ErrBadArguments)
	}
	for _, opt := range []lambdapool.MapOption{lambdapool.CallTimeout(time.Second), lambdapool.CallRetry(lambdapool.RetryPolicy{})} {
		_, err := lambdapool.MapDetached(t.Context(), e, double, []int{1}, opt)
		wantErr(t, err, lambdapool.ErrBadArguments)
	}
}
