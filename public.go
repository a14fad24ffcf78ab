package lambdapool

import (
	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// public returns the error that programs see of what has failed below: here alone it is made, where an end is
// stored, and never when it is read. fn is the function that was called, nil where it is not known. Errors that
// are public, or the program's own, it returns as they are, and whatever wraps one of ours.
func public(fn *registry.Function, r *registry.Registry, err error) error {
	switch err := err.(type) {
	case *failure.Pool:
		return (*PoolError)(err)
	case *failure.Function:
		if err.Public == nil {
			err.Public = functionError(fn, r, err)
		}
		return err.Public
	case *failure.Item:
		return &ItemError{Index: err.Index, Err: public(fn, r, err.Err)}
	case *registry.Problem:
		return public(fn, r, failure.Problem(err))
	}
	return err
}

// functionError makes the error that programs see of what their function has said.
func functionError(fn *registry.Function, r *registry.Registry, said *failure.Function) *FunctionError {
	wire := said.Wire
	err := &FunctionError{
		Func: fn.Name(), Type: wire.Type, Message: wire.Message, Panic: wire.Kind == codec.KindPanic,
		Stack: wire.Stack, RequestID: said.RequestID, LogTail: said.LogTail,
	}
	err.wrap(r, wire.Codes, wire.Values)
	for _, link := range wire.Chain {
		err.Chain = append(err.Chain, ErrorDetail(link))
	}
	return err
}

// said is what stands for every FunctionError where only counts are made of failures.
var said = new(failure.Function)

// below is what public was given for an error of a result, as far as one who counts must know.
func below(err error) error {
	item, ok := err.(*ItemError) //nolint:errorlint // as we have made it
	if !ok {
		return nil
	}
	switch err := item.Err.(type) {
	case *PoolError:
		return (*failure.Pool)(err)
	case *FunctionError:
		return said
	}
	return item.Err
}

// resolve finds the function that a call names: by its handle, by its name, or by the registered func
// value itself.
func (e *Executor) resolve(fn any) (*registry.Function, error) {
	if handle, ok := fn.(interface{ registered() *registry.Function }); ok {
		return e.own(handle.registered())
	}
	f, err := registry.Resolve(e.registry, fn)
	return f, public(f, e.registry, err)
}

// own checks that f, from a handle, is one that the executor knows.
func (e *Executor) own(f *registry.Function) (*registry.Function, error) {
	f, err := registry.Own(e.registry, f)
	return f, public(f, e.registry, err)
}
