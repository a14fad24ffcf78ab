package nest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/backendtest"
	_ "github.com/lambdapool/lambdapool/backend/cloudrun/nest"
)

var errUnlucky = errors.New("unlucky")

var (
	_    = registerError()
	leaf = lambdapool.Register("leaf", func(_ context.Context, n int) (int, error) {
		if n%100 == 13 {
			return 0, fmt.Errorf("%d: %w", n, errUnlucky)
		}
		return n + 1, nil
	}, lambdapool.Idempotent())
	mid = lambdapool.Register("mid", func(ctx context.Context, n int) (int, error) {
		e, err := lambdapool.FromContext(ctx)
		if err != nil {
			return 0, err
		}
		return lambdapool.Call(ctx, e, leaf, n)
	}, lambdapool.Idempotent())
	top = lambdapool.Register("top", func(ctx context.Context, n int) (int, error) {
		e, err := lambdapool.FromContext(ctx)
		if err != nil {
			return 0, err
		}
		values, err := lambdapool.Map(ctx, e, mid, []int{n, n})
		if err != nil {
			return 0, err
		}
		return values[0] + values[1], nil
	}, lambdapool.Idempotent())
)

func registerError() bool {
	lambdapool.RegisterError("nest_test.unlucky", errUnlucky)
	return true
}

// down calls itself n times. waits does so too, and the last waits until its context ends.
var down, waits *lambdapool.Func[int, int]

func init() {
	down = lambdapool.Register("down", func(ctx context.Context, n int) (int, error) {
		if n == 0 {
			return 0, nil
		}
		e, err := lambdapool.FromContext(ctx)
		if err != nil {
			return 0, err
		}
		v, err := lambdapool.Call(ctx, e, down, n-1)
		return v + 1, err
	}, lambdapool.Idempotent())
	waits = lambdapool.Register("waits", func(ctx context.Context, n int) (v int, err error) {
		if err := note(fmt.Sprint("began ", n)); err != nil {
			return 0, err
		}
		if n > 0 {
			e, failed := lambdapool.FromContext(ctx)
			if failed != nil {
				return 0, failed
			}
			v, err = lambdapool.Call(ctx, e, waits, n-1)
		} else {
			<-ctx.Done()
			err = ctx.Err()
		}
		return v, errors.Join(err, note(fmt.Sprint("ended ", n)))
	})
}

// Functions call functions that call functions, on six workers, while containers are killed: each ends, with its
// value or its function's error.
func TestThreeLevels(t *testing.T) {
	c := start(t, 3)
	e := c.pool(t, lambdapool.WithRetry(lambdapool.RetryPolicy{MaxAttempts: 30, MaxDelay: 100 * time.Millisecond}))
	const items, crashes = 214, 5
	args := func(yield func(int) bool) {
		for i := 0; i < items && yield(i); i++ {
		}
	}
	ended := 0
	for r := range lambdapool.StreamUnordered(soon(t), e, top, args, lambdapool.ChunkSize(2), lambdapool.ContinueOnError()) {
		switch i := r.Index; {
		case i%100 == 13:
			var said *lambdapool.FunctionError
			if !errors.As(r.Err, &said) || !errors.Is(r.Err, errUnlucky) {
				t.Errorf("%d ended with %v, want its leaf's error", i, r.Err)
			}
		case r.Err != nil:
			t.Errorf("%d: %v", i, r.Err)
		case r.Value != 2*(i+1):
			t.Errorf("%d: %d", i, r.Value)
		}
		if ended++; ended%(items/crashes) == 0 {
			c.Crash(c.name)
		}
	}
	if s := e.Stats(); ended != items || s.Queued != 0 || s.Running != 0 || s.Submitted != s.Succeeded+s.FunctionErrors+s.PoolErrors {
		t.Errorf("%d of %d ended; left: %+v", ended, items, s)
	}
}

// The client's bound on the depth holds in containers, and what can never have a worker fails at once.
func TestDepthAndRoom(t *testing.T) {
	c := start(t, 2)
	e := c.pool(t)
	if v, err := lambdapool.Call(soon(t), e, down, 2); v != 2 || err != nil {
		t.Errorf("2 deep: %d, %v", v, err)
	}
	if _, err := lambdapool.Call(soon(t), e, down, 3); !errors.Is(err, lambdapool.ErrTooDeep) || !strings.Contains(err.Error(), "WithMaxDepth(3)") {
		t.Errorf("3 deep: %v, want ErrTooDeep with a hint", err)
	}
	if v, err := lambdapool.Call(soon(t), c.pool(t, lambdapool.WithMaxDepth(3)), down, 3); v != 3 || err != nil {
		t.Errorf("3 deep, as allowed: %d, %v", v, err)
	}
	narrow := c.pool(t, lambdapool.WithWorkers(2))
	if _, err := lambdapool.Call(soon(t), narrow, down, 2); !errors.Is(err, lambdapool.ErrBadArguments) || !strings.Contains(err.Error(), "3 workers or more with WithWorkers") {
		t.Errorf("2 deep on two workers: %v, want ErrBadArguments with a hint", err)
	}
}

// A call that is canceled ends the functions that it has called, down to the last, each in a container that may be
// another one.
func TestCancel(t *testing.T) {
	c := start(t, 2)
	e := c.pool(t)
	ctx, cancel := context.WithCancel(soon(t))
	defer cancel()
	f := lambdapool.Submit(ctx, e, waits, 2)
	c.await(t, "began 0", 1)
	cancel()
	if _, err := f.Result(soon(t)); !errors.Is(err, lambdapool.ErrCanceled) {
		t.Errorf("%v, want ErrCanceled", err)
	}
	for n := range 3 {
		c.await(t, fmt.Sprint("ended ", n), 1)
	}
	if v, err := lambdapool.Call(soon(t), e, down, 2); v != 2 || err != nil {
		t.Errorf("the next call: %d, %v", v, err)
	}
}

// What the service's account may not do is said with the role that it needs. Once it has it, the same container calls.
func TestRights(t *testing.T) {
	c := start(t, 2)
	e := c.pool(t)
	for _, role := range []string{"roles/run.viewer", "roles/run.invoker"} { // in the order in which they are needed
		c.Revoke("roles/run.viewer", service, c.name)
		c.Revoke("roles/run.invoker", service, c.name)
		if role == "roles/run.invoker" {
			c.Grant("roles/run.viewer", service, c.name)
		}
		_, err := lambdapool.Call(soon(t), e, down, 1)
		if !errors.Is(err, lambdapool.ErrAccessDenied) || errors.Is(err, lambdapool.ErrBadArguments) || !strings.Contains(err.Error(), role) {
			t.Errorf("without %s: %v", role, err)
		}
		if role == "roles/run.invoker" && !strings.Contains(err.Error(), "the account that the service runs as needs") {
			t.Errorf("the hint does not say whose account it is: %v", err)
		}
	}
	c.Grant("roles/run.invoker", service, c.name)
	if v, err := lambdapool.Call(soon(t), e, down, 2); v != 2 || err != nil {
		t.Errorf("with both: %d, %v", v, err)
	}
}

// The suite's calls from calls, by agents in containers.
func TestConformance(t *testing.T) {
	c := start(t, 3)
	backendtest.RunNested(t, c.open(t))
	if left, err := c.open(t).Store().List(soon(t), "", ""); err != nil || len(left.Objects) > 0 {
		t.Errorf("in the bucket remain %v, %v", left.Objects, err)
	}
}
