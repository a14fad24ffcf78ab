package metrics

import (
	"sync"

	"github.com/lambdapool/lambdapool"
)

// Totals add up the Stats of executors, those that were closed included. The zero value is ready. It is safe for
// concurrent use. Opened and Closed are functions of a lambdapool.Observer.
type Totals struct {
	mu   sync.Mutex
	open map[*lambdapool.Executor]bool
	gone lambdapool.Stats
}

// Opened adds an executor. Adding it again changes nothing.
func (t *Totals) Opened(e *lambdapool.Executor) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = map[*lambdapool.Executor]bool{}
	}
	t.open[e] = true
}

// Closed keeps what the executor has counted, and lets go of it. It does nothing for one that was not added.
func (t *Totals) Closed(e *lambdapool.Executor) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.open[e] {
		return
	}
	delete(t.open, e)
	add(&t.gone, e.Stats())
	t.gone.Limit = 0 // it can send nothing any more
}

// Stats returns the sums. It does not block.
func (t *Totals) Stats() lambdapool.Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	sums := t.gone
	for e := range t.open {
		add(&sums, e.Stats())
	}
	return sums
}

// add adds s to sums.
func add(sums *lambdapool.Stats, s lambdapool.Stats) {
	sums.Submitted += s.Submitted
	sums.Queued += s.Queued
	sums.Running += s.Running
	sums.Succeeded += s.Succeeded
	sums.FunctionErrors += s.FunctionErrors
	sums.PoolErrors += s.PoolErrors
	sums.Canceled += s.Canceled
	sums.Invocations += s.Invocations
	sums.Retries += s.Retries
	sums.Throttles += s.Throttles
	sums.Hedges += s.Hedges
	sums.ColdStarts += s.ColdStarts
	sums.Sent += s.Sent
	sums.Received += s.Received
	sums.Run += s.Run
	sums.Billed += s.Billed
	sums.InFlight += s.InFlight
	sums.Limit += s.Limit
	sums.StoreSent += s.StoreSent
	sums.StoreReceived += s.StoreReceived
}
