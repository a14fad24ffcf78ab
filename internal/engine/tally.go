package engine

import (
	"time"

	"github.com/lambdapool/lambdapool/codec"
)

// A tally counts what became of a run's items and invocations. It is guarded
// by the executor's mutex.
type tally struct {
	done, failed, canceled int // items that have ended, see Snapshot
	skipped                int // of those, from the journal
	running                int // items
	flights                int // invocations in flight
	invocations            int
	retried                int // items sent again, but for throttles
	throttled              int // refused requests
	hedged                 int // duplicates sent
	cold                   int
	billed                 time.Duration
	gbSeconds              float64

	// For the budget, in GB-seconds.
	spent    float64 // what has ended, at the dearest possible where its cost is not known
	reserved float64 // what is in flight, as it was estimated
	dearest  float64 // of those whose cost is known
	known    int     // invocations whose cost is known
	most     int     // items that one of them carried
	charged  int     // requests that may be charged
}

// add counts what invocations were.
func (t *tally) add(s codec.Spent) {
	t.invocations += int(s.Invocations)
	t.billed += s.Billed
	t.gbSeconds += s.GBSeconds
}
