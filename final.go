package lambdapool

import (
	"context"
	"errors"
	"reflect"

	"github.com/lambdapool/lambdapool/codec"
)

// finalKinds are the kinds of PoolErrors that a journal records, by the names
// that it has for them. What is not here is run again.
var finalKinds = map[string]error{
	"out of memory": ErrOutOfMemory,
	"agent crashed": ErrAgentCrashed,
	"unknown":       ErrUnknownOutcome,
	"encode":        ErrEncode,
	"decode":        ErrDecode,
	"too large":     ErrTooLarge,
}

// A journalError is an item's last error, in a journal. Its fields are those of
// a FunctionError, or with a Kind, of a PoolError.
type journalError struct {
	Type, Message string
	Panic         bool
	Stack         string
	RequestID     string
	Chain         []ErrorDetail
	Codes         []string

	Kind     string
	Op       string
	Outcome  uint8
	Attempts int
	Hint     string
	LogTail  string
}

// encodeFinal encodes err, or returns ok = false when it is not final.
func (e *Executor) encodeFinal(f *Function, err error) (data []byte, ok bool) {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil, false // it tells of the time there was, not of the item
	}
	var function *FunctionError
	var pool *PoolError
	var wire journalError
	switch {
	case errors.As(err, &function):
		wire = journalError{
			Type: function.Type, Message: function.Message, Panic: function.Panic, Stack: function.Stack,
			RequestID: function.RequestID, Chain: function.Chain, Codes: e.registry.ErrorCodes(function),
		}
	case errors.As(err, &pool) && pool.Outcome != OutcomeNotRun && !f.idempotent:
		for name, kind := range finalKinds {
			if errors.Is(pool.Kind, kind) {
				wire.Kind = name
			}
		}
		if wire.Kind == "" {
			return nil, false
		}
		wire.Op, wire.Message, wire.RequestID = pool.Op, pool.Err.Error(), pool.RequestID
		wire.Outcome, wire.Attempts, wire.Hint, wire.LogTail = uint8(pool.Outcome), pool.Attempts, pool.Hint, pool.LogTail
	default:
		return nil, false
	}
	data, err = codec.Marshal(journalErrorType(), []reflect.Value{reflect.ValueOf(wire)})
	return data, err == nil
}

// decodeFinal returns the error that encodeFinal encoded.
func (e *Executor) decodeFinal(f *Function, data []byte) error {
	var wire journalError
	if err := codec.Unmarshal(data, journalErrorType(), []reflect.Value{reflect.ValueOf(&wire).Elem()}); err != nil {
		return callError("read", f.name, ErrJournal, err, "")
	}
	if wire.Kind == "" {
		return &FunctionError{
			Func: f.name, Type: wire.Type, Message: wire.Message, Panic: wire.Panic, Stack: wire.Stack,
			RequestID: wire.RequestID, Chain: wire.Chain, sentinels: e.registry.sentinelsOf(wire.Codes),
		}
	}
	return &PoolError{
		Op: wire.Op, Func: f.name, Kind: finalKinds[wire.Kind], Err: errors.New(wire.Message),
		Outcome: Outcome(wire.Outcome), Attempts: wire.Attempts, RequestID: wire.RequestID,
		Hint: wire.Hint, LogTail: wire.LogTail,
	}
}

// journalErrorType is the codec of a journalError; it is cached there.
func journalErrorType() []*codec.Type {
	t, err := codec.TypeOf(reflect.TypeFor[journalError]())
	if err != nil {
		panic(err) // a struct of strings and numbers always has one
	}
	return []*codec.Type{t}
}
