package agent

import "time"

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

var (
	toAnswer = margin{500 * time.Millisecond, time.Second, 2}
	toRecord = margin{time.Second, 5 * time.Second, 3}
)

// grace is how long functions that ignore their context are waited for, at most: whoever asked
// has given up by then.
const grace = 500 * time.Millisecond

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
	if remaining > 0 {
		if asked := now.Add(remaining); end.IsZero() || asked.Before(end) {
			end = asked
		}
	}
	if end.IsZero() {
		return end, end
	}
	wait := grace
	if !kill.IsZero() {
		wait = max(0, min(wait, kill.Sub(end)/m.waiting))
	}
	return end, end.Add(wait)
}
