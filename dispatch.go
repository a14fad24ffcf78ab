package lambdapool

import (
	"context"
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

// dispatch starts workers while there is something to send and room for it.
// A worker is a goroutine with an invocation in flight; nothing else waits on
// one. e.mu is held.
func (e *Executor) dispatch() {
	for {
		inv := e.take()
		if inv == nil {
			return
		}
		e.busy++
		go e.work(inv)
	}
}

// take forms the next invocation, or returns nil when there is nothing to send
// or no room. e.mu is held.
func (e *Executor) take() *invocation {
	now := time.Now()
	straggler := e.wantedHedge()
	if straggler == nil && e.ready.empty(now) {
		return nil
	}
	ok, at := e.limiter.Acquire(now)
	if !ok {
		if !at.IsZero() {
			e.wake(at)
		}
		return nil
	}
	if straggler != nil {
		e.hedges.wanted = e.hedges.wanted[1:]
		return e.launch(straggler, now)
	}
	return e.launch(e.ready.next(now), now)
}

// launch makes c's next invocation. e.mu is held.
func (e *Executor) launch(c *call, now time.Time) *invocation {
	inv := &invocation{call: c, started: now, hedge: len(c.flights) > 0}
	inv.ctx, inv.cancel = context.WithCancel(e.base)
	if !inv.hedge {
		e.flying(c, c.size())
	}
	c.flights = append(c.flights, inv)
	e.stats.Invocations++
	l := c.lane()
	if l != nil {
		l.tally.flights++
	}
	if inv.hedge {
		e.stats.Hedges++
		if l != nil {
			l.tally.hedged++
		}
	}
	e.watch(inv, now)
	return inv
}

// land ends an invocation: its slot is free. e.mu is held.
func (e *Executor) land(inv *invocation) {
	inv.cancel()
	inv.landed = true
	c := inv.call
	c.flights = without(c.flights, inv)
	if len(c.flights) == 0 && !c.counted {
		e.flying(c, -c.size())
	}
	if inv.bytes == 0 {
		e.stats.Invocations-- // it was not sent after all
	}
	e.stats.Sent += int64(inv.bytes)
	if l := c.lane(); l != nil {
		l.tally.land(inv)
		l.checkBudget()
	}
}

// flying adds to the calls, or items of a run, that are in flight. e.mu is held.
func (e *Executor) flying(c *call, n int) {
	e.stats.Running += int64(n)
	if l := c.lane(); l != nil {
		l.tally.running += n
	}
}

// counting counts the end of a call, before anyone hears of it: whoever has all
// results finds them all in Stats. A chunk's items are counted by their lane.
func (e *Executor) counting(c *call, err error) {
	if c.detached {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	c.counted = true
	if len(c.flights) > 0 {
		e.flying(c, -c.size())
	}
	if c.chunk == nil {
		e.count(err)
	}
}

// without removes the invocation from the few that a call has in flight.
func without(flights []*invocation, inv *invocation) []*invocation {
	for i, other := range flights {
		if other == inv {
			flights[i] = flights[len(flights)-1]
			return flights[:len(flights)-1]
		}
	}
	return flights
}

// work runs invocations until there are none left for it.
func (e *Executor) work(inv *invocation) {
	for inv != nil {
		if e.inline != nil {
			e.inline.Lock() // an item sent again, in its turn
		}
		next := e.attempt(inv)
		if e.inline != nil {
			e.inline.Unlock()
		}
		e.mu.Lock()
		e.land(inv)
		now := time.Now()
		e.limiter.Release(now, schedule.Result{Verdict: next.verdict, Started: inv.started, RetryAfter: next.retryAfter})
		if next.again {
			e.postpone(inv.call, now.Add(next.after))
		}
		inv = e.take()
		if inv == nil {
			e.busy--
			e.settleIdle()
		} else {
			e.dispatch() // the limit may have grown
		}
		e.mu.Unlock()
	}
}

// postpone has c sent again at that time. e.mu is held.
func (e *Executor) postpone(c *call, at time.Time) {
	e.later.push(c, at, e.live.n)
	e.wake(at)
}

// runInline runs a call to its end on the submitter's goroutine.
func (e *Executor) runInline(c *call) {
	e.inline.Lock()
	defer e.inline.Unlock()
	for !c.claimed.Load() {
		e.mu.Lock()
		inv := e.launch(c, time.Now())
		e.mu.Unlock()
		next := e.attempt(inv)
		e.mu.Lock()
		e.land(inv)
		e.mu.Unlock()
		if !next.again {
			return
		}
		pause := time.NewTimer(next.after)
		select {
		case <-pause.C:
		case <-c.doneChan():
		}
		pause.Stop()
	}
}

// wake sets the alarm to at, unless it rings earlier. e.mu is held.
func (e *Executor) wake(at time.Time) {
	if !e.alarmAt.IsZero() && !at.Before(e.alarmAt) {
		return
	}
	e.alarmAt = at
	wait := time.Until(at)
	if e.alarm == nil {
		e.alarm = time.AfterFunc(wait, e.ring)
	} else {
		e.alarm.Reset(wait)
	}
}

// ring does what is due: calls whose time is up end, those that waited for
// another attempt join the queue, and workers start.
func (e *Executor) ring() {
	now := time.Now()
	e.mu.Lock()
	e.alarmAt = time.Time{}
	calls := claimed(e.due(&e.expiring, now))
	late := e.lateItems(now)
	for _, c := range e.due(&e.later, now) {
		e.ready.calls.pushFront(c)
	}
	e.askAboutStragglers(now)
	e.dispatch()
	e.wakeForLanes(now)
	e.mu.Unlock()
	hint := fmt.Sprintf("WithTimeout gives a call %v, queueing included", e.timeout)
	for _, c := range calls {
		c.abandon(ErrTimeout, context.DeadlineExceeded, hint)
	}
	for l, items := range late {
		l.fail(items, callError("call", l.fn.name, ErrTimeout, context.DeadlineExceeded, hint))
	}
}

// wakeForLanes sets the alarm for chunks that wait to be full: it has rung for something
// else, perhaps, that was due earlier. e.mu is held.
func (e *Executor) wakeForLanes(now time.Time) {
	for _, l := range e.ready.lanes {
		if l.items.len() > 0 && l.hold.After(now) {
			e.wake(l.hold)
		}
	}
}

// due takes the calls out of q whose time has come, and sets the alarm for the
// next. e.mu is held.
func (e *Executor) due(q *delayQueue, now time.Time) (calls []*call) {
	for {
		c, at := q.peek()
		if c == nil {
			return calls
		}
		if at.After(now) {
			e.wake(at)
			return calls
		}
		q.pop()
		calls = append(calls, c)
	}
}

// lateItems takes the items out of the lanes that WithTimeout ends before they
// were part of a call. e.mu is held.
func (e *Executor) lateItems(now time.Time) map[*lane][]laneItem {
	if e.timeout == 0 {
		return nil
	}
	var late map[*lane][]laneItem
	for _, l := range e.ready.lanes {
		items, next := l.overdue(now.Add(-e.timeout))
		if len(items) > 0 {
			if late == nil {
				late = map[*lane][]laneItem{}
			}
			late[l] = items
		}
		if !next.IsZero() {
			e.wake(next.Add(e.timeout))
		}
	}
	return late
}
