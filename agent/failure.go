package agent

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
)

// What of a function's error travels. The bounds keep one verbose error from
// taking the room of other items' values.
const (
	maxMessage = 16 << 10 // bytes of a message
	maxLinks   = 32       // wrapped errors
	maxChain   = 64 << 10 // bytes of their messages together
	maxWalk    = 1000     // errors looked at; a chain that is longer probably bites its own tail
)

// failure describes the error that the user's function returned. Error, Unwrap
// and Is are the user's code as well: a panic in one of them is contained.
func failure(r *lambdapool.Registry, err error) *codec.Error {
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
func panicked(r *lambdapool.Registry, value any, stack string) *codec.Error {
	e := &codec.Error{
		Kind:    codec.KindPanic,
		Type:    fmt.Sprintf("%T", value),
		Message: message(value),
		Stack:   stack,
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

// neverStarted describes an item for which there was no time.
func neverStarted() *codec.Error {
	return &codec.Error{
		Kind:    codec.KindTimeout,
		Message: "the time was up before it was started",
		Hint:    "allow more time, or send fewer items per invocation",
	}
}

// ignored describes an item whose function runs on although its time is up, one
// of so many that were left behind.
func ignored(abandoned int64) *codec.Error {
	return &codec.Error{
		Kind: codec.KindTimeout,
		Message: fmt.Sprintf("the function ignores its context: it was still running when it had to be answered for, and was left behind (%d left behind in this agent)",
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

// wrapped adds the errors that err wraps, and the registered sentinels it matches.
func wrapped(r *lambdapool.Registry, err error, e *codec.Error) {
	defer func() {
		if recover() != nil { // from the user's Unwrap or Is: what was found until then stays
			return
		}
	}()
	links, sane := chain(err)
	e.Chain = links
	if sane { // errors.Is would run forever on a cycle
		e.Codes = r.ErrorCodes(err)
	}
}

// chain lists the errors below err, depth first as errors.Is visits them. It
// reports whether there is an end to them.
func chain(err error) (links []codec.ErrorLink, finite bool) {
	room := maxChain
	pending := below(err)
	for seen := 0; len(pending) > 0; seen++ {
		if seen == maxWalk {
			return links, false
		}
		next := pending[0]
		pending = pending[1:]
		if next == nil {
			continue
		}
		if len(links) < maxLinks && room > 0 {
			text := clip(fmt.Sprint(next), min(room, maxMessage))
			room -= len(text)
			links = append(links, codec.ErrorLink{Type: fmt.Sprintf("%T", next), Message: text})
		}
		if deeper := below(next); len(deeper) > 0 {
			pending = append(append([]error{}, deeper...), pending...)
		}
	}
	return links, true
}

// below returns the errors that err wraps directly.
func below(err error) []error {
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
	_, finite := chain(err)
	return finite && errors.Is(err, context.DeadlineExceeded)
}
