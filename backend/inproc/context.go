package inproc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/lazyctx"
	"github.com/lambdapool/lambdapool/internal/nested"
	"github.com/lambdapool/lambdapool/internal/relief"
)

// A runContext is what an invocation's functions get of their context from the backend. It ends with the backend,
// at its timeout, and with its caller's, of which it knows no more than that.
type runContext struct {
	lazyctx.Bounded

	b      *Backend
	began  time.Time
	from   context.Context // that of Invoke
	caller lazyctx.Link    // from that
	mark   *nested.Mark    // of the attempt, if an executor sends it
	id     string          // of the request

	to   relief.Relief[*driver.Response] // of the goroutine that has called Invoke; nil: there is none
	left atomic.Bool
}

// newRun returns the context of a request that begins now.
func (b *Backend) newRun(id string, now time.Time) *runContext {
	c := &runContext{b: b, began: now, id: id}
	c.Start(&b.base, now.Add(b.timeout))
	return c
}

// enter has c follow the context of Invoke, until it leaves.
func (c *runContext) enter(from context.Context) {
	c.from = from
	c.caller.Follow(from, c)
}

// leave ends c, and what Invoke keeps Close waiting for. A zero time has the clock read, if it matters.
func (c *runContext) leave(now time.Time) {
	if c.left.CompareAndSwap(false, true) {
		c.caller.Unfollow()
		c.EndAt(now)
		c.b.active.Done()
	}
}

// Ended hears that the caller's context has ended.
func (c *runContext) Ended() { c.End() }

// Relieve implements relief.Relief: the handler's answer is there, and the function holds up the goroutine of Invoke.
func (c *runContext) Relieve(payload []byte, err error) { c.to.Relieve(c.outcome(payload, err)) }

// outcome leaves, and returns what Invoke returns for the handler's answer.
func (c *runContext) outcome(payload []byte, err error) (*driver.Response, error) {
	if err == nil {
		now := time.Now()
		c.leave(now)
		return &driver.Response{Payload: payload, RequestID: c.id, Duration: now.Sub(c.began)}, nil
	}
	defer c.leave(time.Time{})
	var bad *agent.BadRequestError
	switch {
	case errors.As(err, &bad):
		return nil, &driver.InvokeError{
			Outcome:   driver.OutcomeNotRun,
			Kind:      driver.ErrDecode,
			Err:       err,
			Permanent: true,
			RequestID: c.id,
		}
	case c.from.Err() != nil:
		return nil, ended(c.from, driver.OutcomeUnknown, c.id)
	case c.b.base.Err() != nil:
		return nil, &driver.InvokeError{
			Kind:      driver.ErrClosed,
			Err:       errors.New("the backend was closed while the function ran"),
			Permanent: true,
			RequestID: c.id,
		}
	case c.Err() != nil:
		return nil, &driver.InvokeError{
			Outcome:   driver.OutcomeRan,
			Kind:      driver.ErrTimeout,
			Err:       fmt.Errorf("the function ran for %v, its timeout", c.b.timeout),
			RequestID: c.id,
		}
	}
	return nil, &driver.InvokeError{Err: err, RequestID: c.id}
}

// Value implements context.Context.
func (c *runContext) Value(key any) any {
	switch key {
	case lambdaKey:
		return &lambdacontext.LambdaContext{AwsRequestID: c.id} // few ask
	case relief.Key:
		if c.to == nil {
			return nil
		}
		return relief.Relief[[]byte](c)
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
