package lazyctx

import (
	"context"
	"time"
)

// A Bounded is a [Context] that may have a deadline, and that others may follow without waiting for it. End must be
// called in the end: its parent knows of it.
type Bounded struct {
	Context

	in bounds
}

type bounds struct {
	deadline time.Time // zero: none before the parent's
	up       node      // to the parent
	first    *node     // who follows; guarded by mu of the Context
	own      own       // what own of the Context points to: most backends wait for an attempt
}

// room is where own of the Context lies. It is asked for once.
func (b *bounds) room() *own {
	if b == nil {
		return new(own)
	}
	return &b.own
}

// Start begins a context below parent, which ends at deadline at the latest. A zero deadline is none.
func (b *Bounded) Start(parent context.Context, deadline time.Time) {
	b.Context.Start(parent)
	b.bounds = &b.in
	if at, ok := parent.Deadline(); !ok || deadline.Before(at) {
		b.in.deadline = deadline
	}
	b.in.up.join(parent, (*heir)(&b.Context))
}

// passed reports whether there is a deadline and it has passed.
func (b *bounds) passed(now time.Time) bool {
	if b == nil || b.deadline.IsZero() {
		return false
	}
	if now.IsZero() {
		now = time.Now()
	}
	return !now.Before(b.deadline)
}

// A heir hears of the end of its parent. Of a deadline it does not hear: its own is no later.
type heir Context

func (h *heir) Ended() {
	c := (*Context)(h)
	_ = c.ErrAt(time.Time{}) // notes which of the two was first
	if o := c.own.Load(); o != nil {
		<-o.Done() // package context may have begun with others
	}
	c.tell()
}

// bounded is implemented by what embeds a Bounded.
type bounded interface{ followed() *Context }

func (b *Bounded) followed() *Context { return &b.Context }
