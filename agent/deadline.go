package agent

import "time"

// The context that aws-lambda-go hands over ends at the very moment at which
// the platform kills the process: a function that waits for it is never heard
// of again. Functions therefore get less, a margin in which they can return and
// the agent can answer: long enough for a large reply, and no large part of a
// short timeout. What is recorded in an object store takes longer than an answer.
const (
	marginShare  = 20 // the margin is this part of the time left, …
	marginMin    = 500 * time.Millisecond
	marginMax    = time.Second
	marginRecord = 5 * time.Second // instead of marginMax
	marginMost   = 4               // … but never more than this part
)

// deadlines says when the functions' context ends, and when the agent answers
// for functions that ignore it: half-way between that and the kill, and no later
// than marginMin after it, since whoever asked has given up by then. kill is
// zero when nobody kills, remaining when the caller set no deadline; without
// both, so are the results. recorded says that the answer goes to an object store.
func deadlines(now, kill time.Time, remaining time.Duration, recorded bool) (end, answer time.Time) {
	if !kill.IsZero() {
		left := max(0, kill.Sub(now))
		most := marginMax
		if recorded {
			most = marginRecord
		}
		margin := min(max(marginMin, min(left/marginShare, most)), left/marginMost)
		end = kill.Add(-margin)
	}
	if remaining > 0 {
		if asked := now.Add(remaining); end.IsZero() || asked.Before(end) {
			end = asked
		}
	}
	if end.IsZero() {
		return end, end
	}
	grace := marginMin
	if !kill.IsZero() {
		grace = max(0, min(grace, kill.Sub(end)/2))
	}
	return end, end.Add(grace)
}
