package lambdapool

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A promise is the part of a call that outlives it: how it ended, and who
// waits for that. It is embedded in what the caller holds, a Future or an item
// of a run. A million of them may be kept, so it is small, and what only a
// pending call needs is in its call.
type promise struct {
	exec    *Executor
	fn      *Function
	claimed atomic.Bool // whoever sets it, and nobody else, ends the call

	mu    sync.Mutex // guards the rest
	done  bool
	call  *call // while it is pending
	watch *watch
	err   error
	stats *CallStats // nil until the first send
}

// watch is what waits for a call: allocated only when something does.
type watch struct {
	done      chan struct{}
	hooks     []*hook  // of this package: short, run in place
	callbacks []func() // the user's: run in order on a goroutine of their own
}

// A hook is run once by a call that ends. Its address tells it from others.
type hook struct{ run func() }

// closedChan is Done() of every call that is done before anyone asks.
var closedChan = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// claim reports whether the caller is the one to end the call.
func (p *promise) claim() bool { return p.claimed.CompareAndSwap(false, true) }

// finish ends the call with an encoded result or an error, unless it has ended
// already.
func (p *promise) finish(data []byte, own bool, err error) {
	if !p.claim() {
		return
	}
	if err == nil {
		err = p.call.sink.decode(p.fn, data, own)
	}
	p.complete(err)
}

// cancel ends the call with kind and cause, unless it has ended already, and
// reports whether it did. What is running is abandoned.
func (p *promise) cancel(kind, cause error, hint string) bool {
	if !p.claim() {
		return false
	}
	p.abandon(kind, cause, hint)
	return true
}

// abandon ends a claimed call without waiting for what is in flight of it.
func (p *promise) abandon(kind, cause error, hint string) {
	p.mu.Lock()
	c := p.call
	outcome := OutcomeNotRun
	if c.mayHaveRun {
		outcome = OutcomeUnknown
		if hint == "" {
			hint = "it was sent already and may run on"
		}
	}
	if c.throttled != nil && kind == ErrTimeout {
		cause = fmt.Errorf("%w: %w", cause, c.throttled)
	}
	p.mu.Unlock()
	err := callError("call", p.fn.name, kind, cause, hint)
	err.Outcome = outcome
	p.complete(err)
}

// claimed returns those of calls that were not claimed before, and now are.
// Claiming all before one is ended keeps a worker that becomes free from
// sending the next.
func claimed(calls []*call) []*call {
	return slices.DeleteFunc(calls, func(c *call) bool { return !c.claim() })
}

// complete publishes the end of a claimed call.
func (p *promise) complete(err error) {
	c := p.call // only who has claimed it takes it away
	p.exec.counting(c, err)
	p.mu.Lock()
	w := p.watch
	stats := p.measured()
	stats.Total = time.Since(c.accepted)
	var pool *PoolError
	if errors.As(err, &pool) {
		pool.Attempts = stats.Attempts
		if pool.RequestID == "" {
			pool.RequestID = stats.RequestID
		}
	}
	p.err, p.done = err, true
	p.call, p.watch = nil, nil
	p.mu.Unlock()
	if w != nil {
		if w.done != nil {
			close(w.done)
		}
		for _, h := range w.hooks {
			h.run()
		}
		if len(w.callbacks) > 0 {
			p.exec.runCallbacks(p.fn.name, w.callbacks)
		}
	}
	c.sink.completed() // may send items again, so that the executor is not idle yet
	p.exec.forget(c)
}

// fail ends a call that was never accepted.
func (p *promise) fail(err error) {
	p.claimed.Store(true)
	p.done, p.err = true, err
}

// measured returns the stats to write to. p.mu is held.
func (p *promise) measured() *CallStats {
	if p.stats == nil {
		p.stats = &CallStats{}
	}
	return p.stats
}

// observer returns the watch to add to, or nil when the call is done.
// p.mu is held.
func (p *promise) observer() *watch {
	if p.done {
		return nil
	}
	if p.watch == nil {
		p.watch = &watch{}
	}
	return p.watch
}

// doneChan returns a channel that is closed when the call is done.
func (p *promise) doneChan() <-chan struct{} {
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

// hook has h run when the call is done, at once when it is.
func (p *promise) hook(h *hook) {
	p.mu.Lock()
	w := p.observer()
	if w != nil {
		w.hooks = append(w.hooks, h)
	}
	p.mu.Unlock()
	if w == nil {
		h.run()
	}
}

// unhook takes h back, if it has not run.
func (p *promise) unhook(h *hook) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watch != nil {
		p.watch.hooks = slices.DeleteFunc(p.watch.hooks, func(other *hook) bool { return other == h })
	}
}

// isDone reports whether the call is done.
func (p *promise) isDone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

// failure returns the error of a call that is done.
func (p *promise) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}
