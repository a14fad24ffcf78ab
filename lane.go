package lambdapool

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

// A lane is the queue of one run's items. They become calls only when a worker
// takes them: how many go into one invocation is decided with what is known
// then, and what waits is a few words for each item. Its fields after ctx are
// guarded by e.mu.
type lane struct {
	e        *Executor
	fn       *Function
	to       laneOutput
	ctx      context.Context // of the run
	fixed    int             // items per invocation; 0: the chunker chooses
	parallel int             // items at once in an agent; 0: the agent chooses
	window   int             // items that can wait at most; 0: more than an invocation wants
	budget   Budget
	recorded bool // the run has a journal, which identifies items by their arguments

	bytes atomic.Int64 // of the waiting items' arguments; written under e.mu
	room  atomic.Int64 // items that may be ahead of the consumer, where no window was set; written under e.mu

	items   itemQueue
	pushed  int       // items so far
	total   int       // items of the whole input; -1: not known
	listed  bool      // in e.ready
	ended   error     // why no more items are taken
	whole   bool      // the input has ended
	want    int       // items that the next invocation should carry
	hold    time.Time // until then, fewer items than wanted wait for more
	chunker *schedule.Chunker
	chunks  int // made so far
	tally   tally
}

// laneOutput takes what became of items. Workers call it concurrently.
type laneOutput interface {
	deliver(items []laneItem, outcome func(i int) itemReply)
}

// A laneItem is one item, waiting or in flight.
type laneItem struct {
	index    int
	args     []byte
	accepted time.Time
	runs     int // attempts that ended in an error of the function
}

// itemQueue is a queue of items that reuses its memory.
type itemQueue struct {
	items []laneItem
	head  int
}

func (q *itemQueue) len() int           { return len(q.items) - q.head }
func (q *itemQueue) at(i int) *laneItem { return &q.items[q.head+i] }

func (q *itemQueue) push(it laneItem) {
	if q.head > 64 && q.head > len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, it)
}

// cut takes the first n items.
func (q *itemQueue) cut(n int) []laneItem {
	taken := q.items[q.head : q.head+n]
	items := append([]laneItem(nil), taken...)
	clear(taken)
	q.head += n
	return items
}

// push adds an item, or returns why it cannot.
func (l *lane) push(it laneItem) error {
	e := l.e
	e.mu.Lock()
	if l.ended == nil && e.closed {
		l.ended = callError("submit", l.fn.name, ErrClosed, nil, "the executor was shut down or closed")
	}
	if l.ended != nil {
		e.mu.Unlock()
		return l.ended
	}
	e.stats.Submitted++
	l.pushed++
	if e.inline != nil {
		c := l.call([]laneItem{it})
		e.mu.Unlock()
		e.runInline(c)
		return nil
	}
	defer e.mu.Unlock()
	wasFull := l.full()
	l.items.push(it)
	l.bytes.Add(int64(len(it.args)))
	e.waiting++
	if e.timeout > 0 {
		e.wake(it.accepted.Add(e.timeout))
	}
	switch {
	case !l.listed:
		l.listed = true
		e.ready.lanes = append(e.ready.lanes, l)
		l.linger(it.accepted)
		e.dispatch()
	case !wasFull && l.full():
		e.dispatch()
	}
	// In all other cases the workers know of the lane, and none is free.
	return nil
}

// finish says that the input has ended: nothing is worth waiting for.
func (l *lane) finish() {
	l.e.mu.Lock()
	defer l.e.mu.Unlock()
	l.whole = true
	l.e.dispatch()
}

// How long a chunk whose size was set waits to be full. An input that is pulled
// and takes longer for its next items gets smaller chunks instead; one that lies
// in memory only has to be encoded.
const (
	fixedLinger       = 5 * time.Millisecond
	fixedLingerMemory = time.Second
)

// linger has a chunk that is not full wait a little for more items.
// e.mu is held.
func (l *lane) linger(now time.Time) {
	wait := l.chunker.Linger()
	switch {
	case l.fixed > 0 && l.total >= 0:
		wait = fixedLingerMemory
	case l.fixed > 0:
		wait = fixedLinger
	}
	if l.want > 1 && wait > 0 && !l.whole && l.items.len() < l.want {
		l.hold = now.Add(wait)
		l.e.wake(l.hold)
	}
}

// full reports whether what waits is worth an invocation. e.mu is held.
func (l *lane) full() bool {
	limit := l.e.limits.Request
	return l.items.len() >= l.want || l.whole || limit > 0 && base64Len(int(l.bytes.Load())) >= limit
}

