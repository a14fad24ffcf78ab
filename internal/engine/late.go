package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/failure"
)

// Items that share an invocation share its time. When it is up, the agent ends the functions
// that still run, and answers with the values of those that have ended. So a chunk whose time
// is up while it is in flight is waited for a little longer; a call that is alone has
// nothing to save.

// answerSlack is how much longer an answer may take than agents are known to take and than the
// way was lately: clients and agents are busy.
const answerSlack = 250 * time.Millisecond

// patience is how long after its time an invocation of such a time is waited for.
func (inv *invocation) patience(limit time.Duration) time.Duration {
	return codec.Grace(limit) + inv.wait + answerSlack
}

// linger has a chunk in flight waited for although its time is up, and reports whether that
// is so. cause and hint are its error's if nothing comes. e.mu is held.
func (e *Executor) linger(c *Call, cause error, hint string, now time.Time) bool {
	if c.late != nil {
		return now.Before(c.late.until)
	}
	if c.size() < 2 || len(c.flights) == 0 {
		return false
	}
	var wait time.Duration
	for _, inv := range c.flights {
		wait = max(wait, inv.patience(now.Sub(inv.started)))
	}
	c.late = &lateness{cause, hint, now.Add(wait)}
	e.expiring.push(c, c.late.until)
	e.wake(c.late.until)
	return true
}

// overtime takes the calls out whose time is up, and that nothing is waited for. e.mu is held.
func (e *Executor) overtime(now time.Time) (calls []*Call) {
	for _, c := range e.due(&e.expiring, now) {
		if !e.linger(c, context.DeadlineExceeded, e.timeoutHint(c), now) {
			calls = append(calls, c)
		}
	}
	return claimed(calls)
}

// expire ends a claimed call whose time is up.
func (e *Executor) expire(c *Call) {
	if c.late != nil {
		c.abandon(driver.ErrTimeout, c.late.cause, c.late.hint)
		return
	}
	c.abandon(driver.ErrTimeout, context.DeadlineExceeded, e.timeoutHint(c))
}

func (e *Executor) timeoutHint(c *Call) string {
	option, gives := "WithTimeout", c.policy().Timeout
	switch l := c.lane(); {
	case l != nil && l.Policy.Timeout > 0:
		option = "CallTimeout"
	case DefaultsOf(c.fn).Timeout > 0:
		option = "DefaultTimeout"
	}
	if c.chunk != nil {
		return fmt.Sprintf("%s gives an item %v from when a worker takes it", option, gives)
	}
	return fmt.Sprintf("%s gives a call %v, queueing included", option, gives)
}

// Abandon ends what is in flight of a run that has ended, although its answers may come yet.
func (l *Lane) Abandon() {
	e := l.e
	e.mu.Lock()
	var calls []*Call
	if g := e.groups[l.Ctx.Done()]; g != nil {
		for c := g.first; c != nil; c = c.nextInGroup {
			calls = append(calls, c)
		}
	}
	calls = claimed(calls)
	e.mu.Unlock()
	kind, cause := failure.Context(l.Ctx)
	for _, c := range calls {
		c.abandon(kind, cause, "")
	}
}

// errAttempt is the cause of an attempt that was given up.
var errAttempt = errors.New("no answer in the time of an attempt")

// given is how long the functions of an invocation may take; 0: as long as the platform lets them.
func (inv *invocation) given() time.Duration {
	left := inv.call.remaining()
	if left > 0 && inv.call.size() > 1 {
		left = max(left-inv.way, 1)
	}
	if most := inv.call.policy().Attempt; most > 0 && (left == 0 || most < left) {
		left = most
	}
	return left
}

// bounded returns the context of an attempt, which ends when it has had its time and the time for
// its answer.
func (inv *invocation) bounded() (context.Context, context.CancelFunc) {
	most := inv.call.policy().Attempt
	if most == 0 {
		return &inv.within, func() {}
	}
	return context.WithTimeout(&inv.within, most+inv.patience(most))
}

// overdue is the error of an attempt that has had its time and brought no answer.
func (inv *invocation) overdue() error {
	option := "WithAttemptTimeout"
	if l := inv.call.lane(); DefaultsOf(inv.call.fn).Attempt > 0 && (l == nil || l.Policy.Attempt == 0) {
		option = "DefaultAttemptTimeout"
	}
	return &driver.InvokeError{
		Outcome: driver.OutcomeUnknown, Kind: driver.ErrTimeout,
		Err:  fmt.Errorf("%w, %v: %w", errAttempt, inv.call.policy().Attempt, context.DeadlineExceeded),
		Hint: option + " gives each attempt its time",
	}
}
