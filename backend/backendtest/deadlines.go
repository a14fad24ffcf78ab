package backendtest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
)

func testDeadlineTravels(t *testing.T, b lambdapool.Backend) {
	e := executor(t, b)
	free, err := lambdapool.Call(t.Context(), e, left, struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if limit := b.Limits().Timeout; limit > 0 && (free <= 0 || free >= limit) {
		t.Errorf("a function has %v under a timeout of %v; want less, so that it can answer", free, limit)
	}
	within := min(free, patience) / 2
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if got, err := lambdapool.Call(ctx, e, left, struct{}{}); err != nil || got <= 0 || got > within {
		t.Errorf("a call with %v left gives the function %v, %v", within, got, err)
	}
	e = executor(t, b, lambdapool.WithTimeout(within))
	if got, err := lambdapool.Call(t.Context(), e, left, struct{}{}); err != nil || got <= 0 || got > within {
		t.Errorf("a call under WithTimeout(%v) gives the function %v, %v", within, got, err)
	}
}

// testTimeouts ends calls by the caller's clock, whatever the function does.
func testTimeouts(t *testing.T, b lambdapool.Backend) {
	const brief = 50 * time.Millisecond
	const long = 500 * time.Millisecond
	for _, fn := range []*lambdapool.Func[time.Duration, bool]{wait, ignore} {
		ctx, cancel := context.WithTimeout(t.Context(), brief)
		_, err := lambdapool.Call(ctx, executor(t, b), fn, long)
		cancel()
		poolError(t, err, lambdapool.ErrTimeout, fn.Name())
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v does not wrap context.DeadlineExceeded", err)
		}
		_, err = lambdapool.Call(t.Context(), executor(t, b, lambdapool.WithTimeout(brief)), fn, long)
		poolError(t, err, lambdapool.ErrTimeout, fn.Name())
	}
	e := executor(t, b)
	ctx, cancel := context.WithTimeout(t.Context(), -1)
	defer cancel()
	_, err := lambdapool.Call(ctx, e, echoInt, 1)
	if pool := poolError(t, err, lambdapool.ErrTimeout); pool.Outcome != lambdapool.OutcomeNotRun {
		t.Errorf("outcome %v of a call whose time was up before, want not run", pool.Outcome)
	}
	works(t, e)
}

// testAgentTimeouts looks at the agent's own clock: it answers for its functions
// when their time is up, and what was finished until then is not lost.
func testAgentTimeouts(t *testing.T, b lambdapool.Backend) {
	const brief = 100 * time.Millisecond
	for _, tt := range []struct {
		fn, says string
		long     time.Duration
	}{
		{"backendtest.Wait", "deadline exceeded", patience},
		{"backendtest.IgnoreContext", "ignores its context", 2 * time.Second},
	} {
		req := items(t, tt.fn, time.Duration(0), tt.long, tt.long)
		req.Remaining, req.Parallel = brief, 2
		began := time.Now()
		reply := send(t, b, req)
		if took := time.Since(began); took >= tt.long {
			t.Errorf("%s: the reply took %v, as long as the function", tt.fn, took)
		}
		if len(reply.Items) != 3 {
			t.Fatalf("%s: reply %+v", tt.fn, reply)
		}
		if item := reply.Items[0]; item.Err != nil || !decode[bool](t, item.Value) {
			t.Errorf("%s: the item that was finished: %+v", tt.fn, item.Err)
		}
		for i, item := range reply.Items[1:] {
			if item.Err == nil || item.Err.Kind != codec.KindTimeout || !strings.Contains(item.Err.Message, tt.says) {
				t.Errorf("%s: item %d: %+v, want a timeout that says %q", tt.fn, i+1, item.Err, tt.says)
			}
		}
	}
	works(t, executor(t, b))
}

func testCancelQueued(t *testing.T, b lambdapool.Backend) {
	counted := &counter{Backend: b}
	e := executor(t, counted, lambdapool.WithWorkers(1))
	first := lambdapool.Submit(short(t), e, wait, 300*time.Millisecond)
	queued := lambdapool.Submit(short(t), e, wait, time.Duration(0))
	ctx, cancel := context.WithCancel(short(t))
	byContext := lambdapool.Submit(ctx, e, wait, time.Duration(0))
	if !queued.Cancel() {
		t.Error("Cancel of a queued call returns false")
	}
	cancel()
	for _, f := range []*lambdapool.Future[bool]{queued, byContext} {
		_, err := f.Result(short(t))
		if pool := poolError(t, err, lambdapool.ErrCanceled); pool.Outcome != lambdapool.OutcomeNotRun {
			t.Errorf("outcome %v of a call that was never sent, want not run", pool.Outcome)
		}
	}
	if got, err := first.Result(short(t)); err != nil || !got {
		t.Errorf("the call before it: %v, %v", got, err)
	}
	if first.Cancel() {
		t.Error("Cancel of a call that has ended returns true")
	}
	works(t, e)
	if n := counted.invocations(); n != 2 {
		t.Errorf("%d invocations, want 2: the first call and the last", n)
	}
}

func testCancelRunning(t *testing.T, b lambdapool.Backend) {
	e := executor(t, b)
	const long = time.Second
	f := lambdapool.Submit(short(t), e, ignore, long)
	for f.Stats().Attempts == 0 { // until it is sent
		select {
		case <-f.Done():
			t.Fatal(f.Err())
		case <-time.After(time.Millisecond):
		}
	}
	began := time.Now()
	if !f.Cancel() {
		t.Error("Cancel of a running call returns false")
	}
	_, err := f.Result(short(t))
	poolError(t, err, lambdapool.ErrCanceled, "backendtest.IgnoreContext")
	if took := time.Since(began); took >= long {
		t.Errorf("a canceled call took %v to end, as long as its function", took)
	}
	works(t, e)
}

// testCancelInvoke checks the backend's own part in this: Invoke returns when its
// context ends, and claims nothing about what became of the function.
func testCancelInvoke(t *testing.T, b lambdapool.Backend) {
	const long = time.Second
	payload, err := codec.EncodeRequest(items(t, "backendtest.IgnoreContext", long))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), long/10)
	defer cancel()
	began := time.Now()
	_, err = b.Invoke(ctx, &lambdapool.Request{Payload: payload, Registry: lambdapool.DefaultRegistry})
	if took := time.Since(began); took >= long {
		t.Errorf("Invoke took %v after its context had ended, as long as the function", took)
	}
	var failed *lambdapool.InvokeError
	if !errors.As(err, &failed) || !errors.Is(err, context.DeadlineExceeded) || failed.Outcome == lambdapool.OutcomeNotRun {
		t.Errorf("error %v, want an *InvokeError that wraps the context's and does not say that nothing ran", err)
	}
	works(t, executor(t, b))
}

// testContextValues checks that a function cannot see its caller's context:
// what works here would fail on Lambda.
func testContextValues(t *testing.T, b lambdapool.Backend) {
	ctx := context.WithValue(short(t), secretKey{}, "secret")
	if got, err := lambdapool.Call(ctx, executor(t, b), peek, struct{}{}); err != nil || got {
		t.Errorf("the function sees a value of its caller's context: %t, %v", got, err)
	}
}
