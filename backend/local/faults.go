package local

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/faults"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// Faults says what goes wrong in an embedded Lambda, and how often: a rehearsal
// for the days when the real one has a bad day. The zero Faults changes nothing.
//
// A test of what a program does about a fault sets one field, such as Crash: 0.1, runs,
// looks at what came of it, and checks by [Backend.FaultCounts] that the fault has happened
// at all. To find what nobody thought of, set many, and try many a Seed.
//
// An executor sends again what did not run, for every function, and what may have run only
// for one that is registered as Idempotent. A client cannot tell ErrorBefore from
// ErrorAfter, nor ResetBefore from ResetAfter, so calls of other functions fail with
// ErrUnknownOutcome there, and with ErrAgentCrashed or ErrOutOfMemory where their agent
// dies. That is right, and no defect that a test has found.
//
// The fields from Refuse to Stale are fractions of the synchronous invocations that
// Throttle lets in, those of events fractions of the Event invocations. Each is from 0 to
// 1, and those of one group together at most 1: an invocation meets at most one of them.
// Which one the n-th of its kind meets depends on Seed and n alone, so the totals are the
// same again, in whatever order concurrent invocations arrive.
type Faults struct {
	Seed uint64

	Throttle Throttle // the limits that callers run into

	// These are fractions of the synchronous invocations.

	Refuse      float64 // 429 for any reason, every second one with Retry-After: the function does not run
	ErrorBefore float64 // 500, 502, 503 or 504: the function does not run
	ErrorAfter  float64 // the same in place of its answer: the function has run
	ResetBefore float64 // the connection is reset: the function does not run
	ResetAfter  float64 // the connection is reset when the answer is due
	Truncate    float64 // the answer ends early; half of them say so by their Content-Length
	Corrupt     float64 // bytes of the answer are wrong
	Slow        float64 // the answer trickles for SlowFor
	Straggle    float64 // the invocation takes StraggleBy times as long
	Crash       float64 // the agent dies during the run, or before its answer is heard
	OutOfMemory float64 // the same, as at the memory limit
	Stale       float64 // an agent of another build answers: a version mismatch

	// These are fractions of the Event invocations.

	EventDrop      float64 // an event is accepted, and never runs
	EventDuplicate float64 // an event is delivered twice, perhaps at the same time
	EventCrash     float64 // the agent dies during an event's first run: it is tried again

	SlowFor    time.Duration // above 0 where Slow is
	StraggleBy float64       // above 1 where Straggle is; the function's timeout still holds
	ColdStart  time.Duration // added to the start of every agent
}

// A Throttle is what refuses requests with 429. Zero fields refuse nothing;
// WithConcurrency holds in any case.
//
// It has the shapes of Lambda's own limits, so that a test sees how an executor finds them
// and stays below: a steady Rate; a Burst that grows by Ramp, as a function's concurrency
// does (Lambda's is 1,000 more every ten seconds); and a Limit that moves, since others use
// the account too. What is refused has not run, and an executor sends it again when there
// is room. For refusals that follow no law use [Faults].Refuse.
type Throttle struct {
	Rate  float64 // requests per second, and at most a tenth of that at once
	Burst int     // invocations at once in the beginning …
	Ramp  float64 // … and how many more every second, as load demands them

	// Limit returns how many invocations may run at once at a time since the
	// first request: what other tenants leave. It must be safe for concurrent use.
	Limit func(elapsed time.Duration) int

	Reason     string        // as Lambda spells it; default: one that fits
	RetryAfter time.Duration // rounded up to seconds; 0: none
}

// A Fault is a kind of fault, for [Backend.FaultCounts]. Its name is that of the field of
// [Faults].
type Fault uint8

// The kinds of faults.
const (
	FaultThrottle Fault = iota
	FaultRefuse
	FaultErrorBefore
	FaultErrorAfter
	FaultResetBefore
	FaultResetAfter
	FaultTruncate
	FaultCorrupt
	FaultSlow
	FaultStraggle
	FaultCrash
	FaultOutOfMemory
	FaultStale
	FaultColdStart
	FaultEventDrop
	FaultEventDuplicate
	FaultEventCrash

	faultKinds
)

// The kinds are those of package faults, in the same order. This does not compile when one
// list is longer than the other; TestEachFault holds the order.
var _ = [1]struct{}{}[faultKinds-Fault(faults.Kinds)]

var faultNames = [faultKinds]string{
	"Throttle", "Refuse", "ErrorBefore", "ErrorAfter", "ResetBefore", "ResetAfter", "Truncate",
	"Corrupt", "Slow", "Straggle", "Crash", "OutOfMemory", "Stale", "ColdStart",
	"EventDrop", "EventDuplicate", "EventCrash",
}

// String returns the name of the kind, such as "ResetAfter".
func (k Fault) String() string {
	if k < faultKinds {
		return faultNames[k]
	}
	return "none"
}

