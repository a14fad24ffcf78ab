package journaled

import (
	"sync"
	"time"

	"github.com/lambdapool/lambdapool/internal/failure"
)

// A Recording is the way of results through a journal. Workers leave what has ended; one goroutine commits
// all there is and then hands it to the consumer, so that a slow disk makes commits larger and not more. E is an entry
// of the journal, B a batch of results. It is safe for concurrent use.
type Recording[E, B any] struct {
	to    Config[E, B]
	wake  chan struct{} // holds an entry when there is something to do
	ended chan struct{} // closed when the writer has returned

	mu      sync.Mutex
	entries [][]E
	batches []B           // of the entries, not yet recorded
	free    [][]E         // groups to use again
	failed  *failure.Pool // why nothing is recorded any more
	closed  bool
}

// A Config is what a Recording works on.
type Config[E, B any] struct {
	Commit func(groups [][]E) *failure.Pool   // records, or says why nothing can be recorded any more
	Stop   func(why *failure.Pool)            // ends the run
	Refuse func(batch B, why *failure.Pool) B // makes why what became of all of a batch
	Hand   func(batches []B)                  // gives results to the consumer
}

// Start returns a Recording, which [Recording.Close] ends.
func Start[E, B any](to Config[E, B]) *Recording[E, B] {
	r := &Recording[E, B]{to: to, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go r.write()
	return r
}

// Group returns an empty group, of room for n entries where there was none to use again.
func (r *Recording[E, B]) Group(n int) []E {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := len(r.free) - 1
	if last < 0 {
		return make([]E, 0, n)
	}
	group := r.free[last]
	r.free = r.free[:last]
	return group
}

// recycle takes the groups of a commit.
func (r *Recording[E, B]) recycle(groups [][]E) {
	for i := range groups {
		clear(groups[i])
		groups[i] = groups[i][:0]
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.free) < len(groups) { // as many as one commit had
		r.free = groups
	}
}

// Add takes a batch to be delivered once entries are recorded.
func (r *Recording[E, B]) Add(entries []E, batch B) {
	r.mu.Lock()
	if len(entries) > 0 {
		r.entries = append(r.entries, entries)
	}
	r.batches = append(r.batches, batch)
	r.mu.Unlock()
	r.signal()
}

// signal wakes the writer.
func (r *Recording[E, B]) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// commitInterval is from one commit to the next at least, where results come
// faster: a disk that is quick to commit would be told of each alone, which costs
// more of the processor than of the disk. Less is hardly cheaper.
const commitInterval = 5 * time.Millisecond

// write records what has ended until the run is over.
func (r *Recording[E, B]) write() {
	defer close(r.ended)
	var last time.Time
	for range r.wake {
		if wait := time.Until(last.Add(commitInterval)); wait > 0 && !r.idle() {
			<-time.After(wait)
		}
		r.mu.Lock()
		entries, batches, failed, closed := r.entries, r.batches, r.failed, r.closed
		r.entries, r.batches = nil, nil
		r.mu.Unlock()
		if failed == nil && len(entries) > 0 {
			if failed = r.to.Commit(entries); failed != nil {
				r.Abort(failed)
			} else {
				r.recycle(entries) // not of one that failed: it may have them still
			}
			last = time.Now()
		}
		if failed != nil { // nothing is delivered that was not recorded
			for i := range batches {
				batches[i] = r.to.Refuse(batches[i], failed)
			}
		}
		r.to.Hand(batches)
		if closed {
			return
		}
	}
}

// idle reports whether there is nothing to record.
func (r *Recording[E, B]) idle() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.entries) == 0
}

// Abort ends the run: nothing is recorded any more. The first reason counts.
func (r *Recording[E, B]) Abort(why *failure.Pool) {
	r.mu.Lock()
	if r.failed == nil {
		r.failed = why
	}
	r.mu.Unlock()
	r.to.Stop(why)
}

// Failed returns why nothing is recorded any more, or nil.
func (r *Recording[E, B]) Failed() *failure.Pool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// Close waits until all is recorded and handed over. Nothing may be added any more.
func (r *Recording[E, B]) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.signal()
	<-r.ended
}
