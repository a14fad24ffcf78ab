package engine

import "time"

// wake sets the alarm to at, unless it rings earlier. e.mu is held.
func (e *Executor) wake(at time.Time) {
	if !e.alarmAt.IsZero() && !at.Before(e.alarmAt) {
		return
	}
	e.alarmAt = at
	wait := max(time.Until(at), 1) // rings on another goroutine, also in a bubble of synctest
	if e.alarm == nil {
		e.alarm = time.AfterFunc(wait, e.ring)
	} else {
		e.alarm.Reset(wait)
	}
}

// ring does what is due: calls whose time is up end, those that waited for
// another attempt join the queue, workers start, and deadlocks end.
func (e *Executor) ring() {
	now := time.Now()
	e.mu.Lock()
	e.alarmAt = time.Time{}
	calls := e.overtime(now)
	for _, c := range e.due(&e.later, now) {
		c.party.queue.pushFront(c)
		if l := c.lane(); l != nil {
			l.checkBudget()
		}
	}
	e.askAboutStragglers(now)
	refuse := e.deadlocked(now)
	e.dispatch(time.Now())
	e.wakeForLanes(now)
	e.mu.Unlock()
	for _, c := range calls {
		e.expire(c)
	}
	for _, end := range refuse {
		end()
	}
}

// wakeForLanes sets the alarm for chunks that wait to be full: it has rung for something
// else, perhaps, that was due earlier. e.mu is held.
func (e *Executor) wakeForLanes(now time.Time) {
	for l := range e.lanes() {
		if l.items.len() > 0 && l.hold.After(now) {
			e.wake(l.hold)
		}
	}
}

// due takes the calls out of q whose time has come, and sets the alarm for the
// next. e.mu is held.
func (e *Executor) due(q *delayQueue, now time.Time) []*Call {
	calls, next := q.due(now)
	if !next.IsZero() {
		e.wake(next)
	}
	return calls
}
