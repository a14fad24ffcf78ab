package local

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// Faults says what goes wrong in an embedded Lambda, and how often: a rehearsal
// for the days when the real one has a bad day. The zero Faults changes nothing.
//
// The fields from Refuse to Stale are fractions of the synchronous invocations that
// Throttle lets in, those of events fractions of the Event invocations. Each is from 0 to 1, and those of one group together
// at most 1: an invocation meets at most one of them. Which one the n-th of its
// kind meets depends on Seed and n alone, so the totals are the same again, in whatever order
// concurrent invocations arrive.
type Faults struct {
	Seed uint64

	Throttle Throttle // the limits that callers run into

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

	EventDrop      float64 // an event is accepted, and never runs
	EventDuplicate float64 // an event is delivered twice, perhaps at the same time
	EventCrash     float64 // the agent dies during an event's first run: it is tried again

	SlowFor    time.Duration // above 0 where Slow is
	StraggleBy float64       // above 1 where Straggle is; the function's timeout still holds
	ColdStart  time.Duration // added to the start of every agent
}

// A Throttle is what refuses requests with 429. Zero fields refuse nothing;
// WithConcurrency holds in any case.
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

// A Fault is a kind of fault. Its name is that of the field of [Faults].
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

// faultNone is the fate of most.
const faultNone = faultKinds

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

// WithFaults makes the embedded Lambda fail on request. New refuses fractions
// that are none, and settings that contradict each other.
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
// kind is in it; all are zero without WithFaults.
func (b *Backend) FaultCounts() map[Fault]int64 {
	counts := make(map[Fault]int64, faultKinds)
	for k := range faultKinds {
		counts[k] = 0
		if f := b.fn.faults; f != nil {
			counts[k] = f.counts[k].Load()
		}
	}
	return counts
}

// A share is the fraction of invocations that meet a kind of fault.
type share struct {
	kind     Fault
	fraction float64
}

func (f *Faults) shares() []share {
	return []share{
		{FaultRefuse, f.Refuse},
		{FaultErrorBefore, f.ErrorBefore},
		{FaultErrorAfter, f.ErrorAfter},
		{FaultResetBefore, f.ResetBefore},
		{FaultResetAfter, f.ResetAfter},
		{FaultTruncate, f.Truncate},
		{FaultCorrupt, f.Corrupt},
		{FaultSlow, f.Slow},
		{FaultStraggle, f.Straggle},
		{FaultCrash, f.Crash},
		{FaultOutOfMemory, f.OutOfMemory},
		{FaultStale, f.Stale},
	}
}

func (f *Faults) check() error {
	const rounding = 1e-9
	for _, group := range []struct {
		name   string
		shares []share
	}{{"from Refuse to Stale", f.shares()}, {"of events", f.eventShares()}} {
		sum := 0.0
		for _, s := range group.shares {
			if !(s.fraction >= 0 && s.fraction <= 1) {
				return fmt.Errorf("%v is %v, must be from 0 to 1", s.kind, s.fraction)
			}
			sum += s.fraction
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

// faults is Faults at work in one function.
type faults struct {
	Faults

	gate   gate
	drawn  atomic.Uint64 // synchronous invocations
	events atomic.Uint64
	counts [faultKinds]atomic.Int64
	stop   chan struct{} // closed when the function closes: nothing is held up any more
}

// newFaults returns nil for nil.
func newFaults(f *Faults) *faults {
	if f == nil {
		return nil
	}
	return &faults{Faults: *f, gate: gate{Throttle: f.Throttle}, stop: make(chan struct{})}
}

// close ends all waiting.
func (f *faults) close() {
	if f != nil {
		close(f.stop)
	}
}

// A fate is what one invocation meets, and the dice for its details.
// A nil fate is that of an invocation to which nothing happens.
type fate struct {
	kind Fault
	dice *rand.Rand
	in   *faults
}

// draw decides about the next synchronous invocation.
func (f *faults) draw() *fate {
	return f.pick(rand.NewPCG(f.Seed, f.drawn.Add(1)), f.shares())
}

// pick throws the dice.
func (f *faults) pick(source rand.Source, shares []share) *fate {
	dice := rand.New(source) //nolint:gosec // faults are to be predictable
	drawn := &fate{kind: faultNone, dice: dice, in: f}
	u := dice.Float64()
	for _, s := range shares {
		if u < s.fraction {
			drawn.kind = s.kind
			break
		}
		u -= s.fraction
	}
	return drawn
}

// happens counts the fate's fault if it is of the given kind, and reports
// whether it is.
func (d *fate) happens(kind Fault) bool {
	if d == nil || d.kind != kind {
		return false
	}
	d.in.counts[kind].Add(1)
	return true
}

// wait waits for that long, unless something ends it before.
func (f *faults) wait(long time.Duration, gone <-chan struct{}) {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-gone:
	case <-f.stop:
	}
}
