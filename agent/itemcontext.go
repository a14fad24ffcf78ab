package agent

import (
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/lambdapool/lambdapool/internal/funclog"
	"github.com/lambdapool/lambdapool/internal/lazyctx"
	"github.com/lambdapool/lambdapool/internal/nested"
	"github.com/lambdapool/lambdapool/internal/relief"
)

// A runContext is the context of a run's functions. They may keep it for longer than the run takes, so it has all that
// it needs, and nothing else.
type runContext struct {
	lazyctx.Bounded

	scope nested.Scope
	logs  funclog.Invocation
}

// RequestID implements funclog.Platform.
func (c *runContext) RequestID() string {
	if platform, ok := lambdacontext.FromContext(c); ok {
		return platform.AwsRequestID
	}
	return ""
}

// Value implements context.Context.
func (c *runContext) Value(key any) any {
	switch key {
	case funclog.Key:
		return &c.logs
	case relief.Key: // the invoker's is not for what functions call
		return nil
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

	of    *runContext
	index int // of the item
}

// Value implements context.Context.
func (c *itemContext) Value(key any) any {
	if key == funclog.Key {
		return c.of.logs.Item(c.index)
	}
	return c.Context.Value(key)
}
