package schedule

import "time"

// firstWait is how long to wait for an answer as long as nothing is known of the way: an agent may have
// to start first.
const firstWait = time.Second

// wayShare of the time of an invocation may be kept for its way, at most: one that took very long is
// rather a busy client's than the network's.
const wayShare = 8

// A Way is how long invocations are on their way lately, there and back: the part of their
// time that is not the agent's. It follows what takes longer at once, and forgets it slowly. The zero
// value has seen none. It is not safe for concurrent use.
type Way struct {
	seen bool
	took time.Duration
}

// Observe learns from an invocation that took total at the client and run in the agent.
func (w *Way) Observe(total, run time.Duration) {
	took := max(total-run, 0)
	switch {
	case !w.seen:
		w.seen, w.took = true, took
	case took > w.took:
		w.took += (took - w.took) / 2
	default:
		w.took -= (w.took - took) / 16
	}
}

// Took returns how long they are, as far as that is known.
func (w *Way) Took() time.Duration { return w.took }

// Of returns how much of an invocation's time to keep for its way, as far as that is known.
func (w *Way) Of(left time.Duration) time.Duration { return min(w.took, left/wayShare) }

// Wait returns how long an answer may be late that was sent in time: the way varies.
func (w *Way) Wait() time.Duration {
	if !w.seen {
		return firstWait
	}
	return 2 * w.took
}
