package schedule

import (
	"math"
	"time"
)

// Forever is the time left to a call that has no deadline.
const Forever time.Duration = math.MaxInt64

// An Outcome says what is known about whether the function ran. The first
// three have the values of lambdapool.Outcome, which this package cannot import.
type Outcome uint8

const (
	// Unknown is the zero value on purpose: what nobody vouches for is unknown.
	Unknown Outcome = iota
	// NotRun: the function certainly did not run.
	NotRun
	// Ran: the function began to run and gave no answer: crash, timeout, out of memory.
	Ran
	// Answered: the function ran to its end and its answer was an error of its own.
	Answered
)

// An Attempt is what is known when one invocation of a call has failed.
type Attempt struct {
	Outcome    Outcome
	Throttled  bool          // refused for load: always NotRun, whatever Outcome says
	Permanent  bool          // the same request cannot succeed: access denied, not found, too large, version mismatch
	Wanted     bool          // of Answered: the user's policy names this error as worth another run
	Idempotent bool          // running the function twice is harmless
	RetryAfter time.Duration // the platform's wish; 0: none

	Attempts int           // invocations that ran or may have run, with this one; throttles and other NotRun are not in it
	Tries    int           // all invocations in this call, with this one: what the backoff grows by
	Rejected int           // NotRun answers other than throttles in this call, with this one
	Left     time.Duration // what remains of the call's time, or Forever
}

// A Policy says how often and how fast a call may be tried again.
type Policy struct {
	MaxAttempts int     // runs of the function at most, the first included; below 1 counts as 1
	MaxRejected int     // NotRun answers other than throttles at most, such as an endpoint that refuses connections; 0: as many as the call's time allows
	Backoff     Backoff // after a failure
	Throttle    Backoff // after a throttle: short, for the Limiter already slows the whole pool down
}

// DefaultPolicy returns three runs at most, with waits below 100 ms doubling to
// 20 s after a failure, and below 50 ms doubling to 1 s after a throttle.
func DefaultPolicy() Policy {
	return Policy{
		MaxAttempts: 3,
		Backoff:     Backoff{Base: 100 * time.Millisecond, Max: 20 * time.Second},
		Throttle:    Backoff{Base: 50 * time.Millisecond, Max: time.Second},
	}
}

// A Reason says why a call is, or is not, tried again.
type Reason uint8

const (
	// Again: the call is tried again.
	Again Reason = iota
	// IsPermanent: the same request cannot succeed.
	IsPermanent
	// IsAnswer: the function's own error is the call's result.
	IsAnswer
	// MayHaveRun: the outcome is unknown and the function is not idempotent.
	MayHaveRun
	// HasRun: the function ran, gave no answer, and is not idempotent.
	HasRun
	// AttemptsSpent: Policy.MaxAttempts or Policy.MaxRejected is reached.
	AttemptsSpent
	// OutOfTime: the next try would not start within the call's time.
	OutOfTime
)

var reasons = [...]string{
	Again:         "is tried again",
	IsPermanent:   "the same request cannot succeed",
	IsAnswer:      "the function returned an error",
	MayHaveRun:    "it may have run and is not idempotent",
	HasRun:        "it ran and is not idempotent",
	AttemptsSpent: "no attempts are left",
	OutOfTime:     "no time is left",
}

// String returns a clause that fits behind "not tried again: ".
func (r Reason) String() string {
	if int(r) < len(reasons) {
		return reasons[r]
	}
	return "unknown reason"
}

// A Decision is what to do after a failed attempt.
type Decision struct {
	Reason Reason        // Again, or why not
	After  time.Duration // of Again: how long to wait first
}

// Retry reports whether the call is tried again, after d.After.
func (d Decision) Retry() bool { return d.Reason == Again }

// Decide says whether a failed call is tried again, and when. rnd returns
// numbers in [0, 1). The rows, the first that fits decides:
//
//	permanent                     never
//	throttled                     again, within the call's time; not an attempt
//	not run                       again, within the call's time and MaxRejected; not an attempt
//	answered with an error        only if Wanted; then as often as MaxAttempts
//	unknown, or ran and crashed   only if Idempotent; then as often as MaxAttempts
//
// A wait is shortened to fit into the time left, but never below RetryAfter.
func (p Policy) Decide(a Attempt, rnd func() float64) Decision {
	if reason := p.verdict(a); reason != Again {
		return Decision{Reason: reason}
	}
	if a.Left <= 0 || a.RetryAfter >= a.Left {
		return Decision{Reason: OutOfTime}
	}
	backoff := p.Backoff
	if a.Throttled {
		backoff = p.Throttle
	}
	after := backoff.Delay(a.Tries, a.RetryAfter, rnd)
	if after >= a.Left {
		// Somewhere in what is left: the pool may recover before the call's time is up.
		floor := max(a.RetryAfter, 0)
		after = floor + time.Duration(rnd()*float64(a.Left-floor))
	}
	return Decision{After: after}
}

// verdict is Decide without the clock.
func (p Policy) verdict(a Attempt) Reason {
	switch {
	case a.Permanent:
		return IsPermanent
	case a.Throttled:
		return Again
	case a.Outcome == NotRun:
		if p.MaxRejected > 0 && a.Rejected >= p.MaxRejected {
			return AttemptsSpent
		}
		return Again
	case a.Outcome == Answered:
		if !a.Wanted {
			return IsAnswer
		}
	case !a.Idempotent && a.Outcome == Ran:
		return HasRun
	case !a.Idempotent:
		return MayHaveRun
	}
	if a.Attempts >= max(p.MaxAttempts, 1) {
		return AttemptsSpent
	}
	return Again
}
