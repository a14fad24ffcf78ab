package schedule

import "time"

const (
	minKnock = 50 * time.Millisecond  // between two tries when nothing is let in; doubles
	maxKnock = 500 * time.Millisecond // up to this
	maxHold  = 3 * time.Second        // no Retry-After keeps the pool from growing for longer
)

// A Verdict is what the end of an invocation says about the platform's limits.
type Verdict uint8

const (
	// Indifferent is the zero value: canceled, never sent, connection lost.
	Indifferent Verdict = iota
	// Admitted: the platform let the request in, whatever came of it.
	Admitted
	// Refused for load, whichever limit the platform names.
	Refused
)

// A Result is the end of one invocation, for [Limiter.Release].
type Result struct {
	Verdict    Verdict
	Started    time.Time     // the now of the Acquire that took the slot
	RetryAfter time.Duration // of a refusal: the platform's wish; 0: none
}

// A Limiter says when the next invocation may start. It holds one pool to
// three bounds: slots in flight, environments started (the platform's ramp)
// and requests per second; and it learns the first from refusals, as package schedule's documentation explains.
//
// Its methods never block and it starts nothing: the caller brings the time,
// which should not run backwards. It is not safe for concurrent use; whoever
// owns the queue calls it under the queue's lock.
type Limiter struct {
	inflight int
	start    time.Time // what the durations below count from
	clock    time.Duration

	slots  governor // invocations in flight
	ramp   ramp     // environments
	rate   pacer    // requests per second
	paused time.Duration
	empty  int // refusals in a row that left nothing in flight
}

// NewLimiter returns a Limiter of that many slots, at least 1, under the platform's law.
func NewLimiter(slots int, law Law) *Limiter {
	most := float64(max(slots, 1))
	return &Limiter{slots: newGovernor(most, most), ramp: newRamp(law), rate: newPacer(law)}
}

// Inflight returns the number of slots taken.
func (l *Limiter) Inflight() int { return l.inflight }

// Limit returns how many slots may be taken now, by what was learned from
// refusals: at least 1, at most those of NewLimiter. Ramp and rate come on top.
func (l *Limiter) Limit() int { return int(l.slots.value) }

// Resize sets how many slots there are, at least 1. What refusals have taught stays; where there were none, all of
// them may be taken at once. Slots that are taken stay taken.
func (l *Limiter) Resize(slots int) { l.slots.resize(float64(max(slots, 1))) }

// Extend has the platform follow another law from now on: more of it became known. What has started counts, and what
// refusals have taught stays. What the new law allows more than the old one may start at once, and what it allows less
// may not any more.
func (l *Limiter) Extend(now time.Time, law Law) {
	t := l.elapsed(now)
	allowed := l.rate.perEnv * l.ramp.allowance(t)
	l.ramp.extend(t, law)
	l.rate.extend(t, law, &l.ramp, allowed)
}

// Throttled reports whether the platform's last refusal is so recent that the
// pool should not start work it could do without, such as hedges.
func (l *Limiter) Throttled(now time.Time) bool {
	return l.slots.cautious(l.elapsed(now))
}

// Acquire takes a slot, if one may be taken now. Otherwise at says when to ask
// again: at the zero time only the next Release can change the answer, else
// whichever comes first.
func (l *Limiter) Acquire(now time.Time) (ok bool, at time.Time) {
	t := l.elapsed(now)
	if t < l.paused {
		return false, l.start.Add(l.paused)
	}
	if float64(l.inflight)+1 > l.slots.value {
		if next := l.slots.grow(t); float64(l.inflight)+1 > l.slots.value {
			return false, l.at(next)
		}
	}
	if next, ok := l.rate.ready(t, &l.ramp); !ok {
		return false, l.at(next)
	}
	if next, ok := l.ramp.take(t, l.inflight); !ok {
		return false, l.at(next)
	}
	l.rate.take()
	l.inflight++
	return true, time.Time{}
}

// Enter takes a slot whether or not one may be taken now: for an invocation that starts in any case.
// It counts for the ramp and the rate as any other.
func (l *Limiter) Enter(now time.Time) {
	t := l.elapsed(now)
	l.rate.ready(t, &l.ramp) // fills it
	l.ramp.enter(t, l.inflight)
	l.rate.take()
	l.inflight++
}

// Room returns how many more invocations could start now, as far as slots and ramp go, and how many of them
// in environments that should be idle. Less than one is none. While the pool waits after a refusal of everything, there
// is none.
func (l *Limiter) Room(now time.Time) (room, warm float64) {
	t := l.elapsed(now)
	room = l.slots.value - float64(l.inflight)
	if t < l.paused {
		return min(room, 0), 0
	}
	if l.ramp.burst == 0 {
		return room, 0
	}
	room = min(room, l.ramp.allowance(t)-float64(l.inflight))
	return room, max(min(room, float64(l.ramp.warm-l.inflight)), 0)
}

// Release gives a slot back and learns from how the invocation ended.
// It must be called exactly once for each Acquire that returned true.
func (l *Limiter) Release(now time.Time, r Result) {
	l.inflight--
	if r.Verdict == Indifferent {
		return
	}
	t := l.elapsed(now)
	if r.Verdict == Admitted {
		l.empty = 0
		l.slots.admitted(t)
		return
	}
	started := l.clock
	if !r.Started.IsZero() {
		started = r.Started.Sub(l.start)
	}
	l.refused(t, started, r)
}

// refused is Release for an invocation that the platform did not let in.
func (l *Limiter) refused(t, started time.Duration, r Result) {
	l.slots.refused(t, started, float64(l.inflight), r.RetryAfter)
	l.ramp.refused(t)
	if l.inflight > 0 {
		return
	}
	// Nothing was let in. Knock again, but not at the speed of the network.
	l.empty++
	pause := max(min(r.RetryAfter, MaxWish), Backoff{Base: minKnock, Max: maxKnock}.ceiling(l.empty))
	l.paused = max(l.paused, t+pause)
}

// elapsed turns the caller's time into one that never runs backwards.
func (l *Limiter) elapsed(now time.Time) time.Duration {
	if l.start.IsZero() {
		l.start = now
	}
	l.clock = max(l.clock, now.Sub(l.start))
	return l.clock
}

// at turns a duration back into the caller's time.
func (l *Limiter) at(t time.Duration) time.Time {
	if t == never {
		return time.Time{}
	}
	return l.start.Add(t)
}