// sendable reports whether an invocation may be formed now. e.mu is held.
func (l *lane) sendable(now time.Time) bool {
	n := l.items.len()
	if n > 0 && l.e.timeout > 0 && !l.items.at(0).accepted.Add(l.e.timeout).After(now) {
		return false // the alarm is about to end it
	}
	return n > 0 && (l.full() || !now.Before(l.hold)) && l.affordable()
}

// cut takes the first n items out of the queue. e.mu is held.
func (l *lane) cut(n int) []laneItem {
	items := l.items.cut(n)
	for i := range items {
		l.bytes.Add(-int64(len(items[i].args)))
	}
	l.e.waiting -= n
	return items
}

// next forms the call of the next invocation of a sendable lane. e.mu is held.
func (l *lane) next(now time.Time) *call {
	c := l.call(l.cut(l.size()))
	l.linger(now)
	return c
}

// What an item and an envelope take beside the arguments, generously, and what
// base64 makes of bytes.
const (
	itemOverhead = 8
	envelopeRoom = 2 << 10
)

func base64Len(n int) int { return (n + 2) / 3 * 4 }

// size is how many items the next invocation takes. e.mu is held.
func (l *lane) size() int {
	ready := l.items.len()
	n := l.fixed
	if n == 0 {
		b := schedule.Backlog{
			Remaining: -1, Ready: ready, Flying: l.tally.running,
			Workers: l.e.limiter.Limit(), Request: int(l.bytes.Load())/ready + itemOverhead,
		}
		if l.total >= 0 {
			b.Remaining = l.total - l.pushed + ready
		}
		n = l.chunker.Size(b)
		switch {
		case l.window > 0:
			n = min(n, max(1, l.window/(schedule.ChunksPerWindow*b.Workers)))
		case l.total >= 0:
			l.makeRoom(n)
		default:
			var room int
			room, n = l.chunker.Window(n, b.Workers)
			l.room.Store(int64(room))
		}
	}
	if l.window > 0 {
		n = min(n, l.window)
	}
	l.want = n
	n = min(n, ready)
	if limit := l.e.payloads.inline(l.e.limits.Request); limit > 0 {
		// The first item goes in any case: what does not fit alone is told so.
		used := envelopeRoom
		for i := range n {
			used += base64Len(len(l.items.at(i).args) + itemOverhead)
			if used > limit && i > 0 {
				return i
			}
		}
	}
	return n
}

// makeRoom lets some chunks of n items for each worker be ahead of the consumer. e.mu is held.
func (l *lane) makeRoom(n int) {
	room := min(schedule.WindowMax, schedule.ChunksPerWindow*n*l.e.workers)
	l.room.Store(max(l.room.Load(), int64(room)))
}

// call makes a live call of items. e.mu is held.
func (l *lane) call(items []laneItem) *call {
	l.chunks++
	ch := &chunk{lane: l, number: l.chunks, items: items}
	c := &call{promise: &ch.promise, sink: ch, chunk: ch, accepted: items[0].accepted}
	ch.exec, ch.fn, ch.call = l.e, l.fn, c
	for i := range items {
		if items[i].accepted.Before(c.accepted) {
			c.accepted = items[i].accepted
		}
	}
	l.e.admit(c, l.ctx)
	return c
}

// anew makes a live call of items that were in one before, which ran.
func (l *lane) anew(items []laneItem) *call {
	c := l.call(items)
	c.hasRun()
	return c
}

// stop takes no more items, and ends those that wait with err.
func (l *lane) stop(err error) {
	l.e.mu.Lock()
	if l.ended == nil {
		l.ended = err
	}
	items := l.cut(l.items.len())
	l.e.mu.Unlock()
	l.fail(items, err)
}

// overdue takes out the items that have waited since before, and returns when
// the next one was accepted. e.mu is held.
func (l *lane) overdue(before time.Time) (items []laneItem, next time.Time) {
	n := 0
	for n < l.items.len() && !l.items.at(n).accepted.After(before) {
		n++
	}
	if items = l.cut(n); l.items.len() > 0 {
		next = l.items.at(0).accepted
	}
	return items, next
}

// fail ends items that are in no call.
func (l *lane) fail(items []laneItem, err error) {
	if len(items) > 0 {
		l.settle(items, func(int) itemReply { return itemReply{err: err} })
	}
}

