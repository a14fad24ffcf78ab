package lambdapool

import (
	"time"

	"github.com/lambdapool/lambdapool/price"
)

// A tally counts what became of a run's items and invocations. It is guarded
// by the executor's mutex.
type tally struct {
	done, failed, running int // items
	skipped               int // of those done, from the journal
	flights               int // invocations in flight
	invocations           int
	retried               int // items sent again, but for throttles
	throttled             int // refused requests
	hedged                int // duplicates sent
	cold                  int
	billed                time.Duration
	gbSeconds             float64
	dearest               float64 // GB-seconds of the dearest invocation
}

// land counts an invocation that has ended.
func (t *tally) land(inv *invocation) {
	t.flights--
	if inv.bytes == 0 {
		return
	}
	t.invocations++
	if inv.record.Cold {
		t.cold++
	}
	gbs := price.GBSeconds(inv.record.Memory, inv.record.Billed)
	t.billed += inv.record.Billed
	t.gbSeconds += gbs
	t.dearest = max(t.dearest, gbs)
}

// cost is what the run has cost so far, in US dollars.
func (t *tally) cost() float64 { return price.Cost(t.gbSeconds, int64(t.invocations), price.X86) }
