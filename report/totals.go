package report

import (
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/price"
)

// Totals are counts and sums of all invocations. They are exact, however many are kept. An
// invocation is one request, and carries one or more calls, its items.
//
// Every invocation is one of Answered, Throttled and Unanswered. It may be a retry, a hedge or cold
// besides. Items counts a call once for each time that it was sent, so Items less the calls of the
// program is what was sent in vain, or twice.
type Totals struct {
	Invocations int64 // requests, the refused ones included
	Items       int64 // calls that they carried; one that was sent again counts again
	Failed      int64 // of them, those that ended in an error or were sent again
	Answered    int64 // invocations with an answer
	Throttled   int64 // invocations that the platform refused
	Unanswered  int64 // the others: crashed, timed out, lost
	Retries     int64 // invocations of calls that had been sent before
	Hedges      int64 // duplicates of slow invocations
	HedgesWon   int64 // of them, those whose answer was used
	ColdStarts  int64
	Requests    int64 // invocations that are charged: all but those that certainly did not run
	BytesOut    int64 // payloads of requests, without what went through a store
	BytesIn     int64 // payloads of replies, likewise

	Run        time.Duration // sum of what the agents measured
	CPU        time.Duration // sum, over all threads
	Billed     time.Duration // sum of what the platform charged
	GBSeconds  float64       // sum of billed time by memory setting
	Memory     int64         // bytes, the largest setting; 0: nobody said
	MemoryPeak int64         // bytes, the highest of all invocations; 0: nobody said

	begin, end time.Duration // since the epoch
}

// add counts an invocation in. e is r with times that make sense.
func (t *Totals) add(r *lambdapool.Record, e *entry) {
	if t.Invocations == 0 {
		t.begin, t.end = e.queued, e.received
	}
	t.begin, t.end = min(t.begin, e.queued), max(t.end, e.received)
	t.Invocations++
	t.Items += int64(r.Items)
	t.Failed += int64(r.Failed)
	switch {
	case e.throttle != 0:
		t.Throttled++
	case e.err != 0:
		t.Unanswered++
	default:
		t.Answered++
	}
	t.Retries += one(r.Attempt > 1)
	t.Hedges += one(r.Hedge)
	t.HedgesWon += one(r.Hedge && r.Won)
	t.ColdStarts += one(r.Cold)
	t.Requests += one(e.throttle == 0 && r.Outcome != lambdapool.OutcomeNotRun)
	t.BytesOut += e.bytesOut
	t.BytesIn += e.bytesIn
	t.Run += e.run
	t.CPU += e.cpu
	t.Billed += e.billed
	t.GBSeconds += price.GBSeconds(e.memory, e.billed)
	t.Memory = max(t.Memory, e.memory)
	t.MemoryPeak = max(t.MemoryPeak, e.memoryPeak)
}

func one(is bool) int64 {
	if is {
		return 1
	}
	return 0
}
