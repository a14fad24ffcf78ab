package lambdapool_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/price"
)

// A meter is a backend that bills each invocation by a tariff, and tells of it or not.
type meter struct {
	*inproc.Backend

	timeout time.Duration                                        // of the function, 0: inproc's
	bill    func(n int, items []int) time.Duration               // of the nth invocation, from 0
	fate    func(n int) (told bool, err *lambdapool.InvokeError) // told: the bill comes with the error

	mu      sync.Mutex
	ran     int
	seconds float64 // billed; the function has 1 GB
	itemsOf func([]byte) []int
}

func (m *meter) Limits() lambdapool.Limits {
	limits := m.Backend.Limits()
	if m.timeout > 0 {
		limits.Timeout = m.timeout
	}
	return limits
}

func (m *meter) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	m.mu.Lock()
	n := m.ran
	m.ran++
	m.mu.Unlock()
	var told bool
	var fault *lambdapool.InvokeError
	if m.fate != nil {
		told, fault = m.fate(n)
	}
	if fault != nil && fault.Outcome == lambdapool.OutcomeNotRun {
		return nil, fault
	}
	bill := m.bill(n, m.itemsOf(req.Payload))
	m.mu.Lock()
	m.seconds += bill.Seconds()
	m.mu.Unlock()
	select {
	case <-time.After(bill):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r, err := m.Backend.Invoke(ctx, req)
	if r != nil {
		r.Billed, r.MemoryLimit = bill, 1<<30
	}
	if fault != nil {
		own := *fault
		if told {
			own.Response = r
		}
		return nil, &own
	}
	return r, err
}

// A budget is a promise: whatever becomes of invocations, no more is billed.
func TestBudgetIsAPromise(t *testing.T) {
	const budget, workers, items = 100, 4, 1000
	second := func(int, []int) time.Duration { return time.Second }
	crash := &lambdapool.InvokeError{Outcome: lambdapool.OutcomeRan, Kind: lambdapool.ErrAgentCrashed, Err: errors.New("crash")}
	lost := &lambdapool.InvokeError{Outcome: lambdapool.OutcomeUnknown, Kind: lambdapool.ErrUnknownOutcome, Err: errors.New("reset")}
	timeout := &lambdapool.InvokeError{Outcome: lambdapool.OutcomeRan, Kind: lambdapool.ErrTimeout, Err: errors.New("timed out")}
	busy := &lambdapool.InvokeError{Outcome: lambdapool.OutcomeNotRun, Kind: lambdapool.ErrThrottled, Err: errors.New("429")}
	always := func(told bool, err *lambdapool.InvokeError) func(int) (bool, *lambdapool.InvokeError) {
		return func(int) (bool, *lambdapool.InvokeError) { return told, err }
	}
	every := func(k int, told bool, err *lambdapool.InvokeError) func(int) (bool, *lambdapool.InvokeError) {
		return func(n int) (bool, *lambdapool.InvokeError) {
			if n%k == k-1 {
				return told, err
			}
			return false, nil
		}
	}
	often := lambdapool.WithRetry(lambdapool.RetryPolicy{
		MaxAttempts: 10, BaseDelay: time.Millisecond, MaxDelay: time.Second,
		RetryFunctionError: func(*lambdapool.FunctionError) bool { return true },
	})
	for _, tc := range []struct {
		name  string
		m     *meter
		fn    *lambdapool.Func[int, int]
		chunk int
		opts  []lambdapool.Option
		least float64 // billed
	}{
		{"plain", &meter{}, double, 1, nil, 99},
		{"plain, a timeout of ten seconds", &meter{timeout: 10 * time.Second}, double, 1, nil, 99},
		{"an error of the function, tried again", &meter{}, refuses, 1, []lambdapool.Option{often}, 99},
		{"all crash, idempotent", &meter{fate: always(true, crash)}, again, 1, []lambdapool.Option{often}, 99},
		{"halves of chunks that crash", &meter{fate: always(true, crash)}, again, 64, nil, 99},
		{"every third crashes, chosen chunks", &meter{
			fate: every(3, true, crash),
			bill: func(_ int, items []int) time.Duration { return time.Duration(len(items)) * time.Second / 4 },
		}, again, 0, nil, 50},
		{"crashes that nobody bills, as far as is known", &meter{fate: always(false, crash), timeout: 3 * time.Second}, again, 1, []lambdapool.Option{often}, 1},
		{"all replies lost", &meter{fate: always(false, lost)}, double, 1, nil, 1},
		{"all replies lost, idempotent", &meter{fate: always(false, lost)}, again, 1, []lambdapool.Option{often}, 1},
		{"all replies lost, a timeout of a second", &meter{fate: always(false, lost), timeout: time.Second}, double, 1, nil, 1},
		{"every tenth reply lost, a timeout of three seconds", &meter{fate: every(10, false, lost), timeout: 3 * time.Second}, again, 1, nil, 80},
		{"timeouts, billed", &meter{fate: always(true, timeout)}, again, 1, []lambdapool.Option{often}, 99},
		{"every tenth is refused", &meter{fate: every(10, false, busy)}, double, 1, nil, 99},
		{"stragglers and duplicates", &meter{
			timeout: 20 * time.Second,
			bill: func(n int, _ []int) time.Duration {
				if n%20 == 19 {
					return 4 * time.Second
				}
				return time.Second
			},
		}, again, 1, []lambdapool.Option{lambdapool.WithHedging(lambdapool.Hedging{Budget: 1, MinSamples: 5, Quantile: 0.5})}, 60},
		{"chunks that cost by the item", &meter{
			bill: func(_ int, items []int) time.Duration { return time.Duration(len(items)) * time.Second / 4 },
		}, double, 0, nil, 60}, // how large they are depends on which invocation ends first
		{"a first item that is cheap, then chunks of forty", &meter{
			bill: func(_ int, items []int) time.Duration { return time.Duration(len(items)) * time.Second / 4 },
		}, double, 40, nil, 80},
		{"one invocation is all there is", &meter{bill: func(int, []int) time.Duration { return 90 * time.Second }}, double, 1, nil, 90},
	} {
		for unit, b := range map[string]lambdapool.Budget{
			"GB-seconds": {GBSeconds: budget + 0.5},
			"dollars":    {Dollars: price.Cost(budget+0.5, 2*items, price.X86)},
		} {
			t.Run(tc.name+", "+unit, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := &meter{Backend: inproc.New(), timeout: tc.m.timeout, bill: tc.m.bill, fate: tc.m.fate}
					m.itemsOf = func(payload []byte) []int { return intsIn(t, payload) }
					if m.bill == nil {
						m.bill = second
					}
					e := executor(t, m, append(tc.opts, lambdapool.WithWorkers(workers))...)
					start := time.Now()
					_, err := lambdapool.Map(t.Context(), e, tc.fn, upTo(items), lambdapool.ChunkSize(tc.chunk),
						lambdapool.WithBudget(b), lambdapool.ContinueOnError())
					took := time.Since(start)
					wantErr(t, err, lambdapool.ErrBudget)
					bound := budget + 0.5
					if unit == "dollars" {
						bound = b.Dollars / price.PerGBSecond(price.X86)
					}
					if m.seconds > bound || m.seconds < tc.least {
						t.Errorf("%.2f GB-seconds billed of %.2f, want %.0f at least", m.seconds, bound, tc.least)
					}
					if limit := 120 * time.Second; took > limit {
						t.Errorf("took %v, want at most %v", took, limit)
					}
					if s := e.Stats(); s.Queued != 0 || s.Running != 0 {
						t.Errorf("stats %+v", s)
					}
				})
			})
		}
	}
}

