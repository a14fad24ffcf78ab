package engine

import (
	"container/heap"
	"slices"
	"time"

	"github.com/lambdapool/lambdapool/internal/registry"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// hedges is the executor's watch over stragglers. It is guarded by e.mu.
type hedges struct {
	policy  *schedule.HedgePolicy // nil: no hedging
	hedgers map[*registry.Function]*schedule.Hedger
	watched flightHeap // invocations to ask about, soonest first
	wanted  []*Call    // calls that get a duplicate as soon as there is room
}

// watch has a new invocation asked about. e.mu is held.
func (e *Executor) watch(inv *invocation, now time.Time) {
	fn := inv.call.fn
	if e.hedges.policy == nil || !fn.Idempotent() {
		return
	}
	h := e.hedges.hedgers[fn]
	if h == nil {
		h = schedule.NewHedger(*e.hedges.policy)
		e.hedges.hedgers[fn] = h
	}
	if !inv.hedge {
		h.Start()
	}
	delay, ok := h.Delay(inv.call.size())
	if !ok {
		delay = hedgePatience
	}
	e.watchUntil(inv, now.Add(delay))
}

// standingLooks is how often to ask about an invocation while it may still wait for an agent.
const standingLooks = 8

// standing is how long invocations lately wait for an agent. A duplicate would wait, too. e.mu is held.
func (e *Executor) standing() time.Duration {
	if e.on.Limits.Wait == 0 {
		return 0 // they are refused instead
	}
	return e.way.Took()
}

// hedgePatience is how soon to ask about an invocation while too little is
// known of run times to say more.
const hedgePatience = 50 * time.Millisecond

func (e *Executor) watchUntil(inv *invocation, at time.Time) {
	heap.Push(&e.hedges.watched, flight{at, inv})
	e.wake(at)
}

// unwatch has nobody ask about an invocation any more: it has landed, or its call has ended.
// e.mu is held.
func (e *Executor) unwatch(inv *invocation) {
	if inv.asking > 0 {
		heap.Remove(&e.hedges.watched, inv.asking-1)
	}
}

// unwanted takes c out of those that wait for a duplicate. e.mu is held.
func (e *Executor) unwanted(c *Call) {
	if c.wanted {
		c.wanted = false
		i := slices.Index(e.hedges.wanted, c)
		e.hedges.wanted = slices.Delete(e.hedges.wanted, i, i+1)
	}
}

// askAboutStragglers decides which invocations get a duplicate. e.mu is held.
func (e *Executor) askAboutStragglers(now time.Time) {
	for len(e.hedges.watched) > 0 {
		f := e.hedges.watched[0]
		if f.at.After(now) {
			e.wake(f.at)
			return
		}
		heap.Pop(&e.hedges.watched)
		c := f.inv.call
		if c.claimed.Load() {
			continue
		}
		standing := e.standing()
		hedge, again := e.hedges.hedgers[c.fn].Ask(c.size(), max(now.Sub(f.inv.started)-standing, 0), e.limiter.Throttled(now))
		if hedge {
			c.wanted = true
			e.hedges.wanted = append(e.hedges.wanted, c)
		} else {
			e.watchUntil(f.inv, now.Add(max(again, standing/standingLooks)))
		}
	}
}

// wantedHedge returns a call that should get a duplicate now, or nil. Those that must wait for their run's rate keep
// their place: nobody asks about them again. e.mu is held.
func (e *Executor) wantedHedge(now time.Time) *Call {
	for i := 0; i < len(e.hedges.wanted); {
		c := e.hedges.wanted[i]
		l := c.lane()
		switch {
		case c.claimed.Load() || len(c.flights) == 0 || l != nil && !l.affordable(c.size()):
			e.unwanted(c)
		case l != nil && l.rated.permits(c).After(now):
			e.wake(l.rated.permits(c))
			i++
		default:
			return c
		}
	}
	return nil
}

// observeRun learns from an invocation that brought an answer, and of which the agent was busy for run. e.mu is held.
func (e *Executor) observeRun(inv *invocation, took, run time.Duration) {
	if e.on.Limits.Wait > 0 && run > 0 {
		took = run // before, it may have waited
	}
	if h := e.hedges.hedgers[inv.call.fn]; h != nil {
		h.Observe(inv.call.size(), took)
	}
}

// flightHeap orders invocations by when to ask about them.
type flightHeap []flight

type flight struct {
	at  time.Time
	inv *invocation
}

func (h flightHeap) Len() int           { return len(h) }
func (h flightHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h flightHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].inv.asking, h[j].inv.asking = i+1, j+1
}

func (h *flightHeap) Push(x any) {
	f := x.(flight)
	*h = append(*h, f)
	f.inv.asking = len(*h)
}

func (h *flightHeap) Pop() any {
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = flight{}
	*h = (*h)[:len(*h)-1]
	last.inv.asking = 0
	return last
}
