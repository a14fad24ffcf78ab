package lazyctx

import (
	"context"
	"time"
)

// A Listener is told that a context has ended.
type Listener interface {
	// Ended may be called more than once, by any goroutine, and by that of Follow if the context has ended already. It
	// must not block.
	Ended()
}

// A Link has a [Listener] follow a context. It lies in the struct of what follows, and is used once.
type Link struct {
	node

	timer *time.Timer // of the deadline
	until *Context    // whose deadline that is
}

// A node is a Link that does not hear of deadlines.
type node struct {
	to   Listener
	stop func() bool // where the context is no Bounded

	// Where it is a Bounded.
	of         *Context
	next, prev *node // guarded by of.mu while it is listed
	listed     bool  // guarded by of.mu
}

// Follow has to told when ctx has ended. It is cheap if ctx is a [Bounded]; if not, [context.AfterFunc] does it.
func (l *Link) Follow(ctx context.Context, to Listener) {
	l.join(ctx, to)
	for b, ok := ctx.(bounded); ok; b, ok = b.followed().parent.(bounded) {
		if c := b.followed(); !c.bounds.deadline.IsZero() { // the parents' are later
			l.until = c
			l.timer = time.AfterFunc(time.Until(c.bounds.deadline), l.due)
			return
		}
	}
}

// Unfollow ends that. It reports whether Ended was never called but by Follow itself, and never will be: otherwise it may
// still be running.
func (l *Link) Unfollow() (never bool) {
	never = l.timer == nil || l.timer.Stop()
	return l.leave() && never
}

// due ends the context whose deadline it is, and tells of that.
func (l *Link) due() {
	_ = l.until.ended(context.DeadlineExceeded, context.DeadlineExceeded)
	<-l.until.Done() // what package context has made of it has a timer of its own
	l.to.Ended()
}

// join has to told of all ends of ctx but those by a deadline of a Bounded.
func (n *node) join(ctx context.Context, to Listener) {
	n.to = to
	b, ok := ctx.(bounded)
	if !ok {
		if ctx.Done() != nil {
			n.stop = context.AfterFunc(ctx, to.Ended)
		}
		return
	}
	c := b.followed()
	n.of = c
	c.mu.Lock()
	n.listed = true
	if n.next = c.bounds.first; n.next != nil {
		n.next.prev = n
	}
	c.bounds.first = n
	c.mu.Unlock()
	if c.noted() { // whoever ended it may have told the others already
		c.tell()
	}
}

// leave ends that. It reports whether to was not told, and will not be.
func (n *node) leave() (never bool) {
	if n.of == nil {
		return n.stop == nil || n.stop()
	}
	n.of.mu.Lock()
	defer n.of.mu.Unlock()
	if !n.listed {
		return false
	}
	n.listed = false
	if n.prev == nil {
		n.of.bounds.first = n.next
	} else {
		n.prev.next = n.next
	}
	if n.next != nil {
		n.next.prev = n.prev
	}
	n.next, n.prev = nil, nil
	return true
}

// tell tells all that follow.
func (c *Context) tell() {
	if c.bounds == nil {
		return
	}
	c.mu.Lock()
	n := c.bounds.first
	c.bounds.first = nil
	for told := n; told != nil; told = told.next {
		told.listed = false
	}
	c.mu.Unlock()
	for n != nil {
		next := n.next
		n.next, n.prev = nil, nil // nobody else touches what is not listed
		n.to.Ended()
		n = next
	}
}
