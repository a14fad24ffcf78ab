package ask

import (
	"encoding/json"
	"fmt"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/deploy/shared"
)

// A Converter converts between JSON and what travels of the calls of one function.
type Converter struct {
	fn  lambdapool.Foreign
	sig *signature
}

// NewConverter makes one, or says which type has no JSON form.
func NewConverter(fn lambdapool.Foreign) (*Converter, error) {
	sig, err := parseSignature(fn.Signature, fn.Shape)
	if err != nil {
		return nil, &shared.Error{Op: "convert", Err: fmt.Errorf("%s %s has no JSON form: %w", fn.Name, fn.Shape, err), Hint: "use a Go program that is compiled with its types"}
	}
	return &Converter{fn, sig}, nil
}

// Arguments encodes the arguments of one call, one JSON value each.
func (c *Converter) Arguments(args ...string) (lambdapool.Encoded, error) {
	data, err := c.sig.encode(args)
	if err != nil {
		return nil, &shared.Error{Op: "convert", Kind: shared.ErrInvalid, Err: fmt.Errorf("%s: %w", c.fn.Name, err), Hint: "it is " + c.fn.Shape}
	}
	return data, nil
}

// Result returns the result of a call as JSON.
func (c *Converter) Result(data lambdapool.Encoded) (json.RawMessage, error) {
	value, err := c.sig.decode(data)
	if err != nil {
		return nil, &shared.Error{Op: "convert", Err: fmt.Errorf("the result of %s: %w", c.fn.Name, err), Hint: "it is " + c.fn.Shape}
	}
	return value, nil
}
