package lambdapool

import (
	"container/heap"
	"context"
	"slices"
	"time"
)

// readyQueue holds what can be sent now: calls, and the lanes of runs. They
// take turns, so that a long run does not starve a single call, nor another run.
type readyQueue struct {
	calls callQueue
	lanes []*lane
	turn  int
}

// empty reports whether there is nothing to send.
func (q *readyQueue) empty(now time.Time) bool {
	for i := 0; i < len(q.lanes); {
		switch l := q.lanes[i]; {
		case l.items.len() == 0:
			q.drop(i)
		case l.sendable(now):
			return false
		default:
			i++
		}
	}
	return q.calls.peek(now) == nil
}

// next takes the next call, which empty has said there is.
func (q *readyQueue) next(now time.Time) *call {
	for {
		q.turn++
		if q.turn > len(q.lanes) {
			q.turn = 0
			if c := q.calls.peek(now); c != nil {
				q.calls.pop()
				return c
			}
			continue
		}
		if l := q.lanes[q.turn-1]; l.sendable(now) {
			return l.next(now)
		}
	}
}

// drop takes a lane without items out; its next item lists it again.
func (q *readyQueue) drop(i int) {
	q.lanes[i].listed = false
	q.lanes = slices.Delete(q.lanes, i, i+1)
	if q.turn > i {
		q.turn--
	}
}

// callQueue is a queue of calls: a list through the calls themselves. One that
// has ended meanwhile, or is about to because its time is up, is passed over.
type callQueue struct{ head, tail *call }

func (q *callQueue) push(c *call) {
	if q.tail == nil {
		q.head = c
	} else {
		q.tail.next = c
	}
	q.tail = c
}

func (q *callQueue) pushFront(c *call) {
	c.next = q.head
	q.head = c
	if q.tail == nil {
		q.tail = c
	}
}

// peek returns the first call that can be sent, or nil.
func (q *callQueue) peek(now time.Time) *call {
	for q.head != nil && (q.head.claimed.Load() || q.head.overdue(now)) {
		q.pop()
	}
	return q.head
}

func (q *callQueue) pop() {
	c := q.head
	q.head, c.next = c.next, nil
	if q.head == nil {
		q.tail = nil
	}
}

// delayQueue holds calls that wait for their next attempt, soonest first.
type delayQueue struct{ heap delayHeap }

type delayed struct {
	at   time.Time
	call *call
}

func (q *delayQueue) pop() { heap.Pop(&q.heap) }

// push adds a call. live is how many calls there are at all: where calls that
// have ended outnumber them, they go, so that a timeout of an hour does not
// keep an hour's calls.
func (q *delayQueue) push(c *call, at time.Time, live int) {
	heap.Push(&q.heap, delayed{at, c})
	if len(q.heap) > 2*live+64 {
		q.heap = slices.DeleteFunc(q.heap, func(d delayed) bool { return d.call.claimed.Load() })
		heap.Init(&q.heap)
	}
}

// peek returns the soonest call that has not ended, or nil.
func (q *delayQueue) peek() (*call, time.Time) {
	for len(q.heap) > 0 && q.heap[0].call.claimed.Load() {
		q.pop()
	}
	if len(q.heap) == 0 {
		return nil, time.Time{}
	}
	return q.heap[0].call, q.heap[0].at
}

type delayHeap []delayed

func (h delayHeap) Len() int           { return len(h) }
func (h delayHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h delayHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *delayHeap) Push(x any)        { *h = append(*h, x.(delayed)) }
func (h *delayHeap) Pop() any {
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = delayed{}
	*h = (*h)[:len(*h)-1]
	return last
}

// liveList holds every call that has not ended, in the order of acceptance.
type liveList struct {
	first, last *call
	n           int
}

func (l *liveList) add(c *call) {
	c.prevLive = l.last
	if l.last == nil {
		l.first = c
	} else {
		l.last.nextLive = c
	}
	l.last = c
	l.n++
}

func (l *liveList) remove(c *call) {
	if c.prevLive == nil {
		l.first = c.nextLive
	} else {
		c.prevLive.nextLive = c.nextLive
	}
	if c.nextLive == nil {
		l.last = c.prevLive
	} else {
		c.nextLive.prevLive = c.prevLive
	}
	c.prevLive, c.nextLive = nil, nil
	l.n--
}

func (l *liveList) all() []*call {
	calls := make([]*call, 0, l.n)
	for c := l.first; c != nil; c = c.nextLive {
		calls = append(calls, c)
	}
	return calls
}

// ctxGroup holds the calls of one context. A million calls under one context
// need one watcher of it, not a million.
type ctxGroup struct {
	ctx   context.Context
	stop  func() bool
	first *call
}

// join puts c under watch of its context. e.mu is held.
func (e *Executor) join(c *call, ctx context.Context) {
	done := ctx.Done()
	if done == nil {
		return
	}
	g := e.groups[done]
	if g == nil {
		g = &ctxGroup{ctx: ctx}
		g.stop = context.AfterFunc(ctx, func() { e.cancelGroup(g) })
		e.groups[done] = g
	}
	c.group = g
	c.nextInGroup = g.first
	if g.first != nil {
		g.first.prevInGroup = c
	}
	g.first = c
}

// leave takes c out of its context's group, if it is in one. e.mu is held.
func (e *Executor) leave(c *call) {
	g := c.group
	if g == nil {
		return
	}
	if c.prevInGroup == nil {
		g.first = c.nextInGroup
	} else {
		c.prevInGroup.nextInGroup = c.nextInGroup
	}
	if c.nextInGroup != nil {
		c.nextInGroup.prevInGroup = c.prevInGroup
	}
	c.group, c.prevInGroup, c.nextInGroup = nil, nil, nil
	if g.first == nil {
		g.stop()
		delete(e.groups, g.ctx.Done())
	}
}

// cancelGroup ends every call of a context that has ended.
func (e *Executor) cancelGroup(g *ctxGroup) {
	kind, cause := contextKind(g.ctx)
	e.mu.Lock()
	var calls []*call
	for c := g.first; c != nil; c = c.nextInGroup {
		calls = append(calls, c)
	}
	calls = claimed(calls)
	e.mu.Unlock()
	for _, c := range calls {
		c.abandon(kind, cause, "")
	}
}
