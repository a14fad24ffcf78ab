package lambdapool

import (
	"container/heap"
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

// Hedging says when a slow call of an [Idempotent] function gets a duplicate:
// both run, the first answer wins, the other is abandoned. A zero field means
// the default.
type Hedging struct {
	Quantile   float64 // of the run times observed, between 0 and 1: slower calls are stragglers; default 0.95
	MinSamples int     // run times to observe before the first duplicate; default 20
	Budget     float64 // duplicates at most, as a fraction of all invocations, up to 1; default 0.05
}

// WithHedging starts duplicates of stragglers. It concerns only functions
// registered as [Idempotent], never exceeds its budget, and pauses while the
// platform throttles. A duplicate costs what an invocation costs.
func WithHedging(h Hedging) Option {
	return func(c *config) error {
		switch {
		case !(h.Quantile >= 0 && h.Quantile < 1):
			return fmt.Errorf("WithHedging: Quantile is %v, must be from 0 to below 1", h.Quantile)
		case h.MinSamples < 0:
			return fmt.Errorf("WithHedging: MinSamples is %d, must not be negative", h.MinSamples)
		case !(h.Budget >= 0 && h.Budget <= 1):
			return fmt.Errorf("WithHedging: Budget is %v, must be from 0 to 1", h.Budget)
		}
		policy := schedule.DefaultHedgePolicy()
		if h.Quantile > 0 {
			policy.Quantile = h.Quantile
		}
		if h.MinSamples > 0 {
			policy.MinSamples = h.MinSamples
		}
		if h.Budget > 0 {
			policy.Budget = h.Budget
		}
		c.hedging = &policy
		return nil
	}
}

// hedges is the executor's watch over stragglers. It is guarded by e.mu.
type hedges struct {
	policy  *schedule.HedgePolicy // nil: no hedging
	hedgers map[*Function]*schedule.Hedger
	watched flightHeap // invocations to ask about, soonest first
	wanted  []*call    // calls that get a duplicate as soon as there is room
}

// watch has a new invocation asked about. e.mu is held.
func (e *Executor) watch(inv *invocation, now time.Time) {
	fn := inv.call.fn
	if e.hedges.policy == nil || !fn.idempotent {
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

// hedgePatience is how soon to ask about an invocation while too little is
// known of run times to say more.
const hedgePatience = 50 * time.Millisecond

func (e *Executor) watchUntil(inv *invocation, at time.Time) {
	heap.Push(&e.hedges.watched, flight{at, inv})
	e.wake(at)
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
		if f.inv.landed || c.claimed.Load() {
			continue
		}
		hedge, again := e.hedges.hedgers[c.fn].Ask(c.size(), now.Sub(f.inv.started), e.limiter.Throttled(now))
		if hedge {
			e.hedges.wanted = append(e.hedges.wanted, c)
		} else {
			e.watchUntil(f.inv, now.Add(again))
		}
	}
}

// wantedHedge takes a call that should get a duplicate now, or nil. e.mu is held.
func (e *Executor) wantedHedge() *call {
	for len(e.hedges.wanted) > 0 {
		c := e.hedges.wanted[0]
		if !c.claimed.Load() && len(c.flights) > 0 {
			return c
		}
		e.hedges.wanted = e.hedges.wanted[1:]
	}
	return nil
}

// observeRun learns from an invocation that brought an answer. e.mu is held.
func (e *Executor) observeRun(inv *invocation, took time.Duration) {
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
func (h flightHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *flightHeap) Push(x any)        { *h = append(*h, x.(flight)) }
func (h *flightHeap) Pop() any {
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = flight{}
	*h = (*h)[:len(*h)-1]
	return last
}
