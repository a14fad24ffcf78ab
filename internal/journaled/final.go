package journaled

import (
	"context"
	"errors"
	"reflect"
	"slices"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// finalKinds are the kinds of failures of the pool that a journal records, by the names that it
// has for them. What is not here is run again.
var finalKinds = map[string]error{
	"out of memory": driver.ErrOutOfMemory,
	"agent crashed": driver.ErrAgentCrashed,
	"unknown":       driver.ErrUnknownOutcome,
	"encode":        driver.ErrEncode,
	"decode":        driver.ErrDecode,
	"too large":     driver.ErrTooLarge,
}

// A finalError is an item's last failure, in a journal. Its fields are those of what a function has said, or with a
// Kind, of a failure of the pool.
type finalError struct {
	Type, Message string
	Panic         bool
	Stack         string
	RequestID     string
	Chain         []codec.ErrorLink
	Codes         []string
	Values        []codec.ErrorValue

	Kind     string
	Op       string
	Outcome  uint8
	Attempts int
	Hint     string
	LogTail  string
}

// EncodeFinal encodes what an item of f's has failed with, or returns ok = false when it is not final.
func EncodeFinal(f *registry.Function, err error) (data []byte, ok bool) {
	var final finalError
	switch err := err.(type) { // what wraps a failure is somebody else's
	case *failure.Function:
		wire := err.Wire
		if slices.Contains(wire.Codes, registry.CodeCanceled) || slices.Contains(wire.Codes, registry.CodeDeadline) {
			return nil, false // it tells of the time there was, not of the item
		}
		final = finalError{
			Type: wire.Type, Message: wire.Message, Panic: wire.Kind == codec.KindPanic, Stack: wire.Stack,
			RequestID: err.RequestID, Chain: wire.Chain, Codes: wire.Codes, Values: wire.Values,
		}
	case *failure.Pool:
		kind := finalKind(err)
		if kind == "" || err.Outcome == driver.OutcomeNotRun || f.Idempotent() {
			return nil, false
		}
		final = finalError{
			Kind: kind, Op: err.Op, Message: err.Err.Error(), RequestID: err.RequestID, Outcome: uint8(err.Outcome),
			Attempts: err.Attempts, Hint: err.Hint, LogTail: err.LogTail,
		}
	default:
		return nil, false
	}
	data, err = codec.Marshal(finalType(), []reflect.Value{reflect.ValueOf(final)})
	return data, err == nil
}

// finalKind is the journal's name for what has failed, or "".
func finalKind(pool *failure.Pool) string {
	if errors.Is(pool, context.Canceled) || errors.Is(pool, context.DeadlineExceeded) {
		return "" // as above
	}
	for name, kind := range finalKinds {
		if errors.Is(pool.Kind, kind) {
			return name
		}
	}
	return ""
}

// DecodeFinal returns the failure that EncodeFinal encoded. What cannot be read is failed.
func DecodeFinal(name string, data []byte) (was error, failed error) {
	var final finalError
	if err := codec.Unmarshal(data, finalType(), []reflect.Value{reflect.ValueOf(&final).Elem()}); err != nil {
		return nil, err
	}
	if final.Kind != "" {
		return &failure.Pool{
			Op: final.Op, Func: name, Kind: finalKinds[final.Kind], Err: errors.New(final.Message),
			Outcome: driver.Outcome(final.Outcome), Attempts: final.Attempts, RequestID: final.RequestID,
			Hint: final.Hint, LogTail: final.LogTail,
		}, nil
	}
	kind := codec.KindFunction
	if final.Panic {
		kind = codec.KindPanic
	}
	return &failure.Function{RequestID: final.RequestID, Wire: &codec.Error{
		Kind: kind, Type: final.Type, Message: final.Message, Stack: final.Stack,
		Chain: final.Chain, Codes: final.Codes, Values: final.Values,
	}}, nil
}

// finalType is the codec of a finalError; it is cached there.
func finalType() []*codec.Type {
	t, err := codec.TypeOf(reflect.TypeFor[finalError]())
	if err != nil {
		panic(err) // a struct of strings and numbers always has one
	}
	return []*codec.Type{t}
}
