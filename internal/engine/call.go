package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/payload"
	"github.com/lambdapool/lambdapool/internal/registry"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// A Call is an accepted call until it ends: a small struct in lists, never a
// goroutine of its own.
type Call struct {
	*Promise

	sink     Sink
	heard    *Audience     // of a single call; nil: nobody
	caller   *invocation   // that the function runs in which made the call; nil: none
	args     []byte        // of a single call, until they are stored; guarded by mu
	chunk    *chunk        // of a call that carries items of a run
	accepted time.Duration // after the executor's epoch: a million calls may wait, and a time.Time is three times as large
	due      time.Time     // when its time is up; zero: never
	late     *lateness     // set once its time is up and what is in flight is waited for; guarded by exec.mu until it is claimed

	// Lists, guarded by exec.mu.
	depth                    int    // how many functions of this process and executor are above the one that made it, itself included
	party                    *party // whom the workers serve with it
	prev, next               *Call  // in the party's queue
	prevLive, nextLive       *Call
	group                    *ctxGroup
	prevInGroup, nextInGroup *Call
	flights                  []*invocation // two while a hedge is out
	inLater, inExpiring      int32         // its places in the delayQueues
	queued                   bool          // in the party's queue
	wanted                   bool          // in hedges.wanted
	counted                  bool          // it has ended
	inRoom                   bool          // it counts in Executor.queueRoom
	outside                  bool          // somebody else runs it: it is in none of these lists
	running                  bool          // outside of these lists, but in this process

	parcel atomic.Pointer[payload.Parcel] // its arguments in the store, if they are there

	// What became of its attempts, guarded by promise.mu.
	tries      int32               // invocations that ended
	runs       int32               // of them, those that ran the function or may have
	rejected   int32               // of them, those turned away for another reason than load
	ran        bool                // one of them ran, or may have: also as part of a larger chunk
	mayHaveRun bool                // so far, the one in flight included
	refused    *driver.InvokeError // why it was turned away last, if nothing ran since
}

// lateness is why a call will have ended by a time, if nothing in flight ends it before.
type lateness struct {
	cause error
	hint  string
	until time.Time
}

// A Sink takes what a call brought back.
type Sink interface {
	// Decode turns the encoded result into the value, which may keep data if it
	// is its own. It is called at most once. Methods of the program's that outlive ctx are left behind.
	Decode(ctx context.Context, fn *registry.Function, data []byte, own bool) error
	// Failed returns what is stored of the failure that ends the call of fn, a function of known.
	Failed(fn *registry.Function, known *registry.Registry, err error) error
	// Completed is called once an accepted call has ended. It must not block.
	Completed()
}

// acceptedAt is when the call was.
func (c *Call) acceptedAt() time.Time { return c.exec.epoch.Add(c.accepted) }

// context is the caller's, or what it is bounded by where that has no end.
func (c *Call) context() context.Context {
	c.exec.mu.Lock()
	defer c.exec.mu.Unlock()
	if c.group != nil {
		return c.group.ctx
	}
	return c.exec.on.Base
}

// decoding is the context of what decodes its result.
func (c *Call) decoding() context.Context {
	if c.fn.CustomResult() {
		return c.context()
	}
	return c.exec.on.Base
}

// size is how many calls of the user's it is.
func (c *Call) size() int {
	if c.chunk == nil {
		return 1
	}
	return len(c.chunk.items)
}

// release lets go of arguments that are stored, and returns how large they were.
func (c *Call) release() (size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chunk != nil {
		return c.chunk.release()
	}
	size, c.args = len(c.args), nil
	return size
}

// lane returns the run that the call belongs to, if it does.
func (c *Call) lane() *Lane {
	if c.chunk == nil {
		return nil
	}
	return c.chunk.lane
}

// sent notes that from now on the call may run, unless it has ended: then it
// must not be sent, since whoever ended it has said that it has not run.
func (c *Call) sent(inv *invocation) (ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.claimed.Load() {
		return false
	}
	stats := c.measured()
	if c.tries == 0 {
		stats.Queued = inv.started.Sub(c.acceptedAt())
	}
	stats.Attempts = int(c.runs) + 1
	stats.Sent = inv.bytes
	c.mayHaveRun = true
	return true
}

// failed notes an attempt that brought no value, and adds to a what is known of
// those before.
func (c *Call) failed(a schedule.Attempt, refusal *driver.InvokeError) schedule.Attempt {
	c.mu.Lock()
	defer c.mu.Unlock()
	stats := c.measured()
	c.tries++
	switch {
	case a.Throttled:
		stats.Throttles++
		c.refused = refusal
	case a.Outcome == schedule.NotRun:
		c.rejected++
		c.refused = refusal
	default:
		c.runs++
		c.ran = true
		c.refused = nil
	}
	stats.Attempts = int(c.runs)
	c.mayHaveRun = c.ran
	if c.size() > 1 && (a.Outcome == schedule.Ran || refusal != nil && errors.Is(refusal.Err, errAttempt)) {
		a.Permanent = true // the run divides the chunk instead
	}
	a.Idempotent = c.fn.Idempotent()
	a.Attempts, a.Tries, a.Rejected = int(c.runs), int(c.tries), int(c.rejected)
	if c.chunk != nil {
		a.Attempts += c.chunk.items[0].runs
	}
	a.Left = schedule.Forever
	if !c.due.IsZero() {
		a.Left = time.Until(c.due)
	}
	return a
}

// tried adds to what became of one item of a chunk, whose attempt has ended, what is known of
// those before, and counts it.
func (c *Call) tried(a schedule.Attempt, it *Item) schedule.Attempt {
	c.mu.Lock()
	defer c.mu.Unlock()
	it.runs += int(c.runs) + 1
	a.Idempotent = c.fn.Idempotent()
	a.Attempts, a.Tries = it.runs, it.runs
	a.Left = schedule.Forever
	if !c.due.IsZero() {
		a.Left = time.Until(c.due)
	}
	return a
}

// overdue reports whether the call's time is up.
func (c *Call) overdue(now time.Time) bool { return !c.due.IsZero() && !c.due.After(now) }

// unwanted reports whether the call is not to be sent any more: its time is up, its context
// has ended, or its run has. Whoever ends the call may not have come to it yet.
func (c *Call) unwanted(now time.Time) bool {
	if l := c.lane(); l != nil {
		return c.overdue(now) || l.over(now) || c.chunk.items[0].Index > l.last
	}
	return c.overdue(now) || c.group != nil && c.group.ctx.Err() != nil
}

// left is the time that the call has at that moment; 0: no limit.
func (c *Call) left(now time.Time) time.Duration {
	if c.due.IsZero() {
		return 0
	}
	return max(c.due.Sub(now), time.Nanosecond)
}

// hasRun notes an attempt that ran, or may have, but does not decide the call.
func (c *Call) hasRun() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ran, c.mayHaveRun = true, true
}

// ranBefore reports whether an attempt has ended that ran, or may have.
func (c *Call) ranBefore() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ran
}

// remaining is the time left for the agent, as the envelope has it: 0 means
// no deadline, so what is over is almost nothing instead.
func (c *Call) remaining() time.Duration {
	if c.due.IsZero() {
		return 0
	}
	return c.left(time.Now())
}
