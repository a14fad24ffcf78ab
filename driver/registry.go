package driver

import (
	"context"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// A Registry maps names to functions. The same registrations are compiled into
// client and agent; a name is how one refers to the other's function.
// It is safe for concurrent use.
type Registry registry.Registry

// Lookup returns the function of that name.
func (r *Registry) Lookup(name string) (*Function, bool) {
	f, ok := (*registry.Registry)(r).Lookup(name)
	return (*Function)(f), ok
}

// Functions returns all functions, sorted by name.
func (r *Registry) Functions() []*Function {
	known := (*registry.Registry)(r).Functions()
	all := make([]*Function, len(known))
	for i, f := range known {
		all[i] = (*Function)(f)
	}
	return all
}

// Fingerprint hashes every function's name and shape. Two programs with equal
// fingerprints understand each other; with different ones they still do for
// each function whose own fingerprint is equal.
func (r *Registry) Fingerprint() uint64 { return (*registry.Registry)(r).Fingerprint() }

// ErrorCodes returns the codes of all sentinels that err matches, in the order
// of their registration.
func (r *Registry) ErrorCodes(err error) []string { return (*registry.Registry)(r).ErrorCodes(err) }

// ErrorValue returns what travels of err itself, not of what it wraps, or ok = false when its type was not
// registered with lambdapool.RegisterErrorType or it cannot be encoded. It is for agents.
func (r *Registry) ErrorValue(err error) (value codec.ErrorValue, ok bool) {
	return (*registry.Registry)(r).ErrorValue(err)
}

// A Function is a registered function without its static types: what agents
// and backends see of it. It is immutable and safe for concurrent use.
type Function registry.Function

// Name returns the registered name.
func (f *Function) Name() string { return (*registry.Function)(f).Name() }

// Shape returns what travels, as a Go signature without context and error:
// "func(int, int) int".
func (f *Function) Shape() string { return (*registry.Function)(f).Shape() }

// Signature returns the Shape with each struct type written out. It is what
// the Fingerprint hashes.
func (f *Function) Signature() string { return (*registry.Function)(f).Signature() }

// Fingerprint hashes name and signature. A call is refused when client and
// agent differ in it.
func (f *Function) Fingerprint() uint64 { return (*registry.Function)(f).Fingerprint() }

// Idempotent reports whether the function was registered as lambdapool.Idempotent.
func (f *Function) Idempotent() bool { return (*registry.Function)(f).Idempotent() }

// Call decodes the arguments, runs the function on this goroutine and encodes
// its result. The error is a *codec.DecodeError for the arguments, a
// *codec.EncodeError for the result, and otherwise the function's own. A panic
// of the function passes through.
func (f *Function) Call(ctx context.Context, args []byte) ([]byte, error) {
	return (*registry.Function)(f).Call(ctx, args)
}
