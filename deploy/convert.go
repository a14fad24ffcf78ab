package deploy

import (
	"context"
	"encoding/json"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/deploy/internal/ask"
)

// A Converter converts between JSON and what travels of the calls of a function that this
// program was not compiled with. It is for tools such as the lambdapool command, which know a
// function by its name alone. A program that has the function's Go types does not need it:
// package lambdapool encodes by itself.
//
// [Client.Call] has the rules of conversion. A Converter is immutable and safe for concurrent
// use. Make one per function, not per call.
type Converter struct{ c *ask.Converter }

// NewConverter makes a Converter from what an agent, or a detached run, says of the function:
// see [Client.Foreign]. It sends nothing. The error says which of the function's types has no
// JSON form. It matches no sentinel.
func NewConverter(fn lambdapool.Foreign) (*Converter, error) {
	c, err := ask.NewConverter(fn)
	if err != nil {
		return nil, err
	}
	return &Converter{c}, nil
}

// Arguments encodes the arguments of one call, one JSON value each, in the order of the
// parameters. For a parameter that is a string, text that is not in quotes is taken as it is. A
// variadic function takes any number of values for its last parameter.
//
// The error matches [ErrInvalid] when the number is wrong, a text is not JSON, or a value does
// not fit its parameter.
func (c *Converter) Arguments(args ...string) (lambdapool.Encoded, error) {
	return c.c.Arguments(args...)
}

// Result returns the result of a call as JSON, without a newline. It is null for a function
// without a result. An error means that data is not what the function's shape says, or that
// JSON cannot hold it, such as NaN. It matches no sentinel.
func (c *Converter) Result(data lambdapool.Encoded) (json.RawMessage, error) {
	return c.c.Result(data)
}

// Foreign asks the agent of a function for one of the functions that it registers, so that
// [NewConverter] or Executor.MapDetachedEncoded can use it. Of call only Function and Qualifier
// are used. Nothing runs but the agent's own answer.
//
// It blocks for the time of a call, or of two when there is no such name: then the error
// matches lambdapool.ErrNotRegistered and its Hint names a similar one.
func (c *Client) Foreign(ctx context.Context, name string, call Call) (lambdapool.Foreign, error) {
	if err := checkName(name); err != nil {
		return lambdapool.Foreign{}, fail("describe", name, err)
	}
	f := lambdapool.Foreign{Name: call.Function}
	err := c.agent(ctx, name, call.Qualifier, func(a *ask.Agent) (err error) {
		f.Shape, f.Signature, err = a.Signature(ctx, call.Function)
		return err
	})
	return f, fail("describe", name, err)
}
