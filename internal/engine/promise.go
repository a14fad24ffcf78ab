package engine

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// A Promise is the part of a call that outlives it: how it ended, and who
// waits for that. It lies in what the caller holds, a Future or the items
// of a chunk. A million of them may be kept, so it is small, and what only a
// pending call needs is in its call.
type Promise struct {
	exec    *Executor
	fn      *registry.Function
	claimed atomic.Bool // whoever sets it, and nobody else, ends the call

	mu    sync.Mutex // guards the rest
	done  bool
	call  *Call // while it is pending
	watch *watch
	err   error
	stats *CallStats // nil until the first send
}

// watch is what waits for a call: allocated only when something does.
type watch struct {
	done      chan struct{}
	hooks     []*Hook  // of this package: short, run in place
	callbacks []func() // the user's: run in order on a goroutine of their own
}

// CallStats are what lambdapool.CallStats says, which has the docs of the fields and converts to and from it.
type CallStats struct {
	Attempts   int
	Throttles  int
	Queued     time.Duration
	Run        time.Duration
	Billed     time.Duration
	Total      time.Duration
	ColdStart  bool
	MemoryPeak int64
	Sent       int
	Received   int
	RequestID  string
}

// A Hook is run once by a call that ends. Its address tells it from others.
type Hook struct{ Run func() }

// closedChan is Done() of every call that is done before anyone asks.
var closedChan = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// claim reports whether the caller is the one to end the call.
func (p *Promise) claim() bool { return p.claimed.CompareAndSwap(false, true) }

// finish ends the call with an encoded result or an error, unless it has ended
// already.
func (p *Promise) finish(data []byte, own bool, err error) {
	if !p.claim() {
		return
	}
	if err == nil {
		err = p.call.sink.Decode(p.call.decoding(), p.fn, data, own)
	}
	p.complete(err)
}

// Cancel ends the call with kind and cause, unless it has ended already, and
// reports whether it did. What is running is abandoned.
func (p *Promise) Cancel(kind, cause error, hint string) bool {
	if !p.claim() {
		return false
	}
	p.abandon(kind, cause, hint)
	return true
}

// abandon ends a claimed call without waiting for what is in flight of it.
func (p *Promise) abandon(kind, cause error, hint string) {
	p.mu.Lock()
	c := p.call
	outcome, state, refusedHint := driver.OutcomeNotRun, "no agent has begun it", ""
	if c.mayHaveRun {
		outcome, state = driver.OutcomeUnknown, "it was sent already and may run on"
	}
	if c.refused != nil && kind == driver.ErrTimeout {
		cause, refusedHint = fmt.Errorf("%w: %w", cause, c.refused), c.refused.Hint
	}
	p.mu.Unlock()
	if hint == "" && kind == driver.ErrTimeout {
		if hint = hintDeadline; refusedHint != "" {
			hint = refusedHint
		}
	}
	if hint != "" {
		state = hint + "; " + state
	}
	err := failure.NotRun("call", p.fn.Name(), kind, cause, state)
	err.Outcome = outcome
	p.complete(err)
}

// What to do about calls that others ended.
const (
	hintDeadline = "allow more time: its context's deadline has passed"
	HintClosed   = "Close ends what is left, Shutdown waits for it"
	HintRunEnded = "its run has ended"
	hintNotBegun = "the context had ended before: nothing was sent"
)

// claimed returns those of calls that were not claimed before, and now are.
// Claiming all before one is ended keeps a worker that becomes free from
// sending the next.
func claimed(calls []*Call) []*Call {
	return slices.DeleteFunc(calls, func(c *Call) bool { return !c.claim() })
}

