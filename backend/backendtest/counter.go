package backendtest

import (
	"context"
	"sync/atomic"

	"github.com/lambdapool/lambdapool"
)

// A counter is a backend that counts what is sent to the one inside. It shows that a call which
// cannot succeed was never sent: an invocation costs money and time.
type counter struct {
	lambdapool.Backend

	n atomic.Int64
}

func (c *counter) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	c.n.Add(1)
	return c.Backend.Invoke(ctx, req)
}

func (c *counter) invocations() int64 { return c.n.Load() }
