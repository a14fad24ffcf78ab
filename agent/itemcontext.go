package agent

import (
	"context"
	"sync"

	"github.com/lambdapool/lambdapool/internal/funclog"
)

// An itemContext is the context of one item of several. It ends with the item, or before
// with the run. Most functions of a millisecond never wait for that, and a context.WithCancel for
// each would cost more than their call: it is made for those that do.
type itemContext struct {
	context.Context // of the run

	run   *run
	index int // of the item

	mu    sync.Mutex
	over  bool            // the item has ended
	own   context.Context // nil: nobody has asked for it
	close context.CancelFunc
}

// end ends the context of an item that has ended.
func (c *itemContext) end() {
	c.mu.Lock()
	c.over = true
	closeOwn := c.close
	c.mu.Unlock()
	if closeOwn != nil {
		closeOwn()
	}
}

// made returns the context that can be waited for.
func (c *itemContext) made() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.own == nil {
		c.own, c.close = context.WithCancel(c.Context)
		if c.over {
			c.close()
		}
	}
	return c.own
}

// Done makes the context that can be waited for: whoever asks for it means to wait.
func (c *itemContext) Done() <-chan struct{} { return c.made().Done() }

// Err does not make one, since a loop may ask for it a million times.
func (c *itemContext) Err() error {
	c.mu.Lock()
	own, over := c.own, c.over
	c.mu.Unlock()
	switch {
	case own != nil:
		return own.Err()
	case c.Context.Err() != nil:
		return c.Context.Err()
	case over:
		return context.Canceled
	}
	return nil
}

// Value finds the own context if there is one, where package context looks for the one
// that a derived context hangs on.
func (c *itemContext) Value(key any) any {
	if key == funclog.Key {
		return c.run.logs.Item(c.index)
	}
	c.mu.Lock()
	asked := c.own != nil || c.over
	c.mu.Unlock()
	if asked {
		return c.made().Value(key)
	}
	return c.Context.Value(key)
}
