package engine

import (
	"cmp"
	"context"
	"math"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/payload"
	"github.com/lambdapool/lambdapool/internal/registry"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// A LaneConfig is what a run's lane is made of.
type LaneConfig struct {
	Fn        *registry.Function
	To        Output
	Ctx       context.Context // of the run
	Total     int             // items of the whole input that will be sent; -1: not known
	Policy    Policy          // of this run's calls
	Fails     FailMode
	Chunk     int // items per invocation; 0: the chunker chooses
	Parallel  int // items at once in an agent; 0: the agent chooses
	Window    int // items that can wait at most; 0: more than an invocation wants
	Budget    Budget
	Rate      float64    // items that may begin in a second; 0: any number
	KeyRate   float64    // those of one key; 0: any number
	Tolerance *Tolerance // of failures, where Fails is FailNot; nil: of any number
	Recorded  bool       // the run has a journal, which identifies items by their arguments
	Audience  *Audience
	Logs      Logs // that travel back; zero: as the executor says
}

// A Lane is the queue of one run's items. They become calls only when a worker
// takes them: how many go into one invocation is decided with what is known
// then, and what waits is a few words for each item. Its fields after deadline, and total, are
// guarded by e.mu.
type Lane struct {
	LaneConfig

	e        *Executor
	depth    int         // as that of a Call
	holds    Policy      // of the run, the function and the executor
	deadline time.Time   // the run's end at the latest; zero: none
	caller   *invocation // that the function runs in which made the run; nil: none
	purse    *purse      // of its budget, if it shares that

	bytes atomic.Int64 // of the waiting items' arguments; written under e.mu
	room  atomic.Int64 // items that may be ahead of the consumer, where no window was set; written under e.mu

	items   itemQueue
	rated   *rated        // nil: items may begin at any rate
	pushed  int           // items so far
	party   party         // its part of the workers
	ended   *failure.Pool // why no more items are taken
	broke   *failure.Pool // ended, if that is for want of money
	last    int           // of the input that is still wanted: what comes behind a failure may not be
	whole   bool          // the input has ended
	want    int           // items that the next invocation should carry
	hold    time.Time     // until then, fewer items than wanted wait for more
	chunker *schedule.Chunker
	chunks  int // made so far
	tally   tally
}

// NewLane returns the lane of a new run.
func (e *Executor) NewLane(cfg LaneConfig) *Lane {
	holds := cfg.Policy.over(e.policyOf(cfg.Fn))
	l := &Lane{
		LaneConfig: cfg, e: e, holds: holds, last: math.MaxInt, want: max(1, min(cfg.Chunk, cmp.Or(cfg.Window, cfg.Chunk))),
		chunker: schedule.NewChunker(schedule.ChunkLimits{
			Request: e.on.Limits.Request, Response: e.on.Limits.Response,
			Timeout:     shortest(e.on.Limits.Timeout, holds.Timeout, holds.Attempt),
			Granularity: e.on.Limits.Granularity, Wait: e.on.Limits.Wait,
		}),
	}
	l.depth, l.caller = e.depth(cfg.Ctx), e.caller(cfg.Ctx)
	l.rated = newRated(cfg.Rate, cfg.KeyRate)
	if cfg.Budget != (Budget{}) {
		l.purse, _ = cfg.Ctx.Value(purseKey{}).(*purse)
	}
	l.party.lane, l.party.queue = l, e.queue(l.depth)
	l.party.class = &l.party.queue.runs
	l.deadline, _ = cfg.Ctx.Deadline()
	l.makeRoom(max(1, cfg.Chunk))
	return l
}

// shortest returns the least of limits that are set, or 0.
func shortest(limits ...time.Duration) (least time.Duration) {
	for _, d := range limits {
		if d > 0 && (least == 0 || d < least) {
			least = d
		}
	}
	return least
}

// A FailMode says what a run begins after an item has failed.
type FailMode uint8

const (
	FailNot     FailMode = iota // everything
	FailAll                     // nothing
	FailInOrder                 // what comes before it in the input
)

// An Output takes what became of items, and counts them. Workers call it concurrently.
type Output interface {
	// Deliver is given what became of items. accepted says whether the lane had taken them.
	Deliver(items []Item, accepted bool, outcome func(i int) Reply)
}

// Push adds an item, or returns why it cannot. key is what it has a rate with in common.
func (l *Lane) Push(it Item, key string) error {
	e := l.e
	e.mu.Lock()
	if l.ended == nil && e.closed {
		l.ended = errClosed(l.Fn)
	}
	if l.ended == nil && it.Index > l.last {
		e.mu.Unlock()
		return l.canceled()
	}
	if l.ended != nil {
		e.mu.Unlock()
		return l.ended
	}
	e.stats.Submitted++
	l.pushed++
	if e.inline != nil {
		l.awaitRate(it, key)
		c := l.call([]Item{it}, time.Now())
		e.mu.Unlock()
		e.runInline(c)
		return nil
	}
	defer e.mu.Unlock()
	wasFull := l.full()
	if !l.rated.hold(it, key, it.Accepted) {
		l.items.push(it)
	}
	l.bytes.Add(int64(len(it.Args)))
	e.waiting++
	switch {
	case l.queued() == 1:
		l.party.queue.enter(&l.party)
		l.linger(it.Accepted)
		e.dispatch(time.Now())
	case !wasFull && l.full(), l.rated != nil:
		e.dispatch(time.Now())
	}
	// In all other cases the workers know of the items, and none is free.
	if l.tally.flights == 0 { // others may have spent the run's budget before it has sent anything
		l.checkBudget()
	}
	return nil
}

// Finish says that the input has ended: nothing is worth waiting for.
func (l *Lane) Finish() {
	l.e.mu.Lock()
	defer l.e.mu.Unlock()
	l.whole = true
	l.e.dispatch(time.Now())
	l.e.suspectDeadlock()
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
func (l *Lane) linger(now time.Time) {
	wait := l.chunker.Linger()
	switch {
	case l.Chunk > 0 && l.Total >= 0:
		wait = fixedLingerMemory
	case l.Chunk > 0:
		wait = fixedLinger
	}
	if l.want > 1 && wait > 0 && !l.whole && l.items.len() < l.want && l.rated == nil {
		l.hold = now.Add(wait)
		l.e.wake(l.hold)
	}
}

// full reports whether what waits is worth an invocation. e.mu is held.
func (l *Lane) full() bool {
	limit := l.e.on.Limits.Request
	return l.rated != nil || l.items.len() >= l.want || l.whole || limit > 0 && l.e.on.Payloads.Sent(int(l.bytes.Load())) >= limit
}

// sendable reports whether an invocation may be formed now. e.mu is held.
func (l *Lane) sendable(now time.Time) bool {
	if l.queued() == 0 || l.over(now) {
		return false
	}
	if at := l.rated.at(l.items.len() > 0); at.After(now) {
		l.e.wake(at)
		return false
	}
	return (l.full() || !now.Before(l.hold)) && l.affordable(1)
}

// over reports whether the run's context has ended. Whoever watches it may not have come to
// stopping the lane yet.
func (l *Lane) over(now time.Time) bool {
	return l.Ctx.Err() != nil || !l.deadline.IsZero() && !now.Before(l.deadline)
}

// left is how long the run may still take; 0: no limit.
func (l *Lane) left(now time.Time) time.Duration {
	if l.deadline.IsZero() {
		return 0
	}
	return max(l.deadline.Sub(now), 1)
}

// queued is how many items are in no call. e.mu is held.
func (l *Lane) queued() int { return l.items.len() + l.rated.waiting() }

// cut takes the first n items out of the queue. e.mu is held.
func (l *Lane) cut(n int) []Item { return l.taken(l.items.cut(n)) }

// taken counts items that were taken out of the queue. e.mu is held.
func (l *Lane) taken(items []Item) []Item {
	for i := range items {
		l.bytes.Add(-int64(len(items[i].Args)))
	}
	l.e.waiting -= len(items)
	return items
}

// next forms the call of the next invocation of a sendable lane. e.mu is held.
func (l *Lane) next(now time.Time) *Call {
	n := l.size(now)
	l.rated.count(n, now)
	c := l.call(l.cut(n), now)
	l.linger(now)
	return c
}

// size is how many items the next invocation takes. e.mu is held.
func (l *Lane) size(now time.Time) int {
	ready := l.queued()
	n := l.Chunk
	if n == 0 {
		b := schedule.Backlog{
			Remaining: -1, Ready: ready, Flying: l.tally.running,
			Workers: l.e.sharers(), Left: l.left(now), Request: int(l.bytes.Load())/ready + payload.ItemOverhead,
		}
		if l.Total >= 0 {
			b.Remaining = l.Total - l.pushed + ready
		}
		n = l.chunker.Size(b)
		switch {
		case l.Window > 0:
			n = min(n, max(1, l.Window/(schedule.ChunksPerWindow*b.Workers)))
		case l.Total >= 0:
			l.makeRoom(n)
		default:
			var room int
			room, n = l.chunker.Window(n, b.Workers)
			l.room.Store(int64(room))
		}
	}
	if l.Window > 0 {
		n = min(n, l.Window)
	}
	n = l.affordableItems(n)
	l.want = n
	n = l.rated.most(n, now)
	if l.rated != nil {
		for _, it := range l.rated.release(n-l.items.len(), now) {
			l.items.push(it)
		}
		ready = l.items.len()
	}
	n = min(n, ready)
	if limit := l.e.on.Payloads.Inline(l.e.on.Limits.Request); limit > 0 {
		// The first item goes in any case: what does not fit alone is told so.
		used := payload.EnvelopeRoom
		for i := range n {
			used += l.e.on.Payloads.Sent(len(l.items.at(i).Args) + payload.ItemOverhead)
			if used > limit && i > 0 {
				return i
			}
		}
	}
	return n
}

// makeRoom lets some chunks of n items for each worker be ahead of the consumer. e.mu is held.
func (l *Lane) makeRoom(n int) {
	room := min(schedule.WindowMax, schedule.ChunksPerWindow*n*l.e.workersNow())
	l.room.Store(max(l.room.Load(), int64(room)))
}

// call makes a live call of items that are given to a worker at that time: WithTimeout counts
// from then on. e.mu is held.
func (l *Lane) call(items []Item, given time.Time) *Call {
	l.chunks++
	ch := &chunk{lane: l, number: l.chunks, items: items, given: given}
	c := &Call{Promise: &ch.Promise, sink: ch, chunk: ch, caller: l.caller, party: &l.party, depth: l.depth}
	ch.exec, ch.fn, ch.call = l.e, l.Fn, c
	first := items[0].Accepted
	for i := range items {
		if items[i].Accepted.Before(first) {
			first = items[i].Accepted
		}
	}
	c.accepted = first.Sub(l.e.epoch)
	l.e.admit(c, l.Ctx, given)
	return c
}

// anew makes a live call of items that were in one before, which ran.
func (l *Lane) anew(items []Item, given time.Time) *Call {
	c := l.call(items, given)
	c.hasRun()
	return c
}

// Failed takes note of an item that has failed. A run that stops at its first error sends nothing
// more then; one whose consumer sees results in order, nothing more that comes behind it.
func (l *Lane) Failed(index int) {
	if l.Fails == FailNot {
		l.CheckTolerance(false)
		return
	}
	if l.Fails == FailAll {
		index = -1
	}
	l.e.mu.Lock()
	l.last = min(l.last, index)
	dropped := l.taken(append(l.items.cutBehind(l.last), l.rated.drop(l.last)...))
	l.party.queue.leave(&l.party)
	l.e.mu.Unlock()
	l.fail(dropped, l.canceled())
}

// canceled is the error of items that nobody wants any more.
func (l *Lane) canceled() *failure.Pool {
	return failure.NotRun("call", l.Fn.Name(), driver.ErrCanceled, context.Canceled, "the run has ended")
}

// Stop takes no more items, and ends those that wait with err.
func (l *Lane) Stop(err *failure.Pool) {
	l.e.mu.Lock()
	items := l.close(err)
	l.e.mu.Unlock()
	l.fail(items, err)
}

// close takes no more items, and returns those that wait. e.mu is held.
func (l *Lane) close(err *failure.Pool) []Item {
	if l.ended == nil {
		l.ended = err
	}
	items := append(l.cut(l.items.len()), l.taken(l.rated.drop(-1))...)
	l.party.queue.leave(&l.party)
	return items
}

// fail ends items that are in no call.
func (l *Lane) fail(items []Item, err error) {
	if len(items) > 0 {
		l.settle(items, func(int) Reply { return Reply{Err: err} })
	}
}

// settle hands items over.
func (l *Lane) settle(items []Item, outcome func(i int) Reply) {
	l.To.Deliver(items, true, outcome)
	l.e.mu.Lock()
	l.e.settleIdle()
	l.e.mu.Unlock()
}
