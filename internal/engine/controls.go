package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/english"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// What a program may change while calls are on their way: how many run at once, how many may wait, and that none
// of those that wait is sent any more.

// enterQueue takes a place in the bounded queue. Where there is none, it waits for one, or refuses the call.
func (e *Executor) enterQueue(ctx context.Context, f *registry.Function, wait bool) error {
	select {
	case e.queueRoom <- struct{}{}:
		return nil
	default:
	}
	if !wait {
		return failure.NotRun("submit", f.Name(), failure.ErrQueueFull, fmt.Errorf("%s waiting for a worker", english.Count(cap(e.queueRoom), "call")),
			"try later, or Submit it, which waits for room")
	}
	select {
	case e.queueRoom <- struct{}{}:
		return nil
	case <-ctx.Done():
		kind, cause := failure.Context(ctx)
		return failure.NotRun("submit", f.Name(), kind, cause, "the queue was full, see WithQueue: nothing was sent")
	}
}

// leaveQueue gives the place of a call back that a worker has taken, or that has ended. e.mu is held.
func (e *Executor) leaveQueue(c *Call) {
	if c.inRoom {
		c.inRoom = false
		<-e.queueRoom
	}
}

// Resize sets how many invocations there may be at once. What is in flight goes on.
func (e *Executor) Resize(n int) error {
	if e.inline != nil {
		return errors.New("the executor runs calls inline, WithWorkers(0): that stays so")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.workers.Store(int64(n))
	e.shared = n
	if e.nestMost > 0 {
		e.shared = min(n, e.nestMost)
	}
	e.limiter.Resize(n)
	e.dispatch(time.Now())
	return nil
}

// workersNow is how many invocations there may be at once.
func (e *Executor) workersNow() int { return int(e.workers.Load()) }

// Drain refuses new calls and ends those that are in no invocation, now and later. What runs goes on, but is not
// tried again. The channel is closed once all have ended, and their callbacks.
func (e *Executor) Drain() (idle <-chan struct{}) {
	e.mu.Lock()
	e.closed, e.drained = true, true
	var calls []*Call
	for _, c := range e.live.all() {
		if len(c.flights) == 0 && c.claim() {
			calls = append(calls, c)
		}
	}
	lanes := slices.Collect(e.lanes())
	e.settleIdle()
	e.mu.Unlock()
	for _, l := range lanes {
		l.Stop(l.drained())
	}
	for _, c := range calls {
		c.abandon(driver.ErrCanceled, driver.ErrClosed, hintDrained)
	}
	return e.idle
}

// endLater ends a call that is not sent again since the executor drains. e.mu is held, so another goroutine does it.
func (e *Executor) endLater(c *Call) {
	if !c.claim() {
		return
	}
	e.callbacks++
	go func() {
		c.abandon(driver.ErrCanceled, driver.ErrClosed, hintDrained)
		e.mu.Lock()
		e.callbacks--
		e.settleIdle()
		e.mu.Unlock()
	}()
}

// drained is the error of items that Drain has ended.
func (l *Lane) drained() *failure.Pool {
	return failure.NotRun("call", l.Fn.Name(), driver.ErrCanceled, driver.ErrClosed, hintDrained)
}

// hintDrained says why a call that waited has ended.
const hintDrained = "Drain ends what waits"

// Draining reports whether nothing that waits is sent any more, while what runs goes on.
func (e *Executor) Draining() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.drained && !e.aborted
}

// CancelQueued ends the call with kind and cause if it is in no invocation, and reports whether it did.
func (p *Promise) CancelQueued(kind, cause error) bool {
	p.mu.Lock()
	c := p.call
	p.mu.Unlock()
	if c == nil || c.outside {
		return false
	}
	p.exec.mu.Lock()
	queued := len(c.flights) == 0 && p.claim()
	p.exec.mu.Unlock()
	if queued {
		p.abandon(kind, cause, "")
	}
	return queued
}
