package backendtest

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

// testConcurrent has 500 calls in flight at once. Each must get its own value: a backend that mixes
// up two answers, for instance by sharing a buffer, gives users wrong results without an error.
func testConcurrent(t *testing.T, b lambdapool.Backend) {
	const calls = 500
	e := executor(t, b)
	futures := make([]*lambdapool.Future[string], calls)
	for i := range futures {
		futures[i] = lambdapool.Submit(short(t), e, echoString, fmt.Sprint("value ", i))
	}
	values, err := lambdapool.Collect(short(t), futures...)
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range values {
		if want := fmt.Sprint("value ", i); got != want {
			t.Errorf("call %d returned %q", i, got)
		}
	}
}

// busy submits more calls than run at once and returns when some have run: then others are in
// flight, and others still wait.
func busy(t *testing.T, e *lambdapool.Executor) []*lambdapool.Future[bool] {
	t.Helper()
	futures := make([]*lambdapool.Future[bool], 100)
	for i := range futures {
		futures[i] = lambdapool.Submit(t.Context(), e, wait, 50*time.Millisecond)
	}
	if _, err := futures[0].Result(short(t)); err != nil {
		t.Fatal(err)
	}
	return futures
}

// ended checks that every future has ended by now, and that those that failed did so in one of
// kinds. It returns how many those are.
func ended(t *testing.T, futures []*lambdapool.Future[bool], kinds ...error) int {
	t.Helper()
	failed := 0
	for i, f := range futures {
		got, err := f.Result(short(t))
		if err == nil {
			if !got {
				t.Errorf("call %d returned the wrong value", i)
			}
			continue
		}
		failed++
		known := false
		for _, kind := range kinds {
			known = known || errors.Is(err, kind)
		}
		if !known {
			t.Errorf("call %d: %v, want one of %v", i, err, kinds)
		}
	}
	return failed
}

// closeBackend closes b if it can be closed, twice. Two owners may both say `defer b.Close()`, so
// the second time must do nothing and return nil.
func closeBackend(t *testing.T, b lambdapool.Backend) bool {
	t.Helper()
	c, ok := b.(io.Closer)
	if !ok {
		return false
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Errorf("close backend: %v", err)
		}
	}
	return true
}

// testCloseExecutor closes an executor in the middle of its work. Every call ends, with its value
// or with ErrCanceled. The backend is not the executor's and serves others afterwards. When it is
// closed too, no goroutine is left: a service that opens a pool for each job would grow until it is
// killed.
func (s *suite) testCloseExecutor(t *testing.T) {
	before := goleak.IgnoreCurrent()
	b := s.open(t)
	e := executor(t, b)
	futures := busy(t, e)
	if err := e.Close(); err != nil {
		t.Errorf("close executor: %v", err)
	}
	for i, f := range futures {
		select {
		case <-f.Done():
		default:
			t.Errorf("call %d is pending after Close", i)
		}
	}
	if ended(t, futures, lambdapool.ErrCanceled) == 0 {
		t.Error("no call was canceled: Close waited for all")
	}
	_, err := lambdapool.Call(short(t), e, echoInt, 1)
	if pool := poolError(t, err, lambdapool.ErrClosed); pool.Outcome != lambdapool.OutcomeNotRun {
		t.Errorf("outcome %v of a call after Close, want not run", pool.Outcome)
	}

	other := executor(t, b)
	works(t, other)
	if err := other.Shutdown(short(t)); err != nil {
		t.Errorf("shut down: %v", err)
	}
	if closeBackend(t, b) {
		noleak.Check(t, before)
	}
}

// testCloseBackend closes the backend under its executor, as a program does that ends its defers in
// the wrong order. Every call must end all the same, and later ones fail with ErrClosed. If Close
// forgot those that are in flight, or Invoke blocked after it, the program would hang at its end.
func (s *suite) testCloseBackend(t *testing.T) {
	before := goleak.IgnoreCurrent()
	b := s.open(t)
	// What failed may be tried again in the call's time; there is no point.
	e := executor(t, b, lambdapool.WithTimeout(15*time.Second))
	futures := busy(t, e)
	if !closeBackend(t, b) {
		return
	}
	ended(t, futures, lambdapool.ErrClosed, lambdapool.ErrAgentCrashed, lambdapool.ErrUnknownOutcome, lambdapool.ErrTimeout)
	_, err := lambdapool.Call(short(t), e, echoInt, 1)
	poolError(t, err, lambdapool.ErrClosed)
	if err := e.Close(); err != nil {
		t.Errorf("close executor: %v", err)
	}
	noleak.Check(t, before)
}
