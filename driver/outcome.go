package driver

import (
	"time"

	"github.com/lambdapool/lambdapool/internal/english"
	"github.com/lambdapool/lambdapool/internal/legible"
)

// An Outcome says what is known about whether the user's function ran.
type Outcome uint8

const (
	// OutcomeUnknown is the zero value on purpose: what nobody vouches for is unknown.
	OutcomeUnknown Outcome = iota
	// OutcomeNotRun: the function certainly did not run. What only shared an invocation with others
	// that ran and was not begun itself is meant too.
	OutcomeNotRun
	// OutcomeRan: the function certainly began to run. Of items whose invocation failed as a whole nobody
	// can tell that: theirs is OutcomeUnknown.
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

// An InvokeError says why an attempt brought no reply, and what is known about it.
type InvokeError struct {
	Outcome    Outcome
	Kind       error         // the sentinel a caller sees if the call ends here
	Err        error         // the cause, never nil
	Reason     string        // of a throttle: which limit, in the platform's words
	RetryAfter time.Duration // the platform's wish, honoured up to ten seconds; 0: none
	Permanent  bool          // the same request cannot succeed if it is sent again
	Elsewhere  bool          // of OutcomeNotRun: one part of the backend turned it away, and another has room. Sent again at once, and nothing slows down
	RequestID  string
	Hint       string    // what to do about it
	LogTail    string    // the end of the function's log, at most 4 KB
	Response   *Response // measurements of a failed run (billed time, memory), or nil
}

func (e *InvokeError) Error() string {
	if e.Kind == nil || e.Kind == e.Err {
		return legible.Text(e.Err.Error())
	}
	return legible.Text(english.Failure(e.Kind, e.Err))
}

// Unwrap returns the sentinel and the cause.
func (e *InvokeError) Unwrap() []error {
	if e.Kind == nil {
		return []error{e.Err}
	}
	return []error{e.Kind, e.Err}
}
