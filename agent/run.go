package agent

import (
	"context"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/lazyctx"
	"github.com/lambdapool/lambdapool/internal/nested"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// An itemState is where an item of an invocation stands. Under the run's lock, and never back:
//
//	fresh  nobody has begun it. take makes it begun; giveBack makes it done, with KindNotBegun.
//	begun  its function may have run. settle makes it done, called by the goroutine of the
//	       function with what came of it, or by close, which answers for functions that ignore their context.
//	done   its reply is final.
//
// Items are begun in their order, so the fresh ones are those from run.next on.
type itemState uint8

const (
	itemFresh itemState = iota
	itemBegun
	itemDone
)

// A run is the items of one invocation on their way through the function.
type run struct {
	h     *Handler
	fn    *registry.Function
	ctx   *runContext     // ends when the functions shall; they may keep it
	from  context.Context // the invoker's, above ctx
	began time.Time
	end   time.Time // when ctx ends; zero: never
	late  time.Time // when functions that ignore it are answered for
	chunk int       // which chunk of a run the items are, from 1; 0: of none
	items [][]byte
	fails bool // no item is begun any more once one has failed

	record *record // of what becomes of them; nil: nobody would read it
	stays  *here   // not nil: the only item runs on the invoker's goroutine

	mu      sync.Mutex
	next    int       // first item that is fresh
	redo    []int     // items before it that are begun once more; their replies are there for want of time
	left    int       // items that are not done
	last    time.Time // when an item was settled last
	running int       // items that are begun
	parked  int       // workers that have ended for want of room in the reply
	failed  bool
	room    room
	pace    *pace // nil: nobody asks
	states  []itemState
	replies []codec.ItemReply
	closed  bool // the reply is on its way: what still comes is late

	woken chan struct{} // holds an entry when every item may be done, or ctx may have ended; nil: nobody waits
	link  lazyctx.Link  // from ctx

	only struct { // of a single item: most invocations have no more
		states  [1]itemState
		replies [1]codec.ItemReply
		worker  worker
	}
}

// set has r, a zero run, run fn for the items of in.
func (r *run) set(ctx context.Context, in *invocation, fn *registry.Function, record *record) {
	n := len(in.req.Items)
	kill, _ := ctx.Deadline()
	now := record.start(time.Now())
	r.h, r.fn, r.ctx, r.from, r.record = in.h, fn, new(runContext), ctx, record
	r.began, r.chunk, r.items, r.fails = now, in.req.Chunk, in.req.Items, in.req.Stop
	r.end, r.late = deadlines(now, kill, in.req.Remaining, in.req.Detached != nil)
	r.left, r.room, r.pace = n, in.h.roomFor(in.req), newPace(now, r.end, n, in.req.Last)
	r.ctx.logs.Func, r.ctx.logs.ID, r.ctx.logs.Logs, r.ctx.logs.Platform = fn.Name(), in.req.ID, in.req.Logs, r.ctx
	if r.states, r.replies = r.only.states[:], r.only.replies[:]; n > 1 {
		r.states, r.replies = make([]itemState, n), make([]codec.ItemReply, n)
	}
}

// enter begins the context of the functions. When it ends, r hears of it until it leaves.
func (r *run) enter(req *codec.Request) {
	r.ctx.Start(r.from, r.end)
	r.ctx.scope.Trace(req.Trace)
	nested.Bound(r.ctx)
	r.link.Follow(r.ctx, r)
}

// leave ends it. It reports whether r will certainly not hear of it any more.
func (r *run) leave() (alone bool) {
	alone = r.link.Unfollow()
	r.ctx.EndAt(r.settled())
	return alone
}

// runItems runs fn for each item, up to parallel of them at once, and returns
// when all are done, when ctx ends (with its cause), or at the time when it
// has to answer for those that ignore their context.
func (in *invocation) runItems(ctx context.Context, fn *registry.Function, record *record) (replies []codec.ItemReply, err error) {
	n, req := len(in.req.Items), in.req
	if n == 0 {
		return nil, nil
	}
	r := &run{woken: make(chan struct{}, 1)}
	r.set(ctx, in, fn, record)
	r.resume(req.Detached != nil && !req.Detached.Once)
	defer r.logged()()
	if !in.h.Guest { // a guest's functions have their host's executor
		frame := r.ctx.scope.Enter(req.Nested, req.Detached != nil, in.h.registry)
		defer func() { in.spent = frame.Leave() }()
	}
	r.enter(req)
	defer r.leave()
	parallel := in.atOnce
	if req.Parallel > 0 {
		parallel = req.Parallel
	}
	for range min(parallel, n) {
		r.replace()
	}
	var aside <-chan time.Time
	if req.Last && req.Parallel == 0 && !r.end.IsZero() {
		aside = time.After(r.half())
	}
	for done := false; !done; {
		select {
		case <-r.woken:
			done = r.done()
			if !done && r.ctx.ErrAt(time.Time{}) != nil {
				r.wait()
				done = true
			}
		case <-aside:
			r.passBy(in.atOnce)
			if aside = nil; r.half() > stallLeast {
				aside = time.After(r.half())
			}
		}
	}
	r.close()
	return r.answers()
}

// stallLeast is the least time for which it is worth beginning anything.
const stallLeast = 10 * time.Millisecond

// half is half of the time that is left.
func (r *run) half() time.Duration { return time.Until(r.end) / 2 }

// passBy begins items that others have held up for half of the time, beside them: nobody can
// send them again. More than the processors are paid for run at once then, which takes from those.
func (r *run) passBy(workers int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range min(workers, len(r.items)-r.next) {
		r.replace()
	}
}

// resume settles the items that another process had begun, but for those that run again.
func (r *run) resume(again bool) {
	if r.record == nil { // none had
		return
	}
	now := time.Now()
	for i, item := range r.record.left(len(r.items), again, r.timedOut) {
		r.next++
		r.pace.begun(now.Add(-item.reply.Run))
		if item.again {
			r.redo, r.replies[i] = append(r.redo, i), item.reply
			continue
		}
		r.running++
		r.settle(i, item.reply, now)
	}
}

// begin notes that item i is about to run. The caller holds the lock.
func (r *run) begin(i int) int {
	r.running++
	r.states[i] = itemBegun
	r.record.begin(i)
	return i
}

// take begins the next item and returns it, or -1 if no item is to be begun by this worker any
// more.
//
// The first item of an invocation is begun whatever is known of time and room: so each
// invocation, and with it the run, comes on.
func (r *run) take(now time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.next == len(r.items) && len(r.redo) == 0 {
		return -1
	}
	switch {
	case r.ctx.ErrAt(now) != nil, !r.end.IsZero() && !now.Before(r.end):
		r.giveBack()
		return -1
	case len(r.redo) > 0:
		i := r.redo[0]
		r.redo = r.redo[1:]
		return r.begin(i)
	case r.next == 0:
	case r.fails && r.failed, !r.pace.inTime(now):
		r.giveBack()
		return -1
	case !r.room.holds(r.running, len(r.items)-r.next):
		if r.running > 0 { // they may turn out smaller than what is kept for them
			r.parked++
			return -1
		}
		r.giveBack()
		return -1
	}
	r.next++
	r.pace.begun(now)
	return r.begin(r.next - 1)
}

// notBegun is the reply of every item that is given back. It says no more, since there may be
// thousands.
var notBegun = &codec.Error{Kind: codec.KindNotBegun}

// giveBack settles the items that are fresh: whoever sent them sends them again. The caller
// holds the lock.
func (r *run) giveBack() {
	for _, i := range r.redo {
		r.record.end(i, &r.replies[i])
		r.finish(i, r.replies[i])
	}
	r.redo = nil
	for ; r.next < len(r.items); r.next++ {
		r.finish(r.next, codec.ItemReply{Err: notBegun})
	}
}

// settle records what came of an item that was begun. The caller holds the lock.
func (r *run) settle(i int, reply codec.ItemReply, now time.Time) {
	r.running--
	r.last = now
	r.failed = r.failed || reply.Err != nil
	r.room.took(&reply)
	r.finish(i, reply)
	r.pace.done(i, now, r.states)
	if r.parked > 0 && !r.closed {
		r.parked--
		r.replace()
	}
}

// finish records the reply of an item. The caller holds the lock.
func (r *run) finish(i int, reply codec.ItemReply) {
	reply.Logs = r.ctx.logs.Kept(i)
	r.states[i], r.replies[i] = itemDone, reply
	if r.left--; r.left == 0 {
		r.wake()
	}
}
