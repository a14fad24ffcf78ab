package schedule

import (
	"fmt"
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
	Elsewhere  bool          // not run, and another part of the platform has room: sent there at once

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

// NewPolicy returns the default policy with what is not zero instead, or says what is wrong with that.
func NewPolicy(attempts int, base, longest time.Duration) (Policy, error) {
	p := DefaultPolicy()
	switch {
	case attempts < 0:
		return p, fmt.Errorf("MaxAttempts is %d, must not be negative", attempts)
	case base < 0:
		return p, fmt.Errorf("BaseDelay is %v, must not be negative", base)
	case longest < 0:
		return p, fmt.Errorf("MaxDelay is %v, must not be negative", longest)
	case longest > 0 && base > longest:
		return p, fmt.Errorf("BaseDelay %v is above MaxDelay %v", base, longest)
	}
	if attempts > 0 {
		p.MaxAttempts = attempts
	}
	if longest > 0 {
		p.Backoff.Max = longest
		p.Backoff.Base = min(p.Backoff.Base, longest)
	}
	if base > 0 {
		p.Backoff.Base = base
		p.Backoff.Max = max(p.Backoff.Max, base)
	}
	return p, nil
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

// The bounds of Retry-After.
const (
	// MaxWish bounds how long any wish is honoured. Lambda asks for seconds; who asks for an
	// hour has guessed, and one request in ten seconds is no load to ask again with.
	MaxWish = 10 * time.Second
	// hopeless is the time left with which a call whose wish is beyond it is not tried again:
	// for so long a pool that was refused does not even look for more.
	hopeless = hold
	// maxElsewhere bounds the tries of a call without any wait. A backend that always names another part
	// of itself would otherwise be asked at the speed of the network.
	maxElsewhere = 100
)

// Believed is how much of a refusal's Retry-After counts, for the call and for its pool: all
// of it, up to ten seconds. Where the call has not that much time left, half of what it has:
// the platform may be free long before the time that it named, and the call has nothing to lose.
func (a Attempt) Believed() time.Duration {
	wish := max(min(a.RetryAfter, MaxWish), 0)
	if a.RetryAfter >= a.Left && a.Left > hopeless {
		wish = min(wish, a.Left/2)
	}
	return wish
}

// Decide says whether a failed call is tried again, and when. rnd returns
// numbers in [0, 1). The rows, the first that fits decides:
//
//	permanent                     never
//	elsewhere there is room       again at once, within the call's time; not an attempt
//	throttled                     again, within the call's time; not an attempt
//	not run                       again, within the call's time and MaxRejected; not an attempt
//	answered with an error        only if Wanted; then as often as MaxAttempts
//	unknown, or ran and crashed   only if Idempotent; then as often as MaxAttempts
//
// A wait is shortened to fit into the time left, but never below what is
// believed of RetryAfter.
func (p Policy) Decide(a Attempt, rnd func() float64) Decision {
	if reason := p.verdict(a); reason != Again {
		return Decision{Reason: reason}
	}
	wish := a.Believed()
	if a.Elsewhere && a.Left > 0 && a.Tries <= maxElsewhere {
		return Decision{}
	}
	if a.Left <= 0 || wish >= a.Left {
		return Decision{Reason: OutOfTime}
	}
	backoff := p.Backoff
	if a.Throttled {
		backoff = p.Throttle
	}
	after := backoff.Delay(a.Tries, wish, rnd)
	if after >= a.Left {
		// Somewhere in what is left: the pool may recover before the call's time is up.
		after = wish + time.Duration(rnd()*float64(a.Left-wish))
	}
	return Decision{After: after}
}

// verdict is Decide without the clock.
func (p Policy) verdict(a Attempt) Reason {
	switch {
	case a.Permanent:
		return IsPermanent
	case a.Throttled, a.Elsewhere && a.Tries <= maxElsewhere:
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
