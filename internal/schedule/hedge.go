package schedule

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

const (
	hedgeWindow  = 256 // latest run times that a quantile is taken of
	hedgeRefresh = 16  // new ones after which it is taken again
	// hedgeSlack times the median is the least delay: where run times hardly
	// differ, a high quantile of them does not yet mean slow.
	hedgeSlack = 1.2
	// hedgePatience divides the time that an invocation has taken, or may take,
	// into the intervals at which to ask again.
	hedgePatience = 8
	hedgeAgain    = 10 * time.Millisecond // the least of them
)

// HedgePolicy says when a slow invocation gets a duplicate.
type HedgePolicy struct {
	Quantile   float64 // of the observed run times, in (0, 1): slower ones are stragglers
	MinSamples int     // run times to observe before the first duplicate
	Budget     float64 // duplicates for each invocation started, at most
}

// DefaultHedgePolicy returns the 95th percentile of at least 20 run times, and
// 5 % extra invocations.
func DefaultHedgePolicy() HedgePolicy {
	return HedgePolicy{Quantile: 0.95, MinSamples: 20, Budget: 0.05}
}

// NewHedgePolicy returns the default policy with what is not zero in p instead, or says what is wrong with p.
func NewHedgePolicy(p HedgePolicy) (HedgePolicy, error) {
	policy := DefaultHedgePolicy()
	switch {
	case !(p.Quantile >= 0 && p.Quantile < 1):
		return policy, fmt.Errorf("the field Quantile is %v, must be from 0 to below 1", p.Quantile)
	case p.MinSamples < 0:
		return policy, fmt.Errorf("the field MinSamples is %d, must not be negative", p.MinSamples)
	case !(p.Budget >= 0 && p.Budget <= 1):
		return policy, fmt.Errorf("the field Budget is %v, must be from 0 to 1", p.Budget)
	}
	policy.Quantile = cmp.Or(p.Quantile, policy.Quantile)
	policy.MinSamples = cmp.Or(p.MinSamples, policy.MinSamples)
	policy.Budget = cmp.Or(p.Budget, policy.Budget)
	return policy, nil
}

// A Hedger decides about duplicates for the invocations of one idempotent
// function. It is not safe for concurrent use.
type Hedger struct {
	policy  HedgePolicy
	started int // invocations, without duplicates
	hedged  int // duplicates

	samples []sample // a ring
	seen    int      // samples ever

	// The last answer of Delay, and what it was given for.
	delay time.Duration
	items int
	fresh int // seen at that time
	times []time.Duration
}

// A sample is an invocation that brought an answer.
type sample struct {
	items int
	took  time.Duration
}

// NewHedger returns a Hedger that knows no run times yet.
func NewHedger(p HedgePolicy) *Hedger { return &Hedger{policy: p} }

// Start counts an invocation that is no duplicate: it earns the budget.
func (h *Hedger) Start() { h.started++ }

// Observe learns how long an invocation of that many items took, from its
// own start until its answer. Of an original and its duplicates, the winner counts.
func (h *Hedger) Observe(items int, took time.Duration) {
	s := sample{max(items, 1), took}
	if len(h.samples) < hedgeWindow {
		h.samples = append(h.samples, s)
	} else {
		h.samples[h.seen%hedgeWindow] = s
	}
	h.seen++
}

// Delay returns how long an invocation of that many items may take before it
// is worth a duplicate; false while too little is known. An invocation of more
// items than those observed is given proportionally more time, one of fewer
// is not given less.
func (h *Hedger) Delay(items int) (time.Duration, bool) {
	if h.seen == 0 || h.seen < h.policy.MinSamples {
		return 0, false
	}
	items = max(items, 1)
	if items == h.items && h.seen < h.fresh+hedgeRefresh {
		return h.delay, true
	}
	h.times = h.times[:0]
	for _, s := range h.samples {
		took := s.took
		if items > s.items {
			took = time.Duration(float64(took) * float64(items) / float64(s.items))
		}
		h.times = append(h.times, took)
	}
	slices.Sort(h.times)
	last := len(h.times) - 1
	slow := h.times[min(max(int(h.policy.Quantile*float64(len(h.times))), 0), last)]
	median := h.times[last/2]
	h.delay = max(slow, time.Duration(hedgeSlack*float64(median)))
	h.items, h.fresh = items, h.seen
	return h.delay, true
}

// Ask reports whether an invocation of that many items gets a duplicate now,
// and counts it if so. Otherwise it says how much later to ask again, for what
// is known and what may be spent both grow. running is the time since the
// invocation began, or its latest duplicate: with one straggler in fifty calls,
// of fifty duplicates one will be a straggler too, and wants another.
//
// There is none beyond the budget, and none while the platform throttles the
// pool: it would take the place of a call that has not run at all.
func (h *Hedger) Ask(items int, running time.Duration, throttled bool) (hedge bool, again time.Duration) {
	delay, ok := h.Delay(items)
	switch {
	case !ok:
		return false, max(running/hedgePatience, hedgeAgain)
	case running < delay:
		return false, delay - running
	case throttled || float64(h.hedged+1) > h.policy.Budget*float64(h.started):
		return false, max(delay/hedgePatience, hedgeAgain)
	}
	h.hedged++
	return true, 0
}

// Hedged returns how many duplicates were started.
func (h *Hedger) Hedged() int { return h.hedged }
