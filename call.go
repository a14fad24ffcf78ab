package lambdapool

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

// A call is an accepted call until it ends: a small struct in lists, never a
// goroutine of its own.
type call struct {
	*promise

	sink     sink
	args     []byte // of a single call, until they are stored; guarded by mu
	chunk    *chunk // of a call that carries items of a run
	accepted time.Time
	due      time.Time // when its time is up; zero: never
	detached bool      // of a detached run: in none of the executor's lists

	// Lists, guarded by exec.mu.
	next                     *call // ready queue
	prevLive, nextLive       *call
	group                    *ctxGroup
	prevInGroup, nextInGroup *call
	flights                  []*invocation // two while a hedge is out

	parcel  atomic.Pointer[parcel] // its arguments in the store, if they are there
	counted bool                   // the call has ended

	// What became of its attempts, guarded by promise.mu.
	tries      int          // invocations that ended
	runs       int          // of them, those that ran the function or may have
	rejected   int          // of them, those turned away for another reason than load
	ran        bool         // one of them ran, or may have: also as part of a larger chunk
	mayHaveRun bool         // so far, the one in flight included
	throttled  *InvokeError // the last refusal for load, if nothing ran since
}

// A sink takes what a call brought back.
type sink interface {
	// decode turns the encoded result into the value, which may keep data if it
	// is its own. It is called at most once.
	decode(fn *Function, data []byte, own bool) error
	// completed is called once an accepted call has ended. It must not block.
	completed()
}

// size is how many calls of the user's it is.
func (c *call) size() int {
	if c.chunk == nil {
		return 1
	}
	return len(c.chunk.items)
}

// release lets go of arguments that are stored, and returns how large they were.
func (c *call) release() (size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chunk != nil {
		return c.chunk.release()
	}
	size, c.args = len(c.args), nil
	return size
}

// lane returns the run that the call belongs to, if it does.
func (c *call) lane() *lane {
	if c.chunk == nil {
		return nil
	}
	return c.chunk.lane
}

// sent notes that from now on the call may run.
func (c *call) sent(inv *invocation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stats := c.measured()
	if c.tries == 0 {
		stats.Queued = inv.started.Sub(c.accepted)
	}
	stats.Attempts = c.runs + 1
	stats.Sent = inv.bytes
	c.mayHaveRun = true
}

// failed notes an attempt that brought no value, and adds to a what is known of
// those before.
func (c *call) failed(a schedule.Attempt, refusal *InvokeError) schedule.Attempt {
	c.mu.Lock()
	defer c.mu.Unlock()
	stats := c.measured()
	c.tries++
	switch {
	case a.Throttled:
		stats.Throttles++
		c.throttled = refusal
	case a.Outcome == schedule.NotRun:
		c.rejected++
	default:
		c.runs++
		c.ran = true
		c.throttled = nil
	}
	stats.Attempts = c.runs
	c.mayHaveRun = c.ran
	if a.Outcome == schedule.Ran && c.size() > 1 {
		a.Permanent = true // the run divides the chunk instead
	}
	a.Idempotent = c.fn.idempotent
	a.Attempts, a.Tries, a.Rejected = c.runs, c.tries, c.rejected
	a.Left = schedule.Forever
	if !c.due.IsZero() {
		a.Left = time.Until(c.due)
	}
	return a
}

// overdue reports whether the call's time is up.
func (c *call) overdue(now time.Time) bool { return !c.due.IsZero() && !c.due.After(now) }

// hasRun notes an attempt that ran, or may have, but does not decide the call.
func (c *call) hasRun() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ran = true
}

// remaining is the time left for the agent, as the envelope has it: 0 means
// no deadline, so what is over is almost nothing instead.
func (c *call) remaining() time.Duration {
	if c.due.IsZero() {
		return 0
	}
	return max(time.Until(c.due), time.Nanosecond)
}

// callError makes a PoolError for a call that has not run.
func callError(op, name string, kind, err error, hint string) *PoolError {
	if err == nil {
		err = kind
	}
	return &PoolError{Op: op, Func: name, Kind: kind, Err: err, Outcome: OutcomeNotRun, Hint: hint}
}

// contextKind returns the sentinel for an ended context, and its cause.
func contextKind(ctx context.Context) (kind, cause error) {
	kind, cause = ErrCanceled, ctx.Err()
	if errors.Is(cause, context.DeadlineExceeded) {
		kind = ErrTimeout
	}
	if c := context.Cause(ctx); c != nil && !errors.Is(cause, c) {
		cause = fmt.Errorf("%w: %w", cause, c)
	}
	return kind, cause
}
