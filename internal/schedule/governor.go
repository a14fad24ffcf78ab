package schedule

import (
	"math"
	"time"
)

// The constants of the control law; the package documentation gives the reasons.
const (
	decrease  = 0.9                    // what is kept of the level that was let in
	recovery  = 500 * time.Millisecond // from the decrease back to that level
	firstStep = 0.005                  // of the level: the first probe above it
	lastStep  = 0.5                    // the steps double up to this
	shortHold = time.Second            // from a refusal to the next probe, at least
	longHold  = 3 * time.Second        // and at most, whatever the credit
	probeCost = 40                     // admitted invocations that pay for one refused
	maxCredit = 40                     // refusals that can be paid in advance

	firstTick = 200 * time.Millisecond // between two steps, while no refusal has been timed
	minTick   = 50 * time.Millisecond
	maxTick   = 400 * time.Millisecond

	maxPause = time.Minute           // no Retry-After stops the whole pool for longer
	minKnock = 50 * time.Millisecond // between tries when nothing is let in, doubling
	maxKnock = time.Second           // to this
)

// never is the time of what no clock brings about.
const never time.Duration = math.MaxInt64

// A governor finds and follows a limit that is not known: it lowers value when
// the platform refuses, and raises it again while value is what holds the pool
// back. All times count from the Limiter's start.
type governor struct {
	value   float64 // what is allowed now
	each    float64 // how much of the level one refused request takes up
	ceiling float64 // the highest level not known to be refused
	floor   float64
	max     float64

	lowered time.Duration // when value was last lowered; before 0: never
	probe   time.Duration // no growth above the ceiling before
	next    time.Duration // no growth before
	tick    time.Duration // between steps; follows how long refusals take to arrive
	step    float64       // of value: the last step above the ceiling
	credit  float64       // refusals that the pool can afford
}

func newGovernor(value, max, each float64) governor {
	return governor{value: value, ceiling: value, max: max, floor: 1, each: each, lowered: -1, tick: firstTick}
}

// admitted earns credit for the next probe.
func (g *governor) admitted() {
	g.credit = min(g.credit+1.0/probeCost, maxCredit)
}

// refused lowers value after a refusal of a request that began at started;
// level is what remained admitted. What was in flight when value was lowered
// cannot have known: it only tells how much of that flight was let in.
func (g *governor) refused(t, started time.Duration, level float64) {
	g.credit--
	g.tick = min(max(g.tick/2+(t-started), minTick), maxTick) // settles at twice the time of a refusal
	if g.lowered >= 0 && started <= g.lowered {
		g.ceiling -= g.each
	} else {
		g.ceiling = min(g.value, level)
		g.lowered = t
	}
	g.ceiling = max(g.ceiling, g.floor)
	g.value = max(g.ceiling*decrease, g.floor)
	g.step = 0
	g.credit = max(g.credit, -max(1, g.ceiling/20))
	g.next = t + g.tick
	g.probe = t + shortHold
}

// hold forbids growth before t + d, within reason: to grow is not to try again.
func (g *governor) hold(t, d time.Duration) { g.next = max(g.next, t+min(d, longHold)) }

// cautious reports whether the last refusal is not long ago.
func (g *governor) cautious(t time.Duration) bool {
	return g.lowered >= 0 && t < g.lowered+longHold
}

// grow raises value by one step if it is time to, and otherwise says when.
// It is called only when value is what holds the pool back.
func (g *governor) grow(t time.Duration) (next time.Duration, ok bool) {
	if g.value >= g.max {
		return never, false
	}
	if t < g.next {
		return g.next, false
	}
	if g.value < g.ceiling {
		g.value = min(g.value+max(1, g.ceiling*(1-decrease)*float64(g.tick)/float64(recovery)), g.ceiling)
	} else {
		if from := g.probeFrom(); t < from {
			return from, false
		}
		g.step = min(max(firstStep, 2*g.step), lastStep)
		g.value += max(1, g.value*g.step)
	}
	g.value = min(g.value, g.max)
	g.ceiling = max(g.ceiling, g.value)
	g.next = t + g.tick
	return g.next, true
}

// probeFrom returns when the ceiling may be exceeded.
func (g *governor) probeFrom() time.Duration {
	if g.credit < 0 {
		return max(g.probe, g.lowered+longHold)
	}
	return g.probe
}
