package lambdapool

import (
	"fmt"
	"io"
	"slices"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/legible"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// The sentinels a [PoolError] can carry: errors.Is(err, ErrTimeout) and so on say what kind of
// failure it was, whatever the backend. What is worth another try was tried before a caller sees
// any of them.
var (
	// ErrNotRegistered: the name, or the function value, is in no registry that was asked. Import
	// the package that registers it, in the agent's program as well.
	ErrNotRegistered = driver.ErrNotRegistered
	// ErrBadArguments: the arguments do not fit the function's signature, or the call itself is
	// malformed, as with a nil context or a bad option. It is a mistake of the program.
	ErrBadArguments = driver.ErrBadArguments
	// ErrEncode: an argument or a result cannot be turned into bytes, such as one that contains
	// itself by a pointer.
	ErrEncode = driver.ErrEncode
	// ErrDecode: bytes that arrived are not what was expected. Something else than an agent
	// answered, or its build is another one.
	ErrDecode = driver.ErrDecode
	// ErrTooLarge: a payload is above what the backend carries. Send less per call, or configure
	// a store such as awslambda.WithBucket.
	ErrTooLarge = driver.ErrTooLarge
	// ErrThrottled: the platform refused to start the call until its time was up. Have fewer
	// workers or more time, or ask for a higher limit. It did not run.
	ErrThrottled = driver.ErrThrottled
	// ErrTimeout: the call's time, or the function's, was up. The function may still run.
	ErrTimeout = driver.ErrTimeout
	// ErrOutOfMemory: the agent's process ended at its memory limit, while the call ran. Raise the
	// function's memory, or run fewer items at once with [Parallel].
	ErrOutOfMemory = driver.ErrOutOfMemory
	// ErrAgentCrashed: the agent's process ended while the call ran, or did not start. The error's
	// LogTail may have what the Go runtime said.
	ErrAgentCrashed = driver.ErrAgentCrashed
	// ErrUnknownOutcome: nobody can say whether the function ran; it is not run again unless it is
	// [Idempotent].
	ErrUnknownOutcome = driver.ErrUnknownOutcome
	// ErrVersionMismatch: client and agent were built from different function signatures. Deploy
	// the agent again. The text has both signatures.
	ErrVersionMismatch = driver.ErrVersionMismatch
	// ErrAccessDenied: the platform refused the caller's credentials or rights. lambdapool doctor
	// finds out which.
	ErrAccessDenied = driver.ErrAccessDenied
	// ErrFunctionNotFound: the platform has no such function or service, or no such version, alias or tag of it.
	ErrFunctionNotFound = driver.ErrFunctionNotFound
	// ErrUnreachable: no connection to the backend could be made, or its agent is leaving; nothing
	// ran.
	ErrUnreachable = driver.ErrUnreachable
	// ErrCanceled: the call was canceled by Cancel, by its context, by Close, or because an earlier
	// item failed. On Lambda a function that had begun runs on.
	ErrCanceled = driver.ErrCanceled
	// ErrClosed: the executor or the backend no longer takes calls. It cannot be opened again.
	ErrClosed = driver.ErrClosed
	// ErrAgentStart: a function given to agent.OnStart has failed in the agent, so no call ran. The error
	// says which, and why. It is not tried again.
	ErrAgentStart = driver.ErrAgentStart
	// ErrTooDeep: a function called on its own pool, below more functions than [WithMaxDepth] allows.
	// It has most likely called itself without end. Nothing ran.
	ErrTooDeep = driver.ErrTooDeep
)

// A FunctionError says that the user's function returned an error or panicked. It is one of the
// two ways in which a call fails; the other is [PoolError]. A function's error is a result: by
// default it is not tried again, see [RetryPolicy].
//
// It is not the error that the function returned, which lives in another process. errors.Is
// reaches the sentinels registered with [RegisterError] that the function's error wrapped, and
// the few of the standard library that every registry knows. errors.As reaches values of types
// registered with [RegisterErrorType]. "%+v" prints the chain, and the stack of a panic.
//
// Message and Stack come from the agent as they are. Print the error itself, which is escaped,
// rather than these.
type FunctionError struct {
	Func      string        // the registered name
	Type      string        // dynamic type of the error, or of the panic's value, as %T prints it
	Message   string        // what Error() said, or the panic's value
	Panic     bool          // whether the function panicked
	Stack     string        // of a panic: the user's frames, innermost first; otherwise empty
	RequestID string        // the platform's id of the invocation
	LogTail   string        // the end of what the function had logged, where [WithLogs] asks for it
	Chain     []ErrorDetail // the errors that the error wrapped, outermost first, without the error itself

	codes  []string // of the sentinels that it matches
	values []error  // of registered types, outermost first
	wraps  []error  // values, and the sentinels behind codes
}

// wrap gives e what it wraps: values that travelled, and the sentinels behind codes.
func (e *FunctionError) wrap(r *registry.Registry, codes []string, values []codec.ErrorValue) {
	e.codes, e.values = codes, registry.ErrorsOf(r, values)
	e.wraps = append(slices.Clip(e.values), registry.SentinelsOf(r, codes)...)
}

// ErrorDetail is one error of a chain, as text: its dynamic type, as %T prints it, and what it
// says.
type ErrorDetail struct {
	Type    string
	Message string
}

// Error is safe to print: what Message has of control characters is escaped, and its
// lines but the first begin with "\t| ". Message itself is what the function said.
func (e *FunctionError) Error() string {
	message := e.Message
	if e.Panic {
		message = "panic: " + message
	}
	return legible.Text("lambdapool: call " + e.Func + ": " + message)
}

// Unwrap returns the errors of registered types that the function's error was or wrapped,
// outermost first, and the registered sentinels that it matched.
func (e *FunctionError) Unwrap() []error { return e.wraps }

// Format prints the message, and with %+v also type, request id, chain and stack.
func (e *FunctionError) Format(s fmt.State, verb rune) {
	switch {
	case verb == 'v' && s.Flag('+'):
		fmt.Fprintf(s, "%s\n\ttype: %s", e.Error(), legible.Line(e.Type))
		if e.RequestID != "" {
			fmt.Fprintf(s, "\n\trequest id: %s", legible.Line(e.RequestID))
		}
		for _, d := range e.Chain {
			fmt.Fprintf(s, "\n\twraps: %s (%s)", legible.Text(d.Message), legible.Line(d.Type))
		}
		if e.Stack != "" {
			fmt.Fprintf(s, "\n%s", legible.Quote(e.Stack))
		}
		formatLog(s, e.LogTail)
	case verb == 'q':
		fmt.Fprintf(s, "%q", e.Error())
	default:
		io.WriteString(s, e.Error())
	}
}

// A PoolError says that the pool, not the user's function, failed the call. errors.Is reaches
// both Kind, a sentinel of this package, and Err, the cause. Use Kind to decide, Outcome to
// know whether the function may have run, and Hint to tell a person what to do.
//
// What may help on another try was tried already, as [WithRetry] says. "%+v" prints the end of
// the function's log, too: after a crash it is where the agent says what happened.
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

// Error is one line, or several of which all but the first begin with "\t| ", and
// safe to print: what platforms and agents say in it is escaped. Its parts are in
// the fields as they came.
func (e *PoolError) Error() string { return (*failure.Pool)(e).Error() }

// Format prints the message, and with %+v also what is known about whether the
// function ran, and the end of its log.
func (e *PoolError) Format(s fmt.State, verb rune) {
	switch {
	case verb == 'v' && s.Flag('+'):
		fmt.Fprintf(s, "%s\n\toutcome: %s, attempts: %d", e.Error(), e.Outcome, e.Attempts)
		formatLog(s, e.LogTail)
	case verb == 'q':
		fmt.Fprintf(s, "%q", e.Error())
	default:
		io.WriteString(s, e.Error())
	}
}

// formatLog prints the end of a log, if there is one.
func formatLog(w io.Writer, tail string) {
	if tail != "" {
		fmt.Fprintf(w, "\n\tthe end of its log:\n%s", legible.Quote(tail))
	}
}

// Unwrap returns the sentinel and the cause.
func (e *PoolError) Unwrap() []error { return (*failure.Pool)(e).Unwrap() }

// callError makes the error of a call that has not run.
func callError(op, name string, kind, err error, hint string) *PoolError {
	return (*PoolError)(failure.NotRun(op, name, kind, err, hint))
}

// poolErrorOf returns the PoolError that ended a call or an item, or nil where its function did.
func poolErrorOf(err error) *PoolError {
	if item, ok := err.(*ItemError); ok { //nolint:errorlint // as we have made it
		err = item.Err
	}
	pool, _ := err.(*PoolError) //nolint:errorlint // what wraps one is not the pool's
	return pool
}
