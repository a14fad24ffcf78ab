package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// closing is a backend that says when it is closed.
type closing struct {
	lambdapool.Backend
	closed int
	err    error
}

func (c *closing) Close() error {
	c.closed++
	return c.err
}

func TestOwnedBackendIsClosedOnceAndLast(t *testing.T) {
	inner := inproc.New()
	defer inner.Close()
	b := &closing{Backend: inner, err: errors.New("not today")}
	e, err := lambdapool.New(b, lambdapool.WithOwnedBackend())
	if err != nil {
		t.Fatal(err)
	}
	running := make(chan int, 1)
	f := lambdapool.Submit(t.Context(), e, square, 3)
	f.OnDone(func(*lambdapool.Future[int]) { running <- b.closed })
	if err := e.Shutdown(t.Context()); err != nil || b.closed != 0 {
		t.Errorf("after Shutdown: closed %d times, %v; Close has not been called", b.closed, err)
	}
	for range 2 {
		if err := e.Close(); !errors.Is(err, b.err) {
			t.Errorf("Close: %v, want the backend's error", err)
		}
	}
	if n := <-running; n != 0 || b.closed != 1 {
		t.Errorf("closed %d times before the last callback and %d in all, want 0 and 1", n, b.closed)
	}
}

func TestBackendOfOthersStaysOpen(t *testing.T) {
	inner := inproc.New()
	defer inner.Close()
	b := &closing{Backend: inner}
	e, err := lambdapool.New(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil || b.closed != 0 {
		t.Errorf("closed %d times, %v", b.closed, err)
	}
	if _, err := lambdapool.New(b, lambdapool.WithOwnedBackend(), lambdapool.WithWorkers(-1)); err == nil || b.closed != 0 {
		t.Errorf("New failed with %v and closed the backend %d times; it is the caller's still", err, b.closed)
	}
	// A backend that cannot be closed is none to be closed.
	e, err = lambdapool.New(struct{ lambdapool.Backend }{inner}, lambdapool.WithOwnedBackend())
	if err != nil || e.Close() != nil {
		t.Errorf("a backend without Close: %v", err)
	}
}

func ExampleWithOwnedBackend() {
	pool, err := lambdapool.New(inproc.New(), lambdapool.WithOwnedBackend())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close() // closes the backend as well
	fmt.Println(lambdapool.Call(context.Background(), pool, square, 5))
	// Output: 25 <nil>
}
