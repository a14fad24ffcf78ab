package lambdapool

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// The sentinels a [PoolError] can carry: errors.Is(err, ErrTimeout) and so on
// say what kind of failure it was, whatever the backend.
var (
	// ErrNotRegistered: the name, or the function value, is in no registry that was asked.
	ErrNotRegistered = errors.New("function not registered")
	// ErrBadArguments: the arguments do not fit the function's signature, or the call itself is malformed.
	ErrBadArguments = errors.New("bad arguments")
	// ErrEncode: an argument or a result cannot be turned into bytes.
	ErrEncode = errors.New("cannot encode")
	// ErrDecode: bytes that arrived are not what was expected.
	ErrDecode = errors.New("cannot decode")
	// ErrTooLarge: a payload is above what the backend carries.
	ErrTooLarge = errors.New("payload too large")
	// ErrThrottled: the platform refused to start the call until its time was up.
	ErrThrottled = errors.New("throttled")
	// ErrTimeout: the call's time, or the function's, was up.
	ErrTimeout = errors.New("timed out")
	// ErrOutOfMemory: the agent was killed at its memory limit.
	ErrOutOfMemory = errors.New("out of memory")
	// ErrAgentCrashed: the agent process ended, or did not start.
	ErrAgentCrashed = errors.New("agent crashed")
	// ErrUnknownOutcome: nobody can say whether the function ran; it is not run again unless it is [Idempotent].
	ErrUnknownOutcome = errors.New("unknown outcome")
	// ErrVersionMismatch: client and agent were built from different function signatures.
	ErrVersionMismatch = errors.New("client and agent differ")
	// ErrAccessDenied: the platform refused the caller's credentials or rights.
	ErrAccessDenied = errors.New("access denied")
	// ErrFunctionNotFound: the platform has no such Lambda function, version or alias.
	ErrFunctionNotFound = errors.New("lambda function not found")
	// ErrUnreachable: no connection to the backend could be made; nothing ran.
	ErrUnreachable = errors.New("backend unreachable")
	// ErrCanceled: the call was canceled by Cancel, by its context, by Close, or because an earlier item failed.
	ErrCanceled = errors.New("canceled")
	// ErrClosed: the executor or the backend no longer takes calls.
	ErrClosed = errors.New("closed")
)

// An Outcome says what is known about whether the user's function ran.
type Outcome uint8

const (
	// OutcomeUnknown is the zero value on purpose: what nobody vouches for is unknown.
	OutcomeUnknown Outcome = iota
	// OutcomeNotRun: the function certainly did not run.
	OutcomeNotRun
	// OutcomeRan: the function certainly began to run.
	OutcomeRan
)

// String returns "unknown", "not run" or "ran".
func (o Outcome) String() string {
	switch o {
	case OutcomeNotRun:
		return "not run"
	case OutcomeRan:
		return "ran"
	default:
		return "unknown"
	}
}

// A FunctionError says that the user's function returned an error or panicked.
// It is one of the two ways in which a call fails; the other is [PoolError].
//
// errors.Is reaches the sentinels registered with [RegisterError] that the
// function's error wrapped, and the few of the standard library that every
// registry knows. "%+v" prints the stack of a panic.
type FunctionError struct {
	Func      string        // the registered name
	Type      string        // dynamic type of the error, or of the panic's value, as %T prints it
	Message   string        // what Error() said, or the panic's value
	Panic     bool          // whether the function panicked
	Stack     string        // of a panic: the user's frames, innermost first; otherwise empty
	RequestID string        // the platform's id of the invocation
	Chain     []ErrorDetail // the errors that the error wrapped, outermost first, without the error itself

	sentinels []error
}

// ErrorDetail is one error of a chain, as text.
type ErrorDetail struct {
	Type    string
	Message string
}

func (e *FunctionError) Error() string {
	if e.Panic {
		return fmt.Sprintf("lambdapool: call %s: panic: %s", e.Func, e.Message)
	}
	return fmt.Sprintf("lambdapool: call %s: %s", e.Func, e.Message)
}

// Unwrap returns the registered sentinels that the function's error wrapped.
func (e *FunctionError) Unwrap() []error { return e.sentinels }

// Format prints the message, and with %+v also type, request id, chain and stack.
func (e *FunctionError) Format(s fmt.State, verb rune) {
	switch {
	case verb == 'v' && s.Flag('+'):
		fmt.Fprintf(s, "%s\n\ttype: %s", e.Error(), e.Type)
		if e.RequestID != "" {
			fmt.Fprintf(s, "\n\trequest id: %s", e.RequestID)
		}
		for _, d := range e.Chain {
			fmt.Fprintf(s, "\n\twraps: %s (%s)", d.Message, d.Type)
		}
		if e.Stack != "" {
			fmt.Fprintf(s, "\n%s", e.Stack)
		}
	case verb == 'q':
		fmt.Fprintf(s, "%q", e.Error())
	default:
		io.WriteString(s, e.Error())
	}
}

// A PoolError says that the pool, not the user's function, failed the call.
// errors.Is reaches both Kind, a sentinel of this package, and Err, the cause.
type PoolError struct {
	Op        string  // what was being done: "submit", "call", "decode", "shutdown", …
	Func      string  // the registered name, where there is one
	Kind      error   // one of this package's sentinels
	Err       error   // the cause, never nil
	Outcome   Outcome // whether the function may have run
	Attempts  int     // invocations that reached, or may have reached, an agent
	RequestID string  // the platform's id of the last of them
	Hint      string  // what to do about it
	LogTail   string  // the end of the function's log, where the platform gave it
}

func (e *PoolError) Error() string {
	var b strings.Builder
	b.WriteString("lambdapool: ")
	b.WriteString(e.Op)
	if e.Func != "" {
		b.WriteString(" ")
		b.WriteString(e.Func)
	}
	if e.Kind != nil {
		b.WriteString(": ")
		b.WriteString(e.Kind.Error())
	}
	if e.Err != nil && e.Err != e.Kind {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " [request %s]", e.RequestID)
	}
	return b.String()
}

// Unwrap returns the sentinel and the cause.
func (e *PoolError) Unwrap() []error {
	errs := make([]error, 0, 2)
	if e.Kind != nil {
		errs = append(errs, e.Kind)
	}
	if e.Err != nil && e.Err != e.Kind {
		errs = append(errs, e.Err)
	}
	return errs
}

// An ItemError says which item of a Map, StarMap or Stream failed.
type ItemError struct {
	Index int // position in the input, from 0
	Err   error
}

func (e *ItemError) Error() string { return fmt.Sprintf("item %d: %v", e.Index, e.Err) }

// Unwrap returns the item's own error, a [FunctionError] or a [PoolError].
func (e *ItemError) Unwrap() error { return e.Err }
