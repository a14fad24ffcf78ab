package lambdapool

import (
	"bytes"
	"context"
	"slices"

	"github.com/lambdapool/lambdapool/internal/detached"
	"github.com/lambdapool/lambdapool/internal/registry"
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
	return attachTo[Encoded](ctx, e, func(m *detached.Manifest) (*registry.Function, error) {
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
	s, err := startingOf(ctx, e, f, opts)
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
func (f Foreign) function() (*registry.Function, error) {
	known, err := registry.NewForeign(f.Name, f.Shape, f.Signature)
	if err != nil {
		return nil, callError("name the function", "", ErrBadArguments, err, "")
	}
	return known, nil
}

// keep makes data the value of a call of a foreign function.
func (v *Encoded) keep(data []byte, own bool) {
	if *v = data; !own {
		*v = bytes.Clone(data)
	}
}
