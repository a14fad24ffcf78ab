package schedule

import (
	"math"
	"time"
)

// The constants of the control law; the package documentation gives the reasons.
const (
	decrease = 0.9                    // what is kept of the level that was let in
	recovery = 500 * time.Millisecond // from there back to that level

	hold      = 2 * time.Second // from a refusal to the next probe above that level
	firstStep = 0.01            // of the level: how far the first probe goes
	lastStep  = 1               // the steps double up to this

	firstTick = 200 * time.Millisecond // between two steps, while no refusal was timed
	minTick   = 50 * time.Millisecond
	maxTick   = 300 * time.Millisecond
)

// never is the time of what no clock brings about.
const never time.Duration = math.MaxInt64

// A governor finds and follows a limit that nobody tells: it lowers value when
// the platform refuses, and raises it again while value is what holds the pool
// back. All times count from the Limiter's start.
type governor struct {
	value   float64 // what is allowed now
	max     float64 // what it never exceeds
	ceiling float64 // the highest level that was not refused

	lowered time.Duration // when value was last lowered; before 0: never
	probe   time.Duration // no growth above the ceiling before
	next    time.Duration // no growth at all before
	tick    time.Duration // between two steps: twice what a refusal takes to arrive
	step    float64       // the last one above the ceiling, as a fraction of value

	noise background
}

func newGovernor(value, most float64) governor {
	return governor{value: value, max: most, ceiling: value, lowered: -1, tick: firstTick}
}

// resize sets what value never exceeds.
func (g *governor) resize(most float64) {
	if g.value == g.max { // nothing has held it down
		g.value, g.ceiling = most, most
	}
	g.max, g.value, g.ceiling = most, min(g.value, most), min(g.ceiling, most)
}

// admitted counts a request that was let in.
func (g *governor) admitted(t time.Duration) {
	g.noise.admitted(t, g.tick, g.value, g.step > 0)
}

// refused lowers value after a refusal of a request that began at started;
// level is what remains admitted. What was in flight when value was lowered
// could not know of that: it only tells how much of the same flight was let in.
func (g *governor) refused(t, started time.Duration, level float64, retryAfter time.Duration) {
	late := g.lowered >= 0 && started <= g.lowered
	if !late && g.noise.refused(t, g.tick, g.step > 0) {
		return
	}
	g.tick = min(max(g.tick/2+(t-started), minTick), maxTick)
	if late {
		g.ceiling--
	} else {
		g.ceiling = min(g.value, level)
		g.lowered = t
	}
	g.ceiling = max(g.ceiling, 1)
	g.value = max(g.ceiling*decrease, 1)
	g.step = 0
	g.next = t + g.tick
	g.probe = t + max(min(retryAfter, maxHold), hold)
}

// cautious reports whether the last refusal is so recent that the level may
// not have been found yet.
func (g *governor) cautious(t time.Duration) bool {
	return g.lowered >= 0 && t < g.probe
}

// grow raises value by one step if it is time to, and says when to ask again.
// It is called only when value is what holds the pool back.
func (g *governor) grow(t time.Duration) (next time.Duration) {
	switch {
	case g.value >= g.max:
		return never
	case t < g.next:
		return g.next
	case g.value < g.ceiling:
		ticks := max(1, float64(recovery)/float64(g.tick))
		g.value = min(g.value+max(1, g.ceiling*(1-decrease)/ticks), g.ceiling)
	case t < g.probe:
		return g.probe
	default:
		g.step = min(max(2*g.step, firstStep), lastStep)
		g.value += max(1, g.value*g.step)
		g.step = min(max(g.step, 1/g.value), lastStep)
	}
	g.value = min(g.value, g.max)
	g.ceiling = max(g.ceiling, g.value)
	g.next = t + g.tick
	return g.next
}
