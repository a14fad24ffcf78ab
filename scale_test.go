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
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// lambda is a Lambda in virtual time: a scaling law, an account limit, 429s,
// and a second for each call.
type lambda struct {
	*inproc.Backend

	account int

	mu            sync.Mutex
	warm, running int
	tokens        float64 // environments that may start
	filled        time.Time
	seen, refused int
}

func (l *lambda) Limits() lambdapool.Limits {
	limits := l.Backend.Limits()
	limits.Workers = 10_000
	limits.Burst, limits.Ramp, limits.Rate = schedule.LambdaBurst, schedule.LambdaRamp, schedule.LambdaRate
	return limits
}

func (l *lambda) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	time.Sleep(15 * time.Millisecond)
	if reason := l.admit(); reason != "" {
		time.Sleep(15 * time.Millisecond)
		return nil, &lambdapool.InvokeError{
			Outcome: lambdapool.OutcomeNotRun, Kind: lambdapool.ErrThrottled, Err: errors.New("429"), Reason: reason,
		}
	}
	time.Sleep(time.Second)
	response, err := l.Backend.Invoke(ctx, req)
	l.mu.Lock()
	l.running--
	l.mu.Unlock()
	time.Sleep(15 * time.Millisecond)
	return response, err
}

func (l *lambda) admit() (reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen++
	now := time.Now()
	if l.filled.IsZero() {
		l.tokens, l.filled = schedule.LambdaBurst, now
	}
	l.tokens = min(l.tokens+schedule.LambdaRamp*now.Sub(l.filled).Seconds(), schedule.LambdaBurst)
	l.filled = now
	switch {
	case l.running >= l.account:
		l.refused++
		return "ConcurrentInvocationLimitExceeded"
	case l.running < l.warm:
	case l.tokens < 1:
		l.refused++
		return "ConcurrentInvocationLimitExceeded"
	default:
		l.tokens--
		l.warm++
	}
	l.running++
	return ""
}

// A hundred thousand calls of a second each, on ten thousand workers. The ideal
// is a clairvoyant client without a network: it starts a call whenever the law
// and the account let it.
func TestScalingLaw(t *testing.T) {
	for _, account := range []int{10_000, 3_000} {
		synctest.Test(t, func(t *testing.T) {
			const calls = 100_000
			b := &lambda{Backend: inproc.New(), account: account}
			e := executor(t, b)
			start := time.Now()
			futures := make([]*lambdapool.Future[int], calls)
			for i := range futures {
				futures[i] = lambdapool.Submit(t.Context(), e, double, i)
			}
			values, err := lambdapool.Collect(t.Context(), futures...)
			if err != nil || values[calls-1] != 2*(calls-1) {
				t.Fatal(err)
			}
			took, best := time.Since(start), ideal(calls, account)
			share := float64(b.refused) / float64(b.seen)
			t.Logf("account limit %d: took %v, ideal %v: %.3f×; %d of %d requests refused: %.2f %%",
				account, took, best, float64(took)/float64(best), b.refused, b.seen, 100*share)
			if float64(took) > 1.15*float64(best) {
				t.Errorf("took %v, ideal %v", took, best)
			}
			if share >= 0.05 {
				t.Errorf("%d of %d requests refused", b.refused, b.seen)
			}
		})
	}
}

// ideal returns how long calls of a second take under Lambda's law: after t
// seconds min(account, burst+ramp·t) of them run.
func ideal(calls, account int) time.Duration {
	const step = time.Millisecond
	left, t := float64(calls), time.Duration(0)
	for ; left > 0; t += step {
		running := min(float64(account), schedule.LambdaBurst+schedule.LambdaRamp*t.Seconds())
		left -= running * step.Seconds()
	}
	return t
}
