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

// testDeadlineTravels demands that a function sees the time that is left to its call, by its
// context's deadline. It must see the shortest of the context given to the call, WithTimeout, and
// the platform's timeout less what the agent needs to answer.
//
// A function that sees no deadline, or the platform's own, works on until it is killed. Then the
// caller gets a timeout without a value, the time is billed in vain, and what the function could
// have returned early is lost. The same happens to all items that share the invocation.
func testDeadlineTravels(t *testing.T, b lambdapool.Backend) {
	e := executor(t, b)
	free, err := lambdapool.Call(t.Context(), e, left, struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if limit := b.Limits().Timeout; limit > 0 && (free <= 0 || free >= limit) {
		t.Errorf("a function has %v under a timeout of %v; want less, so that it can answer", free, limit)
	}
	// Half of what a call has by itself, so that this bound is the shortest and must be the one
	// that the function sees.
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

// testTimeouts demands that a call ends by the caller's clock, with ErrTimeout and
// context.DeadlineExceeded, whether the function heeds its context or not. A backend whose Invoke
// waits for the function would keep its worker, so that a few stuck functions stop a whole pool.
//
// A call whose time was up before it began must say that nothing ran: whoever reads that may repeat
// it without a thought.
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
	// A deadline in the past: the call must not be sent, and must say that it was not.
	ctx, cancel := context.WithTimeout(t.Context(), -1)
	defer cancel()
	_, err := lambdapool.Call(ctx, e, echoInt, 1)
	if pool := poolError(t, err, lambdapool.ErrTimeout); pool.Outcome != lambdapool.OutcomeNotRun {
		t.Errorf("outcome %v of a call whose time was up before, want not run", pool.Outcome)
	}
	works(t, e)
}

// testAgentTimeouts looks at the agent's own clock, which a request sets by Remaining. The agent
// must answer when the time is up, even if functions ignore their context; the values that are
// there must be in that answer, and each item that is not must say why.
//
// A backend that keeps the answer back, or has the agent killed first, loses items that were
// computed and paid for. The one that was slow would take its neighbors with it.
func testAgentTimeouts(t *testing.T, b lambdapool.Backend) {
	for _, tt := range []struct {
		fn, says    string
		brief, long time.Duration
	}{
		// A quarter of the time is the margin in which a function can return. A slow machine
		// needs some for that.
		{"backendtest.Wait", "deadline exceeded", 2 * time.Second, patience},
		{"backendtest.IgnoreContext", "ignores its context", time.Second, 5 * time.Second},
	} {
		req := items(t, tt.fn, time.Duration(0), tt.long, tt.long)
		req.Remaining, req.Parallel = tt.brief, 3
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

// testCancelQueued demands that a call which is canceled while it waits for a worker is never sent,
// and says so by OutcomeNotRun. That is the executor's part. It is checked over a backend because
// users cancel to save what the platform would bill.
func testCancelQueued(t *testing.T, b lambdapool.Backend) {
	counted := &counter{Backend: b}
	e := executor(t, counted, lambdapool.WithWorkers(1))
	// It holds the only worker, so the next two wait.
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

// testCancelRunning demands that Cancel ends a call at once for its caller although the function
// runs on, and that the backend serves the next call. On most platforms nobody can stop a function
// from outside. So Invoke must let go of it, and neither wait nor reuse its connection for the next
// request.
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

// testCancelInvoke checks the backend's own part in this: Invoke returns when its context ends,
// with an error that wraps the context's. The outcome must not be OutcomeNotRun, since the request
// was written and the function may have run. A backend that claims otherwise has functions run
// twice which must not, such as one that books an order.
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

// testContextValues demands that a function cannot see the values of its caller's context, also
// where both are in one process. A function that depends on them, say for a logger or a
// transaction, works in such a backend and fails on Lambda, which is the worst moment to learn it.
func testContextValues(t *testing.T, b lambdapool.Backend) {
	ctx := context.WithValue(short(t), secretKey{}, "secret")
	if got, err := lambdapool.Call(ctx, executor(t, b), peek, struct{}{}); err != nil || got {
		t.Errorf("the function sees a value of its caller's context: %t, %v", got, err)
	}
}
