package lambdapool_test

import (
	"context"
	"errors"
	"flag"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/internal/schedule"
	"github.com/lambdapool/lambdapool/internal/shards"
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

// A shardedLambda is a Lambda with several functions of one archive in virtual time. Which of them a request goes to is
// decided as in backend/awslambda, by package shards.
type shardedLambda struct {
	*inproc.Backend

	account   int
	law       schedule.Law // of each function
	router    *shards.Router
	functions []*simulated
	missing   map[int]bool // shards that are not there

	mu            sync.Mutex
	running       int // in the account, other users included
	seen, refused int
}

// A simulated is one function of it.
type simulated struct {
	warm, running int
	tokens        float64
	filled        time.Time
	most          int // executions reserved for it; 0: none
}

func newSharded(n, account int, law schedule.Law) *shardedLambda {
	l := &shardedLambda{
		Backend: inproc.New(), account: account, law: law, router: shards.NewRouter(n, n*law.Burst, law), missing: map[int]bool{},
	}
	for range n {
		l.functions = append(l.functions, &simulated{tokens: float64(law.Burst), filled: time.Now()})
	}
	return l
}

func (l *shardedLambda) Limits() lambdapool.Limits {
	limits := l.Backend.Limits()
	n := len(l.functions)
	limits.Workers = n * l.law.Burst
	limits.Burst, limits.Ramp, limits.Rate = n*l.law.Burst, float64(n)*l.law.Ramp, l.law.Rate
	return limits
}

func (l *shardedLambda) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	started := time.Now()
	i := l.router.Take(started)
	time.Sleep(15 * time.Millisecond)
	if kind := l.admit(i); kind != nil {
		time.Sleep(15 * time.Millisecond)
		e := &lambdapool.InvokeError{Outcome: lambdapool.OutcomeNotRun, Kind: kind, Err: kind, Permanent: kind != lambdapool.ErrThrottled}
		l.router.Ended(i, started, time.Now(), e)
		return nil, e
	}
	time.Sleep(time.Second)
	response, err := l.Backend.Invoke(ctx, req)
	l.mu.Lock()
	l.running--
	l.functions[i].running--
	l.mu.Unlock()
	time.Sleep(15 * time.Millisecond)
	l.router.Ended(i, started, time.Now(), nil)
	return response, err
}

// admit returns nil if function i takes one more request now.
func (l *shardedLambda) admit(i int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen++
	f := l.functions[i]
	now := time.Now()
	f.tokens = min(f.tokens+l.law.Ramp*now.Sub(f.filled).Seconds(), float64(l.law.Burst))
	f.filled = now
	switch {
	case l.missing[i]:
		return lambdapool.ErrFunctionNotFound
	case l.running >= l.account, f.most > 0 && f.running >= f.most, f.running == f.warm && f.tokens < 1:
		l.refused++
		return lambdapool.ErrThrottled
	case f.running == f.warm:
		f.tokens--
		f.warm++
	}
	f.running++
	l.running++
	return nil
}

// others has other users of the account take so many executions from that time on, or give them back.
func (l *shardedLambda) others(after time.Duration, n int) {
	time.AfterFunc(after, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.running += n
	})
}

var fullShards = flag.Bool("shards.full", false, "TestShards: all scenes in full size, not the first one only")

// A hundred thousand calls of a second each, on ten thousand workers and ten shards. The ideal is an account without a
// law for each function: all that it allows runs from the first moment on. The scenes after the first have a tenth
// of everything, which takes a tenth of the time.
func TestShards(t *testing.T) {
	const n = 10
	for i, tt := range []struct {
		name    string
		account int
		before  func(l *shardedLambda, size int) // the account has size times what follows
		ideal   time.Duration
		most    float64 // times the ideal
	}{
		{"cold", 1_000, nil, 10 * time.Second, 1.15},
		{"warm", 1_000, func(l *shardedLambda, _ int) {
			for _, f := range l.functions {
				f.warm, f.tokens = l.law.Burst, 0
			}
		}, 10 * time.Second, 1.15},
		{"account limit below the burst", 300, nil, 33400 * time.Millisecond, 1.15},
		{"one is missing", 1_000, func(l *shardedLambda, _ int) { l.missing[4] = true }, 10050 * time.Millisecond, 1.15},
		{"one is held at a tenth", 1_000, func(l *shardedLambda, size int) { l.functions[4].most = 10 * size }, 10050 * time.Millisecond, 1.15},
		// Half of the account is others', from the third second to the eighth.
		{"other users of the account", 1_000, func(l *shardedLambda, size int) {
			l.others(3*time.Second, 500*size)
			l.others(8*time.Second, -500*size)
		}, 12500 * time.Millisecond, 1.3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			size := 1
			if i == 0 || *fullShards {
				size = 10
			}
			synctest.Test(t, func(t *testing.T) {
				law := schedule.Law{Burst: 100 * size, Ramp: 10 * float64(size), Rate: schedule.LambdaRate}
				b := newSharded(n, tt.account*size, law)
				if tt.before != nil {
					tt.before(b, size)
				}
				e := executor(t, b)
				start := time.Now()
				futures := make([]*lambdapool.Future[int], 10_000*size)
				for i := range futures {
					futures[i] = lambdapool.Submit(t.Context(), e, double, i)
				}
				values, err := lambdapool.Collect(t.Context(), futures...)
				if last := len(futures) - 1; err != nil || values[last] != 2*last {
					t.Fatal(err)
				}
				took := time.Since(start)
				share := float64(b.refused) / float64(b.seen)
				t.Logf("%d calls took %v, ideal %v: %.3f×; %d of %d requests refused: %.2f %%",
					len(futures), took, tt.ideal, float64(took)/float64(tt.ideal), b.refused, b.seen, 100*share)
				if float64(took) > tt.most*float64(tt.ideal) {
					t.Errorf("took %v, ideal %v", took, tt.ideal)
				}
				if share >= 0.1 {
					t.Errorf("%d of %d requests refused", b.refused, b.seen)
				}
				time.Sleep(time.Minute) // until the others have given back what they took
			})
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
