package schedule

import "time"

// burst is how much of a meter's second may go at once: a tenth, or one event.
const burst = time.Second / 10

// A Meter spaces events, so many a second. What goes at once counts against what follows, so the rate holds over any
// second but for a tenth of it. It is not safe for concurrent use.
type Meter struct {
	every time.Duration // from one event to the next
	next  time.Time     // when the next one would be, if all were spaced
}

// NewMeter returns one of so many events a second, above 0.
func NewMeter(perSecond float64) *Meter {
	return &Meter{every: max(1, time.Duration(float64(time.Second)/perSecond))}
}

// At returns when the next event may happen at the earliest. It may be past.
func (m *Meter) At() time.Time { return m.next.Add(-max(0, burst-m.every)) }

// Ready reports whether an event may happen now.
func (m *Meter) Ready(now time.Time) bool { return !m.At().After(now) }

// Available is how many events may happen now.
func (m *Meter) Available(now time.Time) int {
	if !m.Ready(now) {
		return 0
	}
	return 1 + int(max(0, now.Sub(maxTime(m.next, now).Add(-max(0, burst-m.every))))/m.every)
}

// Take counts n events that happen now, whether they may or not.
func (m *Meter) Take(n int, now time.Time) {
	m.next = maxTime(m.next, now).Add(time.Duration(n) * m.every)
}

// Idle reports whether nothing is remembered of the past that counts.
func (m *Meter) Idle(now time.Time) bool { return !m.next.After(now) }

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
