package deploy

import (
	"context"
	"errors"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/deploy/internal/ask"
)

// Call calls a registered function of a deployed agent. Use it to try a function, or from tools
// that have no Go types for it. For work, use package lambdapool: it needs one invocation per
// call instead of two, knows types, and retries.
//
// Arguments are converted as encoding/json does: numbers must fit, unknown fields are errors,
// []byte is base64, time.Time is RFC 3339. Functions whose parameters or result are complex
// numbers, contain themselves, or have maps with keys other than strings and integers cannot be
// called this way.
//
// It makes two invocations: one asks for the signature, one runs. Each is tried again, up to
// eight times, as long as Lambda did not start it, for instance when it is throttled. When it
// is unknown whether the function ran, it is not tried again. Call blocks until the answer. The
// end of ctx ends the waiting, but not the run, which is billed.
//
// An error of the function is a *lambdapool.FunctionError. One that matches [ErrInvalid] is
// about the arguments or the name of the Lambda function, lambdapool.ErrNotRegistered is about
// the name of the function, and [ErrNotAgent] is about what answers. Errors of the invocation
// match the sentinels of package lambdapool.
func (c *Client) Call(ctx context.Context, name string, call Call) (*Result, error) {
	if err := checkName(name); err != nil {
		return nil, fail("invoke", name, err)
	}
	var r *Result
	err := c.agent(ctx, name, call.Qualifier, func(a *ask.Agent) (err error) {
		r, err = a.Call(ctx, call)
		return err
	})
	if ferr, ok := errors.AsType[*lambdapool.FunctionError](err); ok {
		return nil, ferr
	}
	return r, fail("invoke", name, err)
}
