package engine

import (
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/schedule"
	"github.com/lambdapool/lambdapool/internal/stack"
)

// dispatch starts workers while there is something to send and room for it.
// A worker is a goroutine with an invocation in flight; nothing else waits on
// one. e.mu is held.
func (e *Executor) dispatch(now time.Time) {
	for {
		inv := e.take(now)
		if inv == nil {
			return
		}
		e.busy++
		go e.work(inv)
	}
}

// take forms the next invocation, or returns nil when there is nothing to send
// or no room. e.mu is held.
func (e *Executor) take(now time.Time) *invocation {
	if inv := e.takeDeep(now); inv != nil {
		return inv
	}
	if !e.grants() {
		return nil
	}
	straggler := e.wantedHedge(now)
	var next *party
	if straggler == nil {
		if next = e.ready.pick(now); next == nil {
			return nil
		}
	}
	ok, at := e.limiter.Acquire(now)
	if !ok {
		if !at.IsZero() {
			e.wake(at)
		}
		return nil
	}
	if straggler != nil {
		e.unwanted(straggler)
		if l := straggler.lane(); l != nil {
			l.rated.took(straggler, now)
		}
		return e.launch(straggler, now)
	}
	return e.launch(e.ready.take(next, now), now)
}

// launch makes c's next invocation. e.mu is held.
func (e *Executor) launch(c *Call, now time.Time) *invocation {
	inv := &invocation{call: c, started: now, hedge: len(c.flights) > 0}
	inv.ctx.Start(e.on.Base, time.Time{})
	inv.within.marks(inv)
	e.takeRoom(inv)
	inv.way, inv.wait = e.way.Of(c.left(now)), e.way.Wait()
	if !inv.hedge {
		e.flying(c, c.size())
	}
	e.leaveQueue(c)
	if len(c.flights) == 0 {
		c.flights = inv.alone[:0]
	}
	c.flights = append(c.flights, inv)
	c.party.flights++
	c.party.class.flights++
	e.stats.Invocations++
	l := c.lane()
	if l != nil {
		inv.expect = l.chunker.Expect()
		inv.reserved = l.estimate(c.size())
		l.tally.reserved += inv.reserved
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
func (e *Executor) land(inv *invocation, now time.Time) {
	c := inv.call
	if inv.ctx.Err() != nil { // the call has ended, perhaps while its arguments were being stored
		e.on.Payloads.Discard(&c.parcel)
	}
	inv.ctx.End()
	if inv.landed = true; inv.waits > 0 {
		e.nested.held--
	}
	e.leaveRoom(inv)
	e.on.Payloads.Landed(inv.id, inv.bytes > 0)
	e.unwatch(inv)
	took := now.Sub(inv.started)
	c.party.landed(took)
	c.party.class.landed(took)
	if c.flights = without(c.flights, inv); len(c.flights) == 0 {
		c.flights = nil // it may be a part of inv
	}
	if len(c.flights) == 0 && !c.counted {
		e.flying(c, -c.size())
	}
	if inv.bytes == 0 {
		e.stats.Invocations-- // it was not sent after all
	}
	e.stats.Sent += int64(inv.bytes)
	e.counted(inv)
	e.settle(inv, took)
	if l := c.lane(); l != nil {
		l.tally.flights--
		l.checkBudget()
	}
	e.checkSharers(c)
}

// flying adds to the calls, or items of a run, that are in flight. e.mu is held.
func (e *Executor) flying(c *Call, n int) {
	e.stats.Running += int64(n)
	if l := c.lane(); l != nil {
		l.tally.running += n
	}
}

// counting counts the end of a call, before anyone hears of it: whoever has all
// results finds them all in Stats. A chunk's items are counted by their lane.
func (e *Executor) counting(c *Call, err error) {
	if c.outside {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.counted {
		return
	}
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
	stack.Grow8()
	for inv != nil {
		if e.inline != nil {
			e.inline.Lock() // an item sent again, in its turn
		}
		next := e.attempt(inv)
		if e.inline != nil {
			e.inline.Unlock()
		}
		if next.relieved {
			return
		}
		inv = e.follow(inv, next)
	}
}

// resume goes on with what came of inv, for a worker that ended meanwhile or was relieved.
func (e *Executor) resume(inv *invocation, response *driver.Response, err error) {
	e.work(e.follow(inv, e.received(inv, response, err)))
}

// follow ends an invocation and returns the worker's next, if there is one for it.
func (e *Executor) follow(inv *invocation, next next) *invocation {
	e.unsent(inv, errGivenUp)
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	e.land(inv, now)
	if !inv.lent {
		e.limiter.Release(now, schedule.Result{Verdict: next.verdict, Started: inv.started, RetryAfter: next.retryAfter})
	}
	if next.again {
		e.postpone(inv.call, now.Add(next.after))
	}
	inv = e.take(now)
	if inv == nil {
		e.busy--
		e.settleIdle()
	} else {
		e.dispatch(now) // the limit may have grown
	}
	return inv
}

// postpone has c sent again at that time. e.mu is held.
func (e *Executor) postpone(c *Call, at time.Time) {
	if c.claimed.Load() {
		return // ended meanwhile; it is in no queue any more
	}
	if e.drained { // while its attempt came to an end
		e.endLater(c)
		return
	}
	e.later.push(c, at)
	e.wake(at)
	if l := c.lane(); l != nil {
		l.checkBudget()
	}
}

// runInline runs a call to its end on the submitter's goroutine.
func (e *Executor) runInline(c *Call) {
	e.inline.Lock()
	defer e.inline.Unlock()
	for {
		e.mu.Lock()
		if c.claimed.Load() { // seen under the lock, as by pick: it may be counted as ended already
			e.mu.Unlock()
			return
		}
		inv := e.launch(c, time.Now())
		e.mu.Unlock()
		next := e.attempt(inv)
		e.unsent(inv, errGivenUp)
		e.mu.Lock()
		e.land(inv, time.Now())
		e.mu.Unlock()
		if !next.again {
			return
		}
		if next.after <= 0 {
			continue
		}
		pause := time.NewTimer(next.after)
		select {
		case <-pause.C:
		case <-c.Done():
		}
		pause.Stop()
	}
}
