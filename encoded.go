package lambdapool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/lambdapool/lambdapool/internal/detached"
)

// Encoded is what travels of a call: its arguments, or its result, as package codec
// encodes them. It is how programs send and read detached runs of functions that they
// were not compiled with.
type Encoded []byte

// A Foreign is a function that this program was not compiled with, as its agent, or a
// run of it ([RunInfo]), describes it.
type Foreign struct {
	Name      string // the registered name
	Shape     string // as [Function.Shape]
	Signature string // as [Function.Signature]
}

// AttachEncoded finds a detached run as [Executor.Attach] does, without the function that it
// calls: results are as they were encoded.
func (e *Executor) AttachEncoded(ctx context.Context, id string, opts ...MapOption) (*Run[Encoded], error) {
	if e == nil {
		return nil, errNoExecutor()
	}
	return attachTo[Encoded](ctx, e, func(m *detached.Manifest) (*Function, error) {
		return Foreign{Name: m.Func, Shape: m.Shape, Signature: m.Signature}.function()
	}, id, opts)
}

// MapDetachedEncoded is [MapDetached] of a function that this program was not compiled with.
// Each of args holds all arguments of one call, back to back. Nothing is known of
// the function's being [Idempotent], so only the first delivery of a call runs.
func (e *Executor) MapDetachedEncoded(ctx context.Context, fn Foreign, args []Encoded, opts ...MapOption) (*Run[Encoded], error) {
	if e == nil {
		return nil, errNoExecutor()
	}
	f, err := fn.function()
	if err != nil {
		return nil, err
	}
	s, err := submissionOf(ctx, e, f, opts)
	if err != nil {
		return nil, err
	}
	return startRun[Encoded](s, len(args), func(yield func([]byte, error) bool) {
		for arg := range slices.Values(args) {
			if !yield(arg, nil) {
				return
			}
		}
	})
}

// function returns f as executors handle functions. It cannot be called.
func (f Foreign) function() (*Function, error) {
	err := checkName(f.Name)
	if err == nil && f.Signature == "" {
		err = errors.New("the signature is empty")
	}
	if err != nil {
		return nil, callError("name the function", "", ErrBadArguments, err, "")
	}
	return &Function{name: f.Name, shape: f.Shape, signature: f.Signature, fingerprint: fingerprint(f.Name, f.Signature)}, nil
}

// foreign reports whether this program was not compiled with f.
func (f *Function) foreign() bool { return f.call == nil }

// keep makes data the value of a call of a foreign function.
func (v *Encoded) keep(data []byte, own bool) {
	if *v = data; !own {
		*v = bytes.Clone(data)
	}
}

// fingerprint hashes what client and agent must agree on.
func fingerprint(name, signature string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\n%s", name, signature)
	return h.Sum64()
}