// settle counts items and hands them over.
func (l *lane) settle(items []laneItem, outcome func(i int) itemReply) {
	l.e.mu.Lock()
	for i := range items {
		err := outcome(i).err
		l.e.count(err)
		l.tally.done++
		if err != nil {
			l.tally.failed++
		}
	}
	l.e.mu.Unlock()
	l.to.deliver(items, outcome)
	l.e.mu.Lock()
	l.e.settleIdle()
	l.e.mu.Unlock()
}

// A chunk is the items of one call of a run.
type chunk struct {
	promise

	lane   *lane
	number int // of the chunk in its run, from 1, for messages
	items  []laneItem
}

// arguments are the encoded arguments of each item, lent.
func (ch *chunk) arguments() [][]byte {
	args := argumentScratch.lend(len(ch.items))
	for i := range ch.items {
		args[i] = ch.items[i].args
	}
	return args
}

var argumentScratch scratch[[]byte]

// release lets go of the arguments of a single item, which are stored, and returns how
// large they were.
func (ch *chunk) release() (size int) {
	if len(ch.items) == 1 && !ch.lane.recorded {
		size = len(ch.items[0].args)
		ch.items[0].args = nil
	}
	return size
}

// decode implements sink; the values of a chunk are delivered by answered.
func (ch *chunk) decode(*Function, []byte, bool) error { return nil }

// answered ends the call, and each of its items by its own reply. Items whose
// error the retry policy wants run again are sent again.
func (ch *chunk) answered(replies []itemReply) {
	if !ch.claim() {
		return
	}
	l, retry := ch.lane, &ch.lane.e.retry
	var again []laneItem
	settled, outcomes := ch.items, replies // most often all of them
	for i := range replies {
		reply := &replies[i]
		if reply.err == nil {
			continue
		}
		a, _ := retry.classify(reply.err)
		if it := ch.items[i]; a.Wanted && it.runs+1 < retry.MaxAttempts {
			it.runs++
			again = append(again, it)
			reply.again = true
			continue
		}
		reply.err = ch.call.finalError(reply.err, schedule.IsAnswer)
	}
	if len(again) > 0 {
		settled, outcomes = nil, nil
		for i, reply := range replies {
			if !reply.again {
				settled, outcomes = append(settled, ch.items[i]), append(outcomes, reply)
			}
		}
	}
	var kept *parcel
	if len(ch.items) == 1 && len(again) == 1 {
		kept = ch.call.parcel.Swap(nil) // its arguments are nowhere else
	}
	l.again(again, kept)
	l.settle(settled, func(i int) itemReply { return outcomes[i] })
	ch.complete(nil)
}

// again sends items once more, each alone and after its backoff. kept has the arguments of
// the only one, if they are stored.
func (l *lane) again(items []laneItem, kept *parcel) {
	e := l.e
	e.mu.Lock()
	if err := l.closed(); err != nil {
		e.mu.Unlock()
		if kept != nil {
			e.payloads.mark(kept.key, true)
		}
		l.fail(items, err)
		return
	}
	defer e.mu.Unlock()
	for _, it := range items {
		c := l.anew([]laneItem{it})
		c.parcel.Store(kept)
		e.postpone(c, time.Now().Add(e.retry.Backoff.Delay(it.runs, 0, e.random)))
	}
	e.stats.Retries += int64(len(items))
	l.tally.retried += len(items)
}

// closed returns why items must not be sent any more. e.mu is held.
func (l *lane) closed() error {
	if l.ended == nil && l.e.aborted {
		return callError("call", l.fn.name, ErrCanceled, ErrClosed, "")
	}
	return l.ended
}

// completed implements sink. A chunk that has failed as a whole says nothing
// about its items. When an agent went down with an idempotent function's chunk,
// one item may have done it: halves find that one, and give the others their
// values.
func (ch *chunk) completed() {
	err := ch.failure()
	if err == nil {
		return
	}
	var pool *PoolError
	if len(ch.items) < 2 || !ch.fn.idempotent || !errors.As(err, &pool) || pool.Outcome != OutcomeRan {
		ch.lane.fail(ch.items, err)
		return
	}
	l, e, half := ch.lane, ch.lane.e, len(ch.items)/2
	e.mu.Lock()
	if l.closed() != nil {
		e.mu.Unlock()
		l.fail(ch.items, err)
		return
	}
	e.ready.calls.push(l.anew(ch.items[:half]))
	e.ready.calls.push(l.anew(ch.items[half:]))
	e.stats.Retries += int64(len(ch.items))
	l.tally.retried += len(ch.items)
	e.dispatch()
	e.mu.Unlock()
}
