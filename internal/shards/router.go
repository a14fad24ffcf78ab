package shards

import (
	"errors"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// A Router is a Set for a backend: it reads from errors what they say about a shard, and notes in them what that means
// for the request. It is safe for concurrent use.
type Router struct {
	mu  sync.Mutex
	set *Set
}

// NewRouter returns one of n shards, as [New] does.
func NewRouter(n, workers int, law schedule.Law) *Router { return &Router{set: New(n, workers, law)} }

// Grow adds shards until there are n, while invocations are in flight.
func (r *Router) Grow(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set.Grow(n)
}

// Take returns the shard that the next invocation goes to. [Router.Ended] must be called once for it.
func (r *Router) Take(now time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.set.Take(now)
}

// Ended tells of an invocation that began at started. Where another shard can take the request, e says so then.
func (r *Router) Ended(i int, started, now time.Time, e *driver.InvokeError) {
	result := schedule.Result{Started: started}
	throttled := e != nil && e.Outcome == driver.OutcomeNotRun && errors.Is(e.Kind, driver.ErrThrottled)
	switch {
	case e == nil, e.Outcome == driver.OutcomeRan:
		result.Verdict = schedule.Admitted
	case throttled:
		result.Verdict, result.RetryAfter = schedule.Refused, e.RetryAfter
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	elsewhere := r.set.Done(i, now, result) && throttled
	if Unusable(e) {
		elsewhere = r.set.Failed(i, started, now)
	}
	note(e, elsewhere)
}

// TakeEvent returns the shard that the next event goes to. [Router.Queued] must be called once for it.
func (r *Router) TakeEvent(now time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.set.TakeEvent(now)
}

// Queued is Ended for an event.
func (r *Router) Queued(i int, started, now time.Time, e *driver.InvokeError) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case e == nil:
		r.set.Working(i)
	case Unusable(e):
		note(e, r.set.Failed(i, started, now))
	}
}

func note(e *driver.InvokeError, elsewhere bool) {
	if elsewhere {
		e.Elsewhere, e.Permanent = true, false
	}
}

// Unusable reports whether an error says that this one function cannot be invoked, whatever the request: it is
// missing, may not be called, or does not start.
func Unusable(e *driver.InvokeError) bool {
	if e == nil || e.Outcome != driver.OutcomeNotRun {
		return false
	}
	for _, kind := range []error{driver.ErrFunctionNotFound, driver.ErrAccessDenied, driver.ErrAgentCrashed, driver.ErrOutOfMemory} {
		if errors.Is(e.Kind, kind) {
			return true
		}
	}
	return false
}
