package inproc_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// A task is what a function of the storm does.
type task struct {
	N     int
	Does  int
	After time.Duration
}

// What it does after that time.
const (
	answers = iota
	ignores // its context, and answers
	heeds   // its context
	exits
	panics
	fails
	behaviours
)

var errFails = errors.New("failed")

func perform(ctx context.Context, t task) (int, error) {
	switch t.Does {
	case answers:
		return t.N, nil
	case heeds:
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(t.After):
		}
		return t.N, nil
	}
	time.Sleep(t.After)
	switch t.Does {
	case exits:
		runtime.Goexit()
	case panics:
		panic(t.N)
	case fails:
		return 0, errFails
	}
	return t.N, nil
}

// Functions end in all ways, at the moments at which their calls are canceled, overdue or tried again: each call ends
// once and as it should, every worker is there in the end, and nothing runs on.
func TestStormOfReliefs(t *testing.T) {
	r := lambdapool.NewRegistry()
	fn := lambdapool.RegisterIn(r, "perform", perform, lambdapool.Idempotent())
	for name, opts := range map[string][]lambdapool.Option{
		"plain":   nil,
		"timeout": {lambdapool.WithTimeout(5 * time.Millisecond)},
		"attempt": {lambdapool.WithAttemptTimeout(3 * time.Millisecond)},
		"both":    {lambdapool.WithTimeout(5 * time.Millisecond), lambdapool.WithAttemptTimeout(2 * time.Millisecond)},
		"hedging": {lambdapool.WithHedging(lambdapool.Hedging{})},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const seed, callers, calls = 1, 16, 200
				t.Logf("seed %d", seed)
				b := inproc.New()
				pool, err := lambdapool.New(b, append(opts, lambdapool.WithRegistry(r), lambdapool.WithWorkers(8))...)
				if err != nil {
					t.Fatal(err)
				}
				var done sync.WaitGroup
				for caller := range callers {
					random := rand.New(rand.NewPCG(seed, uint64(caller)))
					done.Go(func() {
						for n := range calls {
							one(t, pool, fn, task{caller*calls + n, random.IntN(behaviours), millis(random)}, random)
						}
					})
				}
				done.Wait()
				time.Sleep(time.Minute) // whatever was left behind returns
				synctest.Wait()
				s := pool.Stats()
				if s.Submitted != callers*calls || s.Succeeded+s.FunctionErrors+s.PoolErrors != s.Submitted || s.Queued+s.Running+s.InFlight != 0 {
					t.Errorf("%+v", s)
				}
				begun := time.Now()
				if err := errors.Join(pool.Close(), b.Close()); err != nil || time.Since(begun) > 0 {
					t.Errorf("Close: %v, after %v", err, time.Since(begun))
				}
			})
		})
	}
}

// millis are few, so that much happens at the same moment.
func millis(random *rand.Rand) time.Duration { return time.Duration(random.IntN(8)) * time.Millisecond }

// one makes a call, which somebody may cancel, and compares what comes of it with what the function does.
func one(t *testing.T, pool *lambdapool.Executor, fn *lambdapool.Func[task, int], task task, random *rand.Rand) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f := lambdapool.Submit(ctx, pool, fn, task)
	switch at := millis(random); random.IntN(6) {
	case 0:
		time.AfterFunc(at, cancel)
	case 1:
		time.AfterFunc(at, func() { f.Cancel() })
	}
	value, err := f.Result(context.Background())
	var failed *lambdapool.FunctionError
	var pe *lambdapool.PoolError
	switch ends := task.Does >= exits; {
	case err == nil && (ends || value != task.N):
		t.Errorf("%+v returned %d", task, value)
	case errors.As(err, &failed) && !ends && task.Does != heeds:
		t.Errorf("%+v failed: %v", task, err)
	case err != nil && failed == nil && !errors.As(err, &pe):
		t.Errorf("%+v: neither kind of error: %v", task, err)
	case pe != nil && !errors.Is(err, lambdapool.ErrCanceled) && !errors.Is(err, lambdapool.ErrTimeout):
		t.Errorf("%+v: %v", task, err)
	}
}
