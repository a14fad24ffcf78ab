package engine

import (
	"github.com/lambdapool/lambdapool/internal/lazyctx"
	"github.com/lambdapool/lambdapool/internal/nested"
)

// A markedContext is the context of an attempt for the backend. It says which invocation it is, for functions
// that run in this process. Others that get the attempt's context, such as a store, are not called by a function.
type markedContext struct {
	*lazyctx.Bounded

	mark nested.Mark
}

// marks makes it that of inv.
func (c *markedContext) marks(inv *invocation) {
	c.Bounded = &inv.ctx
	c.mark.Owner, c.mark.Executor = inv, inv.call.exec.public
}

// Value implements context.Context.
func (c *markedContext) Value(key any) any {
	if v := c.mark.Value(key); v != nil {
		return v
	}
	return c.Bounded.Value(key)
}
