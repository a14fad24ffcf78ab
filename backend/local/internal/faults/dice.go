package faults

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// Faults is a Plan at work in one function. It is safe for concurrent use; nil Faults
// change nothing.
type Faults struct {
	plan Plan

	gate    gate
	drawn   atomic.Uint64 // synchronous invocations
	events  atomic.Uint64
	counts  [Kinds]atomic.Int64
	stop    chan struct{} // closed when a function closes: nothing is held up any more
	closing sync.Once     // functions may share it
}

// New has a plan carried out; it returns nil for nil.
func New(p *Plan) *Faults {
	if p == nil {
		return nil
	}
	return &Faults{plan: *p, gate: gate{Throttling: p.Throttle}, stop: make(chan struct{})}
}

// Close ends all waiting. It may be called again.
func (f *Faults) Close() {
	if f != nil {
		f.closing.Do(func() { close(f.stop) })
	}
}

// Count returns how often a kind of fault has happened so far.
func (f *Faults) Count(kind Kind) int64 {
	if f == nil {
		return 0
	}
	return f.counts[kind].Load()
}

// Enter lets a request in, which must Leave later, or refuses it.
func (f *Faults) Enter() *wire.Refusal {
	refused := f.gate.enter(time.Now())
	if refused != nil {
		f.counts[Throttle].Add(1)
	}
	return refused
}

// Leave ends what Enter has let in.
func (f *Faults) Leave() { f.gate.leave() }

// Call decides about the next synchronous invocation.
func (f *Faults) Call() *Fate {
	return f.pick(rand.NewPCG(f.plan.Seed, f.drawn.Add(1)), f.plan.Calls)
}

// Event decides about the next event, and how often it is to be delivered.
func (f *Faults) Event() (_ *Fate, copies int) {
	if f == nil {
		return nil, 1
	}
	// Another sequence than that of synchronous invocations: neither disturbs the other.
	drawn := f.pick(rand.NewPCG(^f.plan.Seed, f.events.Add(1)), f.plan.Events)
	switch {
	case drawn.Happens(EventDrop):
		return nil, 0
	case drawn.Happens(EventDuplicate):
		return nil, 2
	}
	return drawn, 1
}

// pick throws the dice.
func (f *Faults) pick(source rand.Source, shares []Share) *Fate {
	dice := rand.New(source) //nolint:gosec // faults are to be predictable
	drawn := &Fate{kind: Kinds, dice: dice, in: f}
	u := dice.Float64()
	for _, s := range shares {
		if u < s.Fraction {
			drawn.kind = s.Kind
			break
		}
		u -= s.Fraction
	}
	return drawn
}

// DelayStart holds an agent up that is ready for its first invocation, until it is gone.
func (f *Faults) DelayStart(gone <-chan struct{}) {
	if f != nil && f.plan.ColdStart > 0 {
		f.counts[ColdStart].Add(1)
		f.wait(f.plan.ColdStart, gone)
	}
}

// wait waits for that long, unless something ends it before.
func (f *Faults) wait(long time.Duration, gone <-chan struct{}) {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-gone:
	case <-f.stop:
	}
}

// A Fate is what one invocation meets, and the dice for its details. A nil Fate is that of
// an invocation to which nothing happens.
type Fate struct {
	kind Kind
	dice *rand.Rand
	in   *Faults
}

// Is reports whether the fate is a fault of that kind, which has not happened by that.
func (d *Fate) Is(kind Kind) bool { return d != nil && d.kind == kind }

// Happens counts the fate's fault if it is of the given kind, and reports whether it is.
func (d *Fate) Happens(kind Kind) bool {
	if !d.Is(kind) {
		return false
	}
	d.in.counts[kind].Add(1)
	return true
}

// Within returns a time below most, as the dice have it.
func (d *Fate) Within(most time.Duration) time.Duration {
	return time.Duration(d.dice.Int64N(int64(most)))
}

// HoldUp has an invocation last longer that has run for some time, if that is its fate: but
// for no more than what is left, and not when it is gone.
func (d *Fate) HoldUp(ran, left time.Duration, gone <-chan struct{}) {
	if d.Happens(Straggle) {
		more := min(float64(ran)*(d.in.plan.StraggleBy-1), float64(left))
		d.in.wait(time.Duration(more), gone)
	}
}
