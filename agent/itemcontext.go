package agent

import (
	"github.com/lambdapool/lambdapool/internal/funclog"
	"github.com/lambdapool/lambdapool/internal/lazyctx"
	"github.com/lambdapool/lambdapool/internal/nested"
)

// A runContext is the context of a run's functions.
type runContext struct {
	lazyctx.Bounded

	scope nested.Scope
	run   *run
}

// Value implements context.Context.
func (c *runContext) Value(key any) any {
	if key == funclog.Key {
		return &c.run.logs
	}
	if v := c.scope.Value(key); v != nil {
		return v
	}
	return c.Bounded.Value(key)
}

// An itemContext is the context of one item of several. It ends with the item, or before
// with the run.
type itemContext struct {
	lazyctx.Context

	run   *run
	index int // of the item
}

// Value implements context.Context.
func (c *itemContext) Value(key any) any {
	if key == funclog.Key {
		return c.run.logs.Item(c.index)
	}
	return c.Context.Value(key)
}