// WithFaults makes the embedded Lambda fail on request: see [Faults]. The default is that
// nothing fails but what fails of itself. It is for a Backend; a Server has no such option.
// New refuses fractions that are none, and settings that contradict each other.
func WithFaults(f Faults) Option {
	return func(c *config) error {
		if err := f.check(); err != nil {
			return fmt.Errorf("faults: %w", err)
		}
		c.faults = &f
		return nil
	}
}

// FaultCounts returns how often each kind of fault has happened so far. Every
// kind is in it; all are zero without WithFaults. It can be called while invocations run,
// and after Close. With one Seed and the same number of invocations the counts are the same
// again, but for throttles and cold starts, which depend on time.
func (b *Backend) FaultCounts() map[Fault]int64 {
	counts := make(map[Fault]int64, faultKinds)
	for k := range faultKinds {
		counts[k] = b.faults.Count(faults.Kind(k))
	}
	return counts
}

// plan is what package faults is told.
func (f *Faults) plan() *faults.Plan {
	if f == nil {
		return nil
	}
	return &faults.Plan{
		Seed: f.Seed, Throttle: faults.Throttling(f.Throttle), Calls: f.shares(), Events: f.eventShares(),
		SlowFor: f.SlowFor, StraggleBy: f.StraggleBy, ColdStart: f.ColdStart,
	}
}

func (f *Faults) shares() []faults.Share {
	return []faults.Share{
		{Kind: faults.Refuse, Fraction: f.Refuse},
		{Kind: faults.ErrorBefore, Fraction: f.ErrorBefore},
		{Kind: faults.ErrorAfter, Fraction: f.ErrorAfter},
		{Kind: faults.ResetBefore, Fraction: f.ResetBefore},
		{Kind: faults.ResetAfter, Fraction: f.ResetAfter},
		{Kind: faults.Truncate, Fraction: f.Truncate},
		{Kind: faults.Corrupt, Fraction: f.Corrupt},
		{Kind: faults.Slow, Fraction: f.Slow},
		{Kind: faults.Straggle, Fraction: f.Straggle},
		{Kind: faults.Crash, Fraction: f.Crash},
		{Kind: faults.OutOfMemory, Fraction: f.OutOfMemory},
		{Kind: faults.Stale, Fraction: f.Stale},
	}
}

func (f *Faults) eventShares() []faults.Share {
	return []faults.Share{
		{Kind: faults.EventDrop, Fraction: f.EventDrop},
		{Kind: faults.EventDuplicate, Fraction: f.EventDuplicate},
		{Kind: faults.EventCrash, Fraction: f.EventCrash},
	}
}

func (f *Faults) check() error {
	const rounding = 1e-9
	for _, group := range []struct {
		name   string
		shares []faults.Share
	}{{"from Refuse to Stale", f.shares()}, {"of events", f.eventShares()}} {
		sum := 0.0
		for _, s := range group.shares {
			if !(s.Fraction >= 0 && s.Fraction <= 1) {
				return fmt.Errorf("%v is %v, must be from 0 to 1", Fault(s.Kind), s.Fraction)
			}
			sum += s.Fraction
		}
		if sum > 1+rounding {
			return fmt.Errorf("the fractions %s add up to %.3g, must be at most 1", group.name, sum)
		}
	}
	switch {
	case f.Slow > 0 && f.SlowFor <= 0:
		return fmt.Errorf("SlowFor is %v, must be positive where Slow is", f.SlowFor)
	case f.Straggle > 0 && !(f.StraggleBy > 1 && f.StraggleBy <= math.MaxInt32):
		return fmt.Errorf("StraggleBy is %v, must be above 1 where Straggle is positive", f.StraggleBy)
	case f.ColdStart < 0:
		return fmt.Errorf("ColdStart is %v, must not be negative", f.ColdStart)
	}
	return f.Throttle.check()
}

func (t *Throttle) check() error {
	reasons := types.ThrottleReason("").Values()
	switch {
	case !(t.Rate >= 0 && t.Rate <= math.MaxInt32):
		return fmt.Errorf("Throttle.Rate is %v, must not be negative", t.Rate)
	case t.Burst < 0:
		return fmt.Errorf("Throttle.Burst is %d, must not be negative", t.Burst)
	case !(t.Ramp >= 0 && t.Ramp <= math.MaxInt32):
		return fmt.Errorf("Throttle.Ramp is %v, must not be negative", t.Ramp)
	case t.Ramp > 0 && t.Burst == 0:
		return errors.New("Throttle.Ramp needs a Burst to begin with")
	case t.RetryAfter < 0:
		return fmt.Errorf("Throttle.RetryAfter is %v, must not be negative", t.RetryAfter)
	case t.Reason != "" && !slices.Contains(reasons, types.ThrottleReason(t.Reason)):
		return fmt.Errorf("Throttle.Reason is %q, must be one of %v", t.Reason, reasons)
	}
	return nil
}
