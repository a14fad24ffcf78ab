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
)

// tenants is a platform in virtual time whose free concurrency changes, and which says what
// it likes when it refuses.
type tenants struct {
	*inproc.Backend

	free       func(since time.Duration) int
	reason     string
	retryAfter time.Duration
	run        time.Duration

	mu      sync.Mutex
	begun   time.Time
	running int
	work    map[int]time.Duration // by second: how long invocations ran that ended in it
}

func newTenants(free func(time.Duration) int, reason string, run time.Duration) *tenants {
	return &tenants{Backend: inproc.New(), free: free, reason: reason, run: run, work: map[int]time.Duration{}}
}

func (b *tenants) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	const way = 15 * time.Millisecond
	time.Sleep(way)
	if !b.enter() {
		time.Sleep(way)
		return nil, &lambdapool.InvokeError{
			Outcome: lambdapool.OutcomeNotRun, Kind: lambdapool.ErrThrottled, Err: errors.New("429"),
			Reason: b.reason, RetryAfter: b.retryAfter,
		}
	}
	time.Sleep(b.run)
	response, err := b.Backend.Invoke(ctx, req)
	b.mu.Lock()
	b.running--
	b.work[int(time.Since(b.begun)/time.Second)] += b.run
	b.mu.Unlock()
	time.Sleep(way)
	return response, err
}

func (b *tenants) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.begun.IsZero() {
		b.begun = time.Now()
	}
	if b.running >= b.free(time.Since(b.begun)) {
		return false
	}
	b.running++
	return true
}

// A limit of concurrency that calls itself a rate limit is found, and left, like any other.
func TestLimitThatCallsItselfARateLimit(t *testing.T) {
	const level, dip, over, end = 400, 10, 15, 25 // seconds
	for _, reason := range []string{
		"CallerRateLimitExceeded", "FunctionInvocationRateLimitExceeded", "ReservedFunctionInvocationRateLimitExceeded",
		"ConcurrentInvocationLimitExceeded", "",
	} {
		for _, run := range []time.Duration{300 * time.Millisecond, time.Second} {
			synctest.Test(t, func(t *testing.T) {
				b := newTenants(func(since time.Duration) int {
					if since >= dip*time.Second && since < over*time.Second {
						return level / 4
					}
					return level
				}, reason, run)
				e := executor(t, b, lambdapool.WithWorkers(1000))
				ctx, cancel := context.WithTimeout(t.Context(), end*time.Second)
				defer cancel()
				for range lambdapool.StreamUnordered(ctx, e, double, forever, lambdapool.ChunkSize(1)) {
				}
				b.mu.Lock() // what was abandoned is still on its way
				defer b.mu.Unlock()
				for _, from := range []int{dip - 4, over + 4, end - 4} {
					work := b.work[from] + b.work[from+1] + b.work[from+2] + b.work[from+3]
					if use := work.Seconds() / 4 / level; use < 0.8 {
						t.Errorf("%q, calls of %v: %.0f %% in use in the four seconds from second %d, want 80 %%", reason, run, 100*use, from)
					} else {
						t.Logf("%q, calls of %v: %.0f %% in use in the four seconds from second %d", reason, run, 100*use, from)
					}
				}
			})
		}
	}
}

// forever counts.
func forever(yield func(int) bool) {
	for i := 0; yield(i); i++ {
	}
}

// A platform that asks to be left alone for an hour and is free after three seconds keeps
// neither a pool nor a call for an hour.
func TestRetryAfterOfAnHour(t *testing.T) {
	for name, opts := range map[string][]lambdapool.Option{
		"no timeout":             nil,
		"a timeout of a minute":  {lambdapool.WithTimeout(time.Minute)},
		"a timeout of 8 seconds": {lambdapool.WithTimeout(8 * time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newTenants(func(since time.Duration) int {
					if since < 3*time.Second {
						return 0
					}
					return 100
				}, "ConcurrentInvocationLimitExceeded", 10*time.Millisecond)
				b.retryAfter = time.Hour
				e := executor(t, b, append(opts, lambdapool.WithWorkers(50))...)
				start := time.Now()
				if _, err := lambdapool.Map(t.Context(), e, double, upTo(500)); err != nil {
					t.Error(err)
				}
				if took := time.Since(start); took > 15*time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

// Whatever number a backend hands on as Retry-After, calls end.
func TestHostileRetryAfter(t *testing.T) {
	for _, wish := range []time.Duration{-1 << 63, -time.Hour, 1<<63 - 1, 290 * 365 * 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			b := &scripted{Backend: inproc.New(), script: []step{throttle("", wish), throttle("", wish)}}
			start := time.Now()
			if got, err := lambdapool.Call(t.Context(), executor(t, b), double, 1); err != nil || got != 2 {
				t.Errorf("Retry-After %v: %v, %v", wish, got, err)
			}
			if took := time.Since(start); took > 25*time.Second {
				t.Errorf("Retry-After %v: took %v", wish, took)
			}
		})
	}
}
