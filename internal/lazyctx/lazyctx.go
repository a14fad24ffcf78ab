// Package lazyctx is contexts that cost next to nothing until somebody waits for them. Most functions of a
// microsecond never do, and package context would make a channel, a timer and an entry in a map for each.
//
// A context of this package looks at its parent and at the clock when it is asked whether it has ended. Whoever
// asks for Done gets what package context makes, and from then on that decides. So what is derived from it
// by package context hangs on a context of that package, takes no goroutine, and has its cause.
//
// Both types lie in the struct of what they belong to, which may have values for them: it embeds one and has a Value
// method of its own.
package lazyctx

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A Context ends with its parent, or before when [Context.End] is called. Call [Context.Start] first.
// After that it is safe for concurrent use.
type Context struct {
	parent context.Context
	bounds *bounds             // of a Bounded; nil: there is none
	own    atomic.Pointer[own] // nil: nobody has asked for it. Once set, it decides
	mu     sync.Mutex          // held to set own or over, and for the list in bounds
	over   atomic.Bool         // End was called, and nothing had ended it before; own was nil
	polls  atomic.Uint32       // calls of Err
}

// own is what package context makes.
type own struct {
	context.Context

	cancel context.CancelFunc
}

// Start begins a context below parent. It is called once, and before anything else.
func (c *Context) Start(parent context.Context) { c.parent = parent }

// End ends the context with [context.Canceled], unless it has ended before. Everything that hangs on it has
// ended when End returns, as with a CancelFunc.
func (c *Context) End() { c.EndAt(time.Time{}) }

// EndAt is End for whoever knows what time it is now.
func (c *Context) EndAt(now time.Time) {
	if c.bounds != nil {
		c.bounds.up.leave()
	}
	_ = c.ErrAt(now) // what has ended it before counts, although nobody has asked
	c.mu.Lock()
	o := c.own.Load()
	if o == nil {
		c.over.Store(true)
	}
	c.mu.Unlock()
	if o != nil {
		o.cancel()
	}
	c.tell()
}

// Deadline implements context.Context.
func (c *Context) Deadline() (time.Time, bool) {
	if c.bounds != nil && !c.bounds.deadline.IsZero() {
		return c.bounds.deadline, true
	}
	return c.parent.Deadline()
}

// Done implements context.Context: whoever asks for it means to wait.
func (c *Context) Done() <-chan struct{} { return c.made().Done() }

// mostPolls is how often Err looks by itself. A function that asks more often may ask a million times, and package
// context's answer takes a tenth of the time.
const mostPolls = 16

// Err implements context.Context.
func (c *Context) Err() error {
	if c.own.Load() == nil && c.polls.Add(1) > mostPolls {
		return c.made().Err()
	}
	return c.ErrAt(time.Time{})
}

// ErrAt is Err for whoever knows what time it is now. A zero time has the clock read, if it matters.
func (c *Context) ErrAt(now time.Time) error {
	if o := c.own.Load(); o != nil {
		return o.Err()
	}
	if c.over.Load() {
		return context.Canceled
	}
	if c.bounds.passed(now) {
		return c.ended(context.DeadlineExceeded, context.DeadlineExceeded)
	}
	if p, ok := c.parent.(lazy); ok {
		if p.core().ErrAt(now) == nil {
			return nil
		}
	}
	if err := c.parent.Err(); err != nil {
		return c.ended(err, context.Cause(c.parent))
	}
	return nil
}

// Value implements context.Context. Of a context that has ended, package context looks for the cause.
func (c *Context) Value(key any) any {
	if c.own.Load() != nil || c.over.Load() {
		return c.made().Value(key)
	}
	return c.parent.Value(key)
}

// String is what package context and package fmt print of it.
func (c *Context) String() string { return "lambdapool.Context" }

// made returns what package context makes of it.
func (c *Context) made() *own {
	if o := c.own.Load(); o != nil {
		return o
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.own.Load()
	if o != nil {
		return o
	}
	o = c.bounds.room()
	switch {
	case c.over.Load():
		*o = stopped(c.parent, context.Canceled, context.Canceled)
	case c.bounds != nil && !c.bounds.deadline.IsZero():
		o.Context, o.cancel = context.WithDeadline(c.parent, c.bounds.deadline)
	default:
		o.Context, o.cancel = context.WithCancel(c.parent)
	}
	c.own.Store(o)
	return o
}

// ended notes that the context was seen to have ended, and returns why it did: something else may have been seen first.
func (c *Context) ended(err, cause error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch o := c.own.Load(); {
	case o != nil:
		return o.Err()
	case c.over.Load():
		return context.Canceled
	}
	o := c.bounds.room()
	*o = stopped(c.parent, err, cause)
	c.own.Store(o)
	return o.Err()
}

// noted reports whether the context is known to have ended.
func (c *Context) noted() bool {
	if o := c.own.Load(); o != nil {
		return o.Err() != nil
	}
	return c.over.Load()
}

// stopped is a context of package context below parent that has ended with err because of cause.
func stopped(parent context.Context, err, cause error) (o own) {
	values, end := context.WithCancelCause(context.WithoutCancel(parent))
	end(cause)
	o.Context, o.cancel = context.WithCancel(withErr{values, err})
	return o
}

// withErr has another error than the context below, and the same cause.
type withErr struct {
	context.Context

	err error
}

func (c withErr) Err() error { return c.err }

// lazy is implemented by what embeds a Context.
type lazy interface{ core() *Context }

func (c *Context) core() *Context { return c }