// refuses always fails.
var refuses = lambdapool.Register("test.refuses", func(context.Context, int) (int, error) { return 0, errNegative })

// A run whose budget is spent in parallel takes about as long as it would without.
func TestBudgetLeavesTheWorkersBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &meter{
			Backend: inproc.New(), bill: func(int, []int) time.Duration { return time.Second },
			itemsOf: func([]byte) []int { return nil },
		}
		e := executor(t, m, lambdapool.WithWorkers(20))
		start := time.Now()
		_, err := lambdapool.Map(t.Context(), e, double, upTo(1000), lambdapool.ChunkSize(1),
			lambdapool.WithBudget(lambdapool.Budget{GBSeconds: 400}), lambdapool.ContinueOnError())
		wantErr(t, err, lambdapool.ErrBudget)
		if took := time.Since(start); m.ran != 400 || took > 30*time.Second {
			t.Errorf("%d invocations in %v, want 400 in little more than 20 s", m.ran, took)
		}
	})
}

// What a run is told when it cannot go on names the numbers and the way out, and which items
// may have run.
func TestBudgetError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := &lambdapool.InvokeError{Outcome: lambdapool.OutcomeUnknown, Kind: lambdapool.ErrUnknownOutcome, Err: errors.New("reset")}
		m := &meter{
			Backend: inproc.New(), timeout: 6 * time.Second, bill: func(int, []int) time.Duration { return time.Second },
			fate:    func(int) (bool, *lambdapool.InvokeError) { return false, lost },
			itemsOf: func([]byte) []int { return nil },
		}
		e := executor(t, m, lambdapool.WithWorkers(1))
		_, err := lambdapool.Map(t.Context(), e, again, upTo(2), lambdapool.ChunkSize(1),
			lambdapool.WithBudget(lambdapool.Budget{GBSeconds: 100}), lambdapool.ContinueOnError())
		var outcomes []lambdapool.Outcome
		for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
			var pool *lambdapool.PoolError
			if !errors.As(err, &pool) {
				t.Fatal(err)
			}
			wantErr(t, err, lambdapool.ErrBudget)
			outcomes = append(outcomes, pool.Outcome)
			t.Log(err)
		}
		if len(outcomes) != 2 || outcomes[0] != lambdapool.OutcomeUnknown || outcomes[1] != lambdapool.OutcomeNotRun {
			t.Errorf("outcomes %v", outcomes)
		}
	})
}
