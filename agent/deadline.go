package agent

import (
	"time"

	"github.com/lambdapool/lambdapool/codec"
)

// The context that aws-lambda-go hands over ends at the very moment at which
// the platform kills the process: a function that waits for it is never heard
// of again. Functions therefore get less, a margin in which they can return and
// the agent can answer: long enough for a large reply, and no large part of a
// short timeout. What is recorded in an object store takes longer than an answer.
const (
	marginShare = 20 // the margin is this part of the time left, …
	marginMost  = 4  // … but never more than this part
)

// A margin is the time between the end of the functions' context and the kill.
type margin struct {
	min, max time.Duration
	waiting  time.Duration // this part of it at most is for functions that ignore their context
}

// toAnswer is for replies that go back at once, toRecord for those that are stored first. min and
// max bound the twentieth part of the time left.
var (
	toAnswer = margin{500 * time.Millisecond, time.Second, 2}
	toRecord = margin{time.Second, 5 * time.Second, 3}
)

// deadlines says when the functions' context ends, and when the agent answers
// for functions that ignore it. kill is zero when nobody kills, remaining when the caller
// set no deadline; without both, so are the results. recorded says that the answer goes to
// an object store.
func deadlines(now, kill time.Time, remaining time.Duration, recorded bool) (end, answer time.Time) {
	m := toAnswer
	if recorded {
		m = toRecord
	}
	if !kill.IsZero() {
		left := max(0, kill.Sub(now))
		end = kill.Add(-min(max(m.min, min(left/marginShare, m.max)), left/marginMost))
	}
	wait := codec.Grace(remaining)
	if remaining > 0 {
		if asked := now.Add(remaining); end.IsZero() || asked.Before(end) {
			end = asked
		}
	}
	if end.IsZero() {
		return end, end
	}
	if !kill.IsZero() {
		wait = max(0, min(wait, kill.Sub(end)/m.waiting))
	}
	return end, end.Add(wait)
}

// A pace is how long the items of an invocation take, to tell whether one that is begun now
// ends in time. Items are begun in their order.
type pace struct {
	start, end time.Time
	longest    time.Duration   // of the items that have ended
	started    []time.Duration // when items were begun, after start
	oldest     int             // no item before it is running
	last       bool            // what is given back is lost
}

// newPace is that of n items which have until end; zero is for ever. last says that what is given
// back cannot be sent again.
func newPace(start, end time.Time, n int, last bool) *pace {
	if end.IsZero() || n == 1 {
		return nil
	}
	return &pace{start: start, end: end, last: last, started: make([]time.Duration, 0, n)}
}

// begun notes when the next item was begun. A nil pace, of which nobody asks, notes nothing.
func (p *pace) begun(now time.Time) {
	if p != nil {
		p.started = append(p.started, now.Sub(p.start))
	}
}

// done notes how long item i took, and which item is the oldest that runs.
func (p *pace) done(i int, now time.Time, states []itemState) {
	if p == nil {
		return
	}
	p.longest = max(p.longest, now.Sub(p.start)-p.started[i])
	for p.oldest < len(p.started) && states[p.oldest] == itemDone {
		p.oldest++
	}
}

// What an item must be left that is begun beside others, in times of the longest so far. One
// that has ended too early for its answer has lost time, one that is cut short is lost if it must not run
// twice. In the second half of its time an invocation is well beyond what was planned for it,
// and what is given back has all of its time again.
const (
	slackEarly = 1.25
	slackLate  = 4
)

// inTime reports whether an item that is begun now should end in time.
func (p *pace) inTime(now time.Time) bool {
	if p == nil {
		return true
	}
	at, all := now.Sub(p.start), p.end.Sub(p.start)
	if p.last {
		return all-at >= p.longest
	}
	longest, slack := p.longest, slackEarly
	if p.oldest < len(p.started) {
		longest = max(longest, at-p.started[p.oldest])
	}
	if at > all/2 {
		slack = slackLate
	}
	return float64(all-at) >= slack*float64(longest)
}
