package agent

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/contain"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// What of a function's error travels. The bounds keep one verbose error from
// taking the room of other items' values.
const (
	maxMessage = 16 << 10 // bytes of a message
	maxLinks   = 32       // wrapped errors
	maxChain   = 64 << 10 // bytes of their messages together
	maxValues  = 64 << 10 // bytes of the errors of registered types together
	maxWalk    = 1000     // errors looked at; a chain that is longer probably bites its own tail
)

// described runs f, which calls the methods of value: an error's, which are the user's code
// as well, and may panic or end their goroutine. What f does not say of value is its type.
func described(kind codec.ErrorKind, value any, f func() *codec.Error) *codec.Error {
	e, fault := contain.Value(context.Background(), "a method", value, func() (*codec.Error, error) { return f(), nil })
	if fault != nil {
		return &codec.Error{Kind: kind, Type: fmt.Sprintf("%T", value), Message: fmt.Sprintf("a %T that cannot be described: %v", value, fault)}
	}
	return e
}

// failure describes the error that the user's function returned.
func failure(r *registry.Registry, err error) *codec.Error {
	return described(codec.KindFunction, err, func() *codec.Error { return failed(r, err) })
}

// failed is failure without its containment. A nil pointer in an error is a mistake that many make
// and nobody sees in "<nil>", so it is explained.
func failed(r *registry.Registry, err error) *codec.Error {
	e := &codec.Error{
		Kind:    codec.KindFunction,
		Type:    fmt.Sprintf("%T", err),
		Message: message(err),
	}
	if v := reflect.ValueOf(err); v.Kind() == reflect.Pointer && v.IsNil() && e.Message == "<nil>" {
		e.Message = fmt.Sprintf("a nil %T, which is not a nil error: return a plain nil where nothing failed", err)
	}
	wrapped(r, err, e)
	return e
}

// panicked describes a recovered panic.
func panicked(r *registry.Registry, value any, stack string) *codec.Error {
	e := described(codec.KindPanic, value, func() *codec.Error { return recovered(r, value) })
	e.Stack = stack
	return e
}

// recovered is panicked without its containment and its stack.
func recovered(r *registry.Registry, value any) *codec.Error {
	e := &codec.Error{
		Kind:    codec.KindPanic,
		Type:    fmt.Sprintf("%T", value),
		Message: message(value),
	}
	if err, ok := value.(error); ok {
		wrapped(r, err, e)
	}
	return e
}

// exited describes a function that neither returned nor panicked.
func exited() *codec.Error {
	return &codec.Error{
		Kind:    codec.KindFunction,
		Type:    "runtime.Goexit",
		Message: "the function ended its goroutine by runtime.Goexit, as testing's FailNow, Fatal and Skip do, instead of returning",
	}
}

// ignored describes an item whose function runs on although its time is up, one
// of so many that were left behind.
func ignored(abandoned int64) *codec.Error {
	return &codec.Error{
		Kind: codec.KindTimeout,
		Message: fmt.Sprintf("the function ignores its context: it was still running when it had to be answered for, and was left behind, with %d in this agent by now",
			abandoned),
		Hint: "return soon after ctx.Done() is closed",
	}
}

// timedOut adds to e when the time of item i was up, and which item it is: the platform
// would only say that the function timed out.
func (r *run) timedOut(i int, e *codec.Error) *codec.Error {
	const exact = 10 * time.Second // above, tenths of seconds say nothing
	took := time.Since(r.began)
	if took = took.Round(100 * time.Millisecond); took >= exact {
		took = took.Round(time.Second)
	}
	which := ""
	if r.chunk > 0 {
		which = fmt.Sprintf(", item %d of chunk %d", i+1, r.chunk)
	}
	e.Message = fmt.Sprintf("timed out after %v s%s: %s", took.Seconds(), which, e.Message)
	return e
}

// message is what fmt prints, which contains panics of Error and String.
func message(value any) string { return clip(fmt.Sprint(value), maxMessage) }

// clip shortens text to about limit bytes and says so.
func clip(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return fmt.Sprintf("%s… (%d bytes more)", text[:limit], len(text)-limit)
}

// wrapped adds the errors that err wraps, those of registered types, and the registered
// sentinels it matches.
func wrapped(r *registry.Registry, err error, e *codec.Error) {
	room, valueRoom := maxChain, maxValues
	sane := walk(err, func(next error, first bool) {
		if !first && len(e.Chain) < maxLinks && room > 0 {
			text := clip(fmt.Sprint(next), min(room, maxMessage))
			room -= len(text)
			e.Chain = append(e.Chain, codec.ErrorLink{Type: fmt.Sprintf("%T", next), Message: text})
		}
		if len(e.Values) == codec.MaxErrorValues {
			return
		}
		if value, ok := r.ErrorValue(next); ok && len(value.Data) <= valueRoom {
			valueRoom -= len(value.Data)
			e.Values = append(e.Values, value)
		}
	})
	if sane { // errors.Is would run forever on a cycle
		e.Codes = r.ErrorCodes(err)
	}
}

// walk visits err and the errors below it, depth first as errors.Is visits them. It
// reports whether there is an end to them.
func walk(err error, visit func(next error, first bool)) (finite bool) {
	pending := []error{err}
	for seen := 0; len(pending) > 0; seen++ {
		if seen == maxWalk {
			return false
		}
		next := pending[0]
		pending = pending[1:]
		if next == nil {
			continue
		}
		visit(next, seen == 0)
		if deeper := below(next); len(deeper) > 0 {
			pending = append(append([]error{}, deeper...), pending...)
		}
	}
	return true
}

// below returns the errors that err wraps directly. An Unwrap that panics wraps nothing.
func below(err error) (inner []error) {
	defer func() {
		if recover() != nil {
			inner = nil
		}
	}()
	switch err := err.(type) {
	case interface{ Unwrap() error }:
		if inner := err.Unwrap(); inner != nil {
			return []error{inner}
		}
	case interface{ Unwrap() []error }:
		return err.Unwrap()
	}
	return nil
}

// outOfTime reports whether err is the function's way of saying that its
// context's time was up.
func outOfTime(ctx context.Context, err error) (yes bool) {
	defer func() {
		if recover() != nil { // from the user's Is
			yes = false
		}
	}()
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return false
	}
	return walk(err, func(error, bool) {}) && errors.Is(err, context.DeadlineExceeded)
}
