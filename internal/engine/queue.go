package engine

import (
	"container/heap"
	"context"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/failure"
)

// callQueue is a queue of calls: a list through the calls themselves, which a call
// leaves when it ends.
type callQueue struct{ head, tail *Call }

func (q *callQueue) push(c *Call) {
	c.queued, c.prev = true, q.tail
	if q.tail == nil {
		q.head = c
	} else {
		q.tail.next = c
	}
	q.tail = c
}

func (q *callQueue) pushFront(c *Call) {
	c.queued, c.next = true, q.head
	if q.head == nil {
		q.tail = c
	} else {
		q.head.prev = c
	}
	q.head = c
}

// remove takes c out, if it is in.
func (q *callQueue) remove(c *Call) {
	if !c.queued {
		return
	}
	if c.prev == nil {
		q.head = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		q.tail = c.prev
	} else {
		c.next.prev = c.prev
	}
	c.queued, c.prev, c.next = false, nil, nil
}

// peek returns the first call that can be sent, or nil. It takes out those that have
// ended just now, or are about to because their time is up.
func (q *callQueue) peek(now time.Time) *Call {
	for q.head != nil && (q.head.claimed.Load() || q.head.unwanted(now)) {
		q.remove(q.head)
	}
	return q.head
}

// A delayQueue holds calls until a time of theirs, soonest first. A call leaves it when
// it ends, wherever it is.
type delayQueue struct {
	heap  []delayed
	place func(*Call) *int32 // where a call keeps its position, counted from 1; 0: not in
}

type delayed struct {
	at   time.Time
	call *Call
}

// The delayQueues of an executor: a call may be in both.
func laterPlace(c *Call) *int32    { return &c.inLater }
func expiringPlace(c *Call) *int32 { return &c.inExpiring }

// push has c wait until a time, and not until another if it is in already.
func (q *delayQueue) push(c *Call, at time.Time) {
	q.remove(c)
	heap.Push(q, delayed{at, c})
}

// remove takes c out, if it is in.
func (q *delayQueue) remove(c *Call) {
	if at := *q.place(c); at > 0 {
		heap.Remove(q, int(at)-1)
	}
}

// due takes out and returns the calls whose time has come, and says when the next one's does.
func (q *delayQueue) due(now time.Time) (calls []*Call, next time.Time) {
	for len(q.heap) > 0 {
		if next = q.heap[0].at; next.After(now) {
			return calls, next
		}
		calls = append(calls, q.heap[0].call)
		heap.Pop(q)
	}
	return calls, time.Time{}
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (q *delayQueue) Len() int           { return len(q.heap) }
func (q *delayQueue) Less(i, j int) bool { return q.heap[i].at.Before(q.heap[j].at) }
func (q *delayQueue) Swap(i, j int) {
	q.heap[i], q.heap[j] = q.heap[j], q.heap[i]
	*q.place(q.heap[i].call), *q.place(q.heap[j].call) = int32(i+1), int32(j+1)
}

func (q *delayQueue) Push(x any) {
	d := x.(delayed)
	q.heap = append(q.heap, d)
	*q.place(d.call) = int32(len(q.heap))
}

func (q *delayQueue) Pop() any {
	last := len(q.heap) - 1
	d := q.heap[last]
	q.heap[last] = delayed{}
	q.heap = q.heap[:last]
	if cap(q.heap) > 1024 && last < cap(q.heap)/4 { // the memory of a crowd that has gone
		q.heap = append(make([]delayed, 0, cap(q.heap)/2), q.heap...)
	}
	*q.place(d.call) = 0
	return d
}

// liveList holds every call that has not ended, in the order of acceptance.
type liveList struct {
	first, last *Call
	n           int
}

func (l *liveList) add(c *Call) {
	c.prevLive = l.last
	if l.last == nil {
		l.first = c
	} else {
		l.last.nextLive = c
	}
	l.last = c
	l.n++
}

func (l *liveList) remove(c *Call) {
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

func (l *liveList) all() []*Call {
	calls := make([]*Call, 0, l.n)
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
	ended bool // the watcher has come by: it does not see who joins from now on
	first *Call
}

// join puts c under watch of its context. e.mu is held.
func (e *Executor) join(c *Call, ctx context.Context) {
	done := ctx.Done()
	if done == nil {
		return
	}
	g := e.groups[done]
	if g == nil {
		g = &ctxGroup{ctx: ctx, ended: true}
		e.groups[done] = g
	}
	if g.ended { // while those that it found are leaving, perhaps
		g.ended = false
		g.stop = context.AfterFunc(ctx, func() { e.cancelGroup(g) })
	}
	c.group = g
	c.nextInGroup = g.first
	if g.first != nil {
		g.first.prevInGroup = c
	}
	g.first = c
}

// leave takes c out of its context's group, if it is in one. e.mu is held.
func (e *Executor) leave(c *Call) {
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

// cancelGroup ends every call of a context that has ended, but for what is waited for.
func (e *Executor) cancelGroup(g *ctxGroup) {
	kind, cause := failure.Context(g.ctx)
	e.mu.Lock()
	g.ended = true
	var calls []*Call
	now := time.Now()
	for c := g.first; c != nil; c = c.nextInGroup {
		if kind != driver.ErrTimeout || !e.linger(c, cause, "", now) {
			calls = append(calls, c)
		}
	}
	calls = claimed(calls)
	e.mu.Unlock()
	for _, c := range calls {
		c.abandon(kind, cause, "")
	}
}