// complete publishes the end of a claimed call.
func (p *Promise) complete(err error) {
	c := p.call // only who has claimed it takes it away
	p.exec.counting(c, err)
	said := err
	if err != nil {
		said = c.sink.Failed(p.fn, p.exec.on.Registry, err)
	}
	p.mu.Lock()
	stats := p.measured()
	stats.Total = time.Since(c.acceptedAt())
	if pool := failure.Of(err); pool != nil {
		pool.Attempts = stats.Attempts
		if pool.RequestID == "" {
			pool.RequestID = stats.RequestID
		}
	}
	if c.heard != nil { // before anyone else
		told := *stats
		p.mu.Unlock()
		c.heard.callEnd(told, said)
		p.mu.Lock()
	}
	w := p.watch
	p.err, p.done = said, true
	p.call, p.watch = nil, nil
	p.mu.Unlock()
	if w != nil {
		if w.done != nil {
			close(w.done)
		}
		for _, h := range w.hooks {
			h.Run()
		}
		if len(w.callbacks) > 0 {
			p.exec.runCallbacks(p.fn.Name(), w.callbacks)
		}
	}
	c.sink.Completed() // may send items again, so that the executor is not idle yet
	p.exec.forget(c)
}

// Fail ends a call that was never accepted.
func (p *Promise) Fail(err error) {
	p.claimed.Store(true)
	p.done, p.err = true, err
}

// measured returns the stats to write to. p.mu is held.
func (p *Promise) measured() *CallStats {
	if p.stats == nil {
		p.stats = &CallStats{}
	}
	return p.stats
}

// observer returns the watch to add to, or nil when the call is done.
// p.mu is held.
func (p *Promise) observer() *watch {
	if p.done {
		return nil
	}
	if p.watch == nil {
		p.watch = &watch{}
	}
	return p.watch
}

// Done returns a channel that is closed when the call is done, as that of nil is.
func (p *Promise) Done() <-chan struct{} {
	if p == nil {
		return closedChan
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.observer()
	if w == nil {
		return closedChan
	}
	if w.done == nil {
		w.done = make(chan struct{})
	}
	return w.done
}

// Hook has h run when the call is done, at once when it is.
func (p *Promise) Hook(h *Hook) {
	p.mu.Lock()
	w := p.observer()
	if w != nil {
		w.hooks = append(w.hooks, h)
	}
	p.mu.Unlock()
	if w == nil {
		h.Run()
	}
}

// Unhook takes h back, if it has not run.
func (p *Promise) Unhook(h *Hook) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watch != nil {
		p.watch.hooks = slices.DeleteFunc(p.watch.hooks, func(other *Hook) bool { return other == h })
	}
}

// IsDone reports whether the call is done.
func (p *Promise) IsDone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

// Failure returns the error of a call that is done.
func (p *Promise) Failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// OnDone has the program's run called once the call is done, at once and on this goroutine if it is.
func (p *Promise) OnDone(run func()) {
	p.mu.Lock()
	w := p.observer()
	if w != nil {
		w.callbacks = append(w.callbacks, run)
	}
	p.mu.Unlock()
	if w == nil {
		p.exec.Callback(p.Name(), run)
	}
}

// Stats returns what is known of the call so far.
func (p *Promise) Stats() CallStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stats == nil {
		return CallStats{}
	}
	return *p.stats
}

// Name returns the function's name, for messages; a call that failed before
// its function was found has none.
func (p *Promise) Name() string {
	if p.fn == nil {
		return ""
	}
	return p.fn.Name()
}

// Standing returns how the call stands, in a word, and its error.
func (p *Promise) Standing() (state string, err error) {
	p.mu.Lock()
	c, done, err := p.call, p.done, p.err
	p.mu.Unlock()
	switch {
	case done && err == nil:
		return "done", nil
	case done:
		return "failed", err
	case c == nil: // being submitted
		return "queued", nil
	case c.running:
		return "running", nil
	case c.outside:
		return "pending", nil
	}
	p.exec.mu.Lock()
	defer p.exec.mu.Unlock()
	if len(c.flights) > 0 {
		return "running", nil
	}
	return "queued", nil
}
