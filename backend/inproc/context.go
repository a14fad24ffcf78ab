package inproc

import (
	"context"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/lambdapool/lambdapool/internal/lazyctx"
	"github.com/lambdapool/lambdapool/internal/nested"
)

// A runContext is what an invocation's functions get of their context from the backend. It ends with the backend,
// at its timeout, and with its caller's, of which it knows no more than that.
type runContext struct {
	lazyctx.Bounded

	caller lazyctx.Link // from the context of Invoke
	mark   *nested.Mark // of the attempt, if an executor sends it
	lambda lambdacontext.LambdaContext
}

// newRun returns the context of a request that begins now.
func (b *Backend) newRun(id string, now time.Time) *runContext {
	c := &runContext{lambda: lambdacontext.LambdaContext{AwsRequestID: id}}
	c.Start(&b.base, now.Add(b.timeout))
	return c
}

// Ended hears that the caller's context has ended.
func (c *runContext) Ended() { c.End() }

// id is the request's.
func (c *runContext) id() string { return c.lambda.AwsRequestID }

// Value implements context.Context.
func (c *runContext) Value(key any) any {
	if key == lambdaKey {
		return &c.lambda
	}
	if v := c.mark.Value(key); v != nil {
		return v
	}
	return c.Bounded.Value(key)
}

// lambdaKey is under which lambdacontext.FromContext looks. Package lambdacontext does not say, but asks for it.
var lambdaKey = func() any {
	var asked keyOf
	_, _ = lambdacontext.FromContext(&asked)
	return asked.key
}()

// keyOf is a context that notes under which key it is asked for a value.
type keyOf struct {
	context.Context

	key any
}

func (c *keyOf) Value(key any) any {
	c.key = key
	return nil
}

// newID names a request.
func (b *Backend) newID() string {
	name := make([]byte, 0, 32) // stays on the stack
	return string(strconv.AppendUint(append(name, "inproc-"...), b.number.Add(1), 10))
}
