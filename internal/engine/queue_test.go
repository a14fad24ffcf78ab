package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/failure"
)

// A call that ends after it was chosen and before it is taken holds nobody up,
// whatever else there is to send.
func TestCallsThatEndBetweenPickAndTake(t *testing.T) {
	t.Parallel()
	var q readyQueue
	now := time.Now()
	singles := q.of(nil)
	first, second := &Call{Promise: new(Promise), party: singles}, &Call{Promise: new(Promise), party: singles}
	q.push(first)
	q.push(second)
	next := q.pick(now)
	if next != singles {
		t.Fatalf("picked %+v, want the single calls", next)
	}
	first.claim()
	second.claim()
	if c := q.take(next, now); c != first {
		t.Fatalf("took %p, want the call that was picked, %p", c, first)
	}
	if next := q.pick(now); next != nil {
		t.Fatalf("picked %+v of a queue of ended calls", next)
	}
}

// neverBackend must not be asked.
type neverBackend struct{ t *testing.T }

func (b neverBackend) Limits() driver.Limits { return driver.Limits{Workers: 1} }
func (b neverBackend) Invoke(context.Context, *driver.Request) (*driver.Response, error) {
	b.t.Error("a call that had ended was sent")
	return nil, context.Canceled
}

// A call that ends after a worker has taken it, and before it is sent, is not
// sent: its caller was told that it has not run.
func TestCallsThatEndBeforeTheyAreSent(t *testing.T) {
	t.Parallel()
	e := newTest(neverBackend{t}, Config{Workers: 1})
	c := admitted(t, e, function(t, false), time.Now())
	e.mu.Lock()
	e.limiter.Acquire(time.Now())
	inv := e.launch(c, time.Now())
	e.busy++
	e.mu.Unlock()
	c.claim() // as by Cancel, which has not come to telling the worker yet
	e.work(inv)
	c.abandon(driver.ErrCanceled, context.Canceled, "")
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if s := e.Stats(); s.Running != 0 || s.Queued != 0 || s.Invocations != 0 || s.Canceled != 1 {
		t.Errorf("stats %+v, want one canceled call and nothing else", s)
	}
}

// What an attempt ran, or may have, is not said not to have run when the call ends while it
// waits to be sent again.
func TestCallsThatWaitForAnotherAttemptMayHaveRun(t *testing.T) {
	t.Parallel()
	e := newTest(neverBackend{t}, Config{Workers: 1})
	c := admitted(t, e, function(t, false), time.Time{})
	c.hasRun() // as a part of a larger chunk
	c.Cancel(driver.ErrCanceled, context.Canceled, "")
	if pool := failure.Of(c.Failure()); pool == nil || pool.Outcome != driver.OutcomeUnknown {
		t.Errorf("it ended in %+v, want an unknown outcome", c.Failure())
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// A slowTaker is told of its call's end, and takes its time with that.
type slowTaker struct {
	taker
	told, goOn chan struct{}
}

func (s slowTaker) Completed() { close(s.told); <-s.goOn }

// A lateContext has ended, and says so only when it is asked for the second time.
type lateContext struct {
	context.Context
	asked *bool
}

func (c lateContext) Err() error {
	if !*c.asked {
		*c.asked = true
		return nil
	}
	return c.Context.Err()
}

// A call that is accepted while its context ends, after the others of that context were told
// and before they are gone, ends too.
func TestCallsThatJoinAContextThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTest(&busyBackend{}, Config{Workers: 1})
		defer e.Close()
		fn := function(t, false)
		head := new(Promise)
		e.Accept(head, taker{}, t.Context(), fn, nil, true, nil)
		ctx, cancel := context.WithCancel(t.Context())
		first, second := slowTaker{told: make(chan struct{}), goOn: make(chan struct{})}, new(Promise)
		e.Accept(new(Promise), first, ctx, fn, nil, true, nil)
		cancel()
		<-first.told
		e.Accept(second, taker{}, lateContext{ctx, new(bool)}, fn, nil, true, nil)
		synctest.Wait()
		if !second.IsDone() {
			t.Error("the call waits for ever")
		}
		close(first.goOn)
		cancelNow(head)
	})
}
