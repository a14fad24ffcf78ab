package deploy

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/lambdapool/lambdapool"
)

// A Converter converts between JSON and what travels of the calls of a function that this
// program was not compiled with. [Client.Call] says how. It is immutable and safe for
// concurrent use.
type Converter struct {
	fn  lambdapool.Foreign
	sig *signature
}

// NewConverter makes one from what an agent, or a detached run, says of the function. The error
// says which of its types have no JSON form.
func NewConverter(fn lambdapool.Foreign) (*Converter, error) {
	sig, err := parseSignature(fn.Signature, fn.Shape)
	if err != nil {
		return nil, &Error{Op: "convert", Err: fmt.Errorf("%s %s has no JSON form: %w", fn.Name, fn.Shape, err), Hint: "use a Go program that is compiled with its types"}
	}
	return &Converter{fn, sig}, nil
}

// Arguments encodes those of one call, one JSON value each. The error matches [ErrInvalid].
func (c *Converter) Arguments(args ...string) (lambdapool.Encoded, error) {
	data, err := c.sig.encode(args)
	if err != nil {
		return nil, &Error{Op: "convert", Kind: ErrInvalid, Err: fmt.Errorf("%s: %w", c.fn.Name, err), Hint: "it is " + c.fn.Shape}
	}
	return data, nil
}

// Result returns the result of a call as JSON; null for a function without one.
func (c *Converter) Result(data lambdapool.Encoded) (json.RawMessage, error) {
	value, err := c.sig.decode(data)
	if err != nil {
		return nil, &Error{Op: "convert", Err: fmt.Errorf("the result of %s: %w", c.fn.Name, err), Hint: "it is " + c.fn.Shape}
	}
	return value, nil
}

// Foreign asks the agent of name for one of its functions. Args is not used. It blocks for the time
// of a call, or two.
func (c *Client) Foreign(ctx context.Context, name string, call Call) (lambdapool.Foreign, error) {
	if err := checkName(name); err != nil {
		return lambdapool.Foreign{}, fail("describe", name, err)
	}
	shape, full, err := c.signature(ctx, name, call)
	return lambdapool.Foreign{Name: call.Function, Shape: shape, Signature: full}, fail("describe", name, err)
}
