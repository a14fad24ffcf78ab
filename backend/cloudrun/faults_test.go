package cloudrun_test

import (
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/apart"
	"github.com/lambdapool/lambdapool/internal/runlocal"
)

func poolError(t *testing.T, err error) *lambdapool.PoolError {
	t.Helper()
	pool, ok := errors.AsType[*lambdapool.PoolError](err)
	if !ok {
		t.Fatalf("%v; want a PoolError", err)
	}
	return pool
}

// A crash and a kill for memory are one answer, and unknown. An idempotent function is run again.
func TestDeaths(t *testing.T) {
	c := start(t, runlocal.Options{})
	name := c.create(settings{instances: 1, concurrency: 1, memory: "256Mi"})
	c.asInvoker(name)
	e := executor(t, c.open(name))
	for _, o := range []order{{"exit", 3}, {"hoard", 0}} {
		_, err := lambdapool.Call(soon(t), e, work, o)
		if pool := poolError(t, err); !errors.Is(err, lambdapool.ErrUnknownOutcome) || pool.Outcome != lambdapool.OutcomeUnknown {
			t.Errorf("%s: %v, outcome %v", o.Do, err, pool.Outcome)
		} else if !strings.Contains(pool.Hint, "console.cloud.google.com/logs") || !strings.Contains(pool.Hint, url.PathEscape(pool.RequestID)) || pool.RequestID == "" {
			t.Errorf("%s: the hint %q has no link to the log of %q", o.Do, pool.Hint, pool.RequestID)
		}
		if got, err := lambdapool.Call(soon(t), e, work, order{"echo", 5}); err != nil || got != 5 {
			t.Errorf("after %s: %d, %v", o.Do, got, err)
		}
	}
	if _, err := lambdapool.Call(soon(t), e, sure, order{"exit", 3}); err == nil {
		t.Error("a function that always exits has returned")
	} else if pool := poolError(t, err); pool.Attempts < 2 {
		t.Errorf("%d attempts of an idempotent function", pool.Attempts)
	}
}

// After a timeout of Cloud Run's own the container lives, and the function runs on beside the next request,
// whether its container learns of the end of the connection or not.
func TestRunsOnBesideTheNext(t *testing.T) {
	if !apart.Here(t) {
		return
	}
	for _, deaf := range []bool{false, true} {
		c := start(t, runlocal.Options{Deaf: deaf})
		// The agent believes that it has more time than the service gives.
		name := c.create(settings{timeout: "1s", instances: 1, concurrency: 1, env: map[string]string{"LAMBDAPOOL_TIMEOUT": "60s"}})
		c.asInvoker(name)
		e := executor(t, c.open(name))
		pid, err := lambdapool.Call(soon(t), e, work, order{"pid", 0})
		if err != nil {
			t.Fatal(err)
		}
		// An executor tells agents how much time there is; this is the way without one.
		_, err = lambdapool.Call(soon(t), e, work, order{"ignore", 1500})
		if pool := poolError(t, err); !errors.Is(err, lambdapool.ErrTimeout) || pool.Outcome == lambdapool.OutcomeNotRun {
			t.Errorf("deaf %t: %v, outcome %v; want a timeout that may have run", deaf, err, pool.Outcome)
		}
		next, err := lambdapool.Call(soon(t), e, work, order{"pid", 0})
		if err != nil {
			t.Errorf("deaf %t: the next call: %v", deaf, err)
		}
		if deaf { // it knows of nothing, and does what it was asked for
			if next != pid {
				t.Errorf("process %d after %d: it was killed", next, pid)
			}
			eventually(t, "the function ends", func() bool { return strings.Contains(c.said(), "it ran on") })
		}
	}
}

// A token that ends while a run goes on is renewed, and no call fails for it.
func TestTokensEndDuringARun(t *testing.T) {
	if !apart.Here(t) {
		return
	}
	c := start(t, runlocal.Options{TokenLife: 62 * time.Second}) // two seconds until the next is due
	name := c.create(settings{instances: 1, concurrency: 4})
	c.asInvoker(name)
	e := executor(t, c.open(name))
	before := c.Minted()
	orders := make([]order, 120)
	for i := range orders {
		orders[i] = order{"wait", 100}
	}
	if _, err := lambdapool.Map(soon(t), e, work, orders, lambdapool.ChunkSize(1)); err != nil {
		t.Error(err)
	}
	if n := c.Minted() - before; n < 2 {
		t.Errorf("%d tokens in a run that outlived the first", n)
	}
}

// With all instances busy a request waits, is refused, and is sent again; nothing runs twice.
func TestThrottled(t *testing.T) {
	if !apart.Here(t) {
		return
	}
	c := start(t, runlocal.Options{Wait: 20 * time.Millisecond})
	name := c.create(settings{instances: 2, concurrency: 1})
	c.asInvoker(name)
	e := executor(t, c.open(name), lambdapool.WithWorkers(12))
	orders := make([]order, 36)
	for i := range orders {
		orders[i] = order{"wait", 100}
	}
	if _, err := lambdapool.Map(soon(t), e, work, orders, lambdapool.ChunkSize(1)); err != nil {
		t.Error(err)
	}
	if e.Stats().Throttles == 0 {
		t.Error("twelve workers met no refusal of two instances")
	}
}

// A start that takes longer than the call's time costs that call; the next finds the container there.
func TestColdStartBeyondTheDeadline(t *testing.T) {
	if !apart.Here(t) {
		return
	}
	c := start(t, runlocal.Options{Idle: time.Millisecond})
	name := c.create(settings{instances: 1, concurrency: 1, env: map[string]string{slowStart: "2s"}})
	c.asInvoker(name)
	b := c.open(name)
	e := executor(t, b)
	eventually(t, "the first instance has ended", func() bool { return strings.Contains(c.said(), "Container terminated") })
	_, err := lambdapool.Call(soon(t), executor(t, b, lambdapool.WithTimeout(300*time.Millisecond)), work, order{"echo", 1})
	if pool := poolError(t, err); !errors.Is(err, lambdapool.ErrTimeout) {
		t.Errorf("%v, outcome %v; want a timeout", err, pool.Outcome)
	}
	if got, err := lambdapool.Call(soon(t), e, work, order{"echo", 2}); err != nil || got != 2 {
		t.Errorf("%d, %v", got, err)
	}
}

// Instances that end while requests come cost no call, not even of a function that must not run twice.
func TestInstancesComeAndGo(t *testing.T) {
	c := start(t, runlocal.Options{Idle: time.Millisecond})
	name := c.create(settings{instances: 3, concurrency: 2})
	c.asInvoker(name)
	e := executor(t, c.open(name))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for n := range 25 {
				if got, err := lambdapool.Call(soon(t), e, work, order{"echo", n}); err != nil || got != n {
					t.Errorf("%d, %v", got, err)
				}
				time.Sleep(2 * time.Millisecond) // long enough to be idle
			}
		})
	}
	all.Wait()
}
