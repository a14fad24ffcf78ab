package registry

import (
	"errors"
	"fmt"
	"hash/fnv"
)

// NewForeign returns a function that this program was not compiled with, by what its agent says of
// it. It is in no [Registry], and cannot be called here: tools send it arguments that they have
// encoded themselves. The error is for an empty signature, or a name that no function can have.
func NewForeign(name, shape, signature string) (*Function, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if signature == "" {
		return nil, errors.New("the signature is empty")
	}
	return &Function{name: name, shape: shape, signature: signature, fingerprint: fingerprint(name, signature)}, nil
}

// Foreign reports whether this program was not compiled with f.
func (f *Function) Foreign() bool { return f.call == nil }

// fingerprint hashes what client and agent must agree on. It guards against mistakes, not against
// somebody who looks for a collision: who can send a call can send any.
func fingerprint(name, signature string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\n%s", name, signature)
	return h.Sum64()
}
