package lambdapool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A call is one accepted call from Submit to its end: a small struct in lists,
// never a goroutine of its own. It is embedded in what the caller holds (a
// Future, an item of a Map), so that a queued call is one allocation and its
// encoded arguments.
type call struct {
	exec     *Executor
	fn       *Function
	ctx      context.Context
	args     []byte
	sink     sink
	accepted time.Time

	// Lists and schedule, guarded by exec.mu.
	next                     *call // ready queue
	prevLive, nextLive       *call
	group                    *ctxGroup
	prevInGroup, nextInGroup *call
	deadline                 time.Time // by WithTimeout; zero: none
	running                  *invocation

	claimed atomic.Bool // whoever sets it, and nobody else, completes the call

	mu         sync.Mutex // guards the rest
	done       bool
	tries      int // invocations sent
	runs       int // of them, those that ran or may have run, once their end is known
	rejected   int // of them, those turned away for another reason than load
	mayHaveRun bool
	throttled  error // the last refusal for load, if nothing ran since
	watch      *watch
	err        error
	stats      CallStats
}

// A sink takes what a call brought back.
type sink interface {
	// decode turns the encoded result into the value. It is called at most once.
	decode(fn *Function, data []byte) error
	// completed is called once an accepted call has ended. It must not block.
	completed()
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

// finish ends the call with an encoded result or an error, unless it has ended
// already, and reports whether it did.
func (c *call) finish(data []byte, err error) bool {
	if !c.claimed.CompareAndSwap(false, true) {
		return false
	}
	if err == nil {
		err = c.decode(data)
	}
	c.complete(err)
	return true
}

// decode contains a panic of a user's own unmarshaler.
func (c *call) decode(data []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
		if err != nil {
			err = &PoolError{Op: "decode result of", Func: c.fn.name, Kind: ErrDecode, Err: err, Outcome: OutcomeRan}
		}
	}()
	return c.sink.decode(c.fn, data)
}

// complete publishes the end of a claimed call.
func (c *call) complete(err error) {
	c.mu.Lock()
	c.err = err
	c.done = true
	c.stats.Total = time.Since(c.accepted)
	var pool *PoolError
	if errors.As(err, &pool) {
		pool.Attempts = c.stats.Attempts
		if pool.RequestID == "" {
			pool.RequestID = c.stats.RequestID
		}
	}
	w, to := c.watch, c.sink
	c.watch, c.args, c.sink = nil, nil, nil
	c.mu.Unlock()
	if w != nil {
		if w.done != nil {
			close(w.done)
		}
		for _, h := range w.hooks {
			h.run()
		}
		if len(w.callbacks) > 0 {
			c.exec.runCallbacks(c.fn.name, w.callbacks)
		}
	}
	c.exec.forget(c, err)
	to.completed()
}

// fail completes a call that was never accepted.
func (c *call) fail(err error) {
	c.claimed.Store(true)
	c.done, c.err = true, err
}

// cancel ends the call with kind and cause. What is running is abandoned.
func (c *call) cancel(kind, cause error, hint string) bool {
	if !c.claimed.CompareAndSwap(false, true) {
		return false
	}
	c.mu.Lock()
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
	c.mu.Unlock()
	err := callError("call", c.fn.name, kind, cause, hint)
	err.Outcome = outcome
	c.complete(err)
	return true
}

// observer returns the call's watch to add to, or nil when the call is done.
// c.mu is held.
func (c *call) observer() *watch {
	if c.done {
		return nil
	}
	if c.watch == nil {
		c.watch = &watch{}
	}
	return c.watch
}

// doneChan returns a channel that is closed when the call is done.
func (c *call) doneChan() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.observer()
	if w == nil {
		return closedChan
	}
	if w.done == nil {
		w.done = make(chan struct{})
	}
	return w.done
}

// hook has h run when the call is done, at once when it is.
func (c *call) hook(h *hook) {
	c.mu.Lock()
	w := c.observer()
	if w != nil {
		w.hooks = append(w.hooks, h)
	}
	c.mu.Unlock()
	if w == nil {
		h.run()
	}
}

// unhook takes h back, if it has not run.
func (c *call) unhook(h *hook) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watch != nil {
		c.watch.hooks = slices.DeleteFunc(c.watch.hooks, func(other *hook) bool { return other == h })
	}
}

// isDone reports whether the call is done.
func (c *call) isDone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done
}

// failure returns the error of a call that is done.
func (c *call) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
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
