package detached

import "time"

// A Verdict is what a client says of a chunk on the platform's behalf, which keeps
// silent about what it drops and about agents that die.
type Verdict uint8

const (
	Wait Verdict = iota // the platform may still bring it to an end
	Late                // nobody began it in time: it was dropped, or never sent
	Lost                // an agent began it and will never say more: it crashed
)

const (
	// startGrace is how long after its last moment a claim may still appear: it is on
	// the way when the link to it expires, and a store's clock counts in seconds.
	startGrace = 5 * time.Second

	// recordGrace is how long after the end of its agent a result may still appear: a
	// cold start is not part of the function's timeout.
	recordGrace = 15 * time.Second

	// retryGap is how long the platform may take from a crash to the next delivery.
	// AWS Lambda waits for one minute, then for two. Source:
	// docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html, 2026-11.
	retryGap = 3 * time.Minute
)

// Judge says whether to wait for a chunk any longer. now is the store's clock, so that
// a wrong one on this machine misleads nobody. It is careful, not infallible: whoever
// acts on it must create the claim or the result, which fails if it was wrong.
func (m *Manifest) Judge(c *Chunk, now time.Time) Verdict {
	switch {
	case c.State == Queued && now.After(m.StartBy.Add(startGrace)):
		return Late
	case c.State != Running:
		return Wait
	}
	end := c.Last.Add(time.Duration(m.Timeout) + recordGrace) // of the last agent
	switch {
	case !now.After(end):
		return Wait
	case m.Once, c.Deliveries-c.before > m.Retries, now.After(m.StartBy.Add(startGrace)):
		return Lost // nobody will run it again
	case now.After(end.Add(retryGap)):
		return Lost
	}
	return Wait
}

// RecordMargin is how much longer than an agent may run a link to record its result must live.
const RecordMargin = recordGrace + time.Minute
