package lambdapool_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// A partial backend has a part that turns requests away, and says that another has room.
type partial struct {
	*inproc.Backend

	refuse func(n int64) error // what the n-th request meets; nil: it runs
	seen   atomic.Int64
}

func (p *partial) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	time.Sleep(10 * time.Millisecond)
	if err := p.refuse(p.seen.Add(1)); err != nil {
		return nil, err
	}
	return p.Backend.Invoke(ctx, req)
}

func notHere(kind error) *lambdapool.InvokeError {
	return &lambdapool.InvokeError{Outcome: lambdapool.OutcomeNotRun, Kind: kind, Err: errors.New("not here"), Elsewhere: true, RetryAfter: time.Second}
}

// What is sent elsewhere is sent at once, whatever the part wished, and costs the pool none of its pace.
func TestElsewhereIsSentAtOnce(t *testing.T) {
	for _, kind := range []error{lambdapool.ErrThrottled, lambdapool.ErrFunctionNotFound} {
		synctest.Test(t, func(t *testing.T) {
			b := &partial{Backend: inproc.New(), refuse: func(n int64) error {
				if n%2 == 1 {
					return notHere(kind)
				}
				return nil
			}}
			e := executor(t, b, lambdapool.WithWorkers(10))
			start := time.Now()
			futures := make([]*lambdapool.Future[int], 200)
			for i := range futures {
				futures[i] = lambdapool.Submit(t.Context(), e, double, i)
			}
			if _, err := lambdapool.Collect(t.Context(), futures...); err != nil {
				t.Fatal(err)
			}
			// 400 requests of 10 ms, ten at a time, and a few that wait for each other.
			if took := time.Since(start); took > 500*time.Millisecond {
				t.Errorf("%v: took %v", kind, took)
			}
			s := e.Stats()
			if throttled := s.Throttles > 0; throttled != (kind == lambdapool.ErrThrottled) {
				t.Errorf("%v: %d throttles", kind, s.Throttles)
			}
		})
	}
}

// Chunks go elsewhere whole, and none of their items is lost or runs twice.
func TestChunksGoElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &partial{Backend: inproc.New(), refuse: func(n int64) error {
			if n%3 != 0 {
				return notHere(lambdapool.ErrThrottled)
			}
			return nil
		}}
		e := executor(t, b, lambdapool.WithWorkers(4))
		in := make([]int, 1000)
		for i := range in {
			in[i] = i
		}
		out, err := lambdapool.Map(t.Context(), e, double, in, lambdapool.ChunkSize(10))
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range out {
			if n != 2*i {
				t.Errorf("item %d is %d", i, n)
			}
		}
	})
}

// A backend that names another part of itself again and again is not asked at the speed of the network, and the call ends
// by its own time.
func TestElsewhereForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &partial{Backend: inproc.New(), refuse: func(int64) error { return notHere(lambdapool.ErrThrottled) }}
		e := executor(t, b, lambdapool.WithWorkers(1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := lambdapool.Call(ctx, e, double, 1)
		if !errors.Is(err, lambdapool.ErrTimeout) && !errors.Is(err, lambdapool.ErrThrottled) {
			t.Error(err)
		}
		if n := b.seen.Load(); n > 300 {
			t.Errorf("%d requests in a minute", n)
		}
	})
}

// One that is permanent ends the call, whatever else it says.
func TestPermanentIsNotSentElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := notHere(lambdapool.ErrFunctionNotFound)
		e.Permanent = true
		b := &partial{Backend: inproc.New(), refuse: func(int64) error { return e }}
		if _, err := lambdapool.Call(t.Context(), executor(t, b), double, 1); !errors.Is(err, lambdapool.ErrFunctionNotFound) || b.seen.Load() != 1 {
			t.Errorf("%v after %d requests", err, b.seen.Load())
		}
	})
}
