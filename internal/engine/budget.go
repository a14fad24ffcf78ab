package engine

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/price"
)

// A Budget is what lambdapool.Budget says, which has the docs of the fields and converts to and from it.
type Budget struct {
	GBSeconds float64
	Dollars   float64
}

// The bounds of what is not known.
const (
	longestRun = 15 * time.Minute // of an invocation, where the backend knows no timeout: Lambda's longest
	mostMemory = 10_240 << 20     // bytes, where no answer has said: Lambda's most
	// doubt is how many times as dear as the dearest so far invocations may prove, for those that
	// are sent while others are in flight.
	doubt = 2
)

// worst is the most that one invocation can cost, in GB-seconds. e.mu is held.
func (e *Executor) worst() float64 {
	return price.GBSeconds(cmp.Or(e.memory, mostMemory), roundUp(cmp.Or(e.on.Limits.Timeout, longestRun), e.on.Limits.Granularity))
}

// estimate is what an invocation of n items may cost, by those before it. e.mu is held.
func (l *Lane) estimate(n int) float64 {
	t := &l.tally
	if t.known == 0 {
		return l.e.worst()
	}
	return t.dearest * max(1, float64(n)/float64(t.most))
}

// affordable reports whether the run may send one more invocation, of n items. e.mu is held.
func (l *Lane) affordable(n int) bool {
	if l.e.outspent(l.caller) {
		return false
	}
	t := &l.tally
	spent, charged := l.total()
	switch {
	case l.Budget == (Budget{}) || spent == 0 && charged == 0 && t.known == 0 && t.flights == 0:
		return true
	case t.known == 0 && t.flights == 0 && t.spent == 0: // the first, after others that share the budget
		return !l.broken()
	}
	more := max(t.reserved, float64(t.flights)*t.dearest) + l.estimate(n)
	if t.known > 0 && t.flights > 0 {
		// Once the memory is known, nothing is dearer than the worst.
		more = max(more, min(doubt*more, float64(t.flights+1)*l.e.worst()))
	}
	return l.covered(spent+more, charged+t.flights+1)
}

// covered reports whether the run's budget pays for so many GB-seconds and requests.
func (l *Lane) covered(gbs float64, requests int) bool {
	b := l.Budget
	return (b.GBSeconds == 0 || gbs <= b.GBSeconds) && (b.Dollars == 0 || l.e.dollars(gbs, requests) <= b.Dollars)
}

// dollars is what the platform charges for so many GB-seconds and requests.
func (e *Executor) dollars(gbs float64, requests int) float64 {
	if !e.priced() {
		return price.Cost(gbs, int64(requests), price.X86)
	}
	return gbs*e.on.Limits.PerGBSecond + float64(requests)*e.on.Limits.PerRequest
}

// priced reports whether the backend names its prices.
func (e *Executor) priced() bool { return e.on.Limits.PerGBSecond != 0 || e.on.Limits.PerRequest != 0 }

// affordableItems is how many of n items the next invocation may carry, where fewer
// are affordable for certain. e.mu is held.
func (l *Lane) affordableItems(n int) int {
	for n > max(l.tally.most, 1) && !l.affordable(n) {
		n = max(n/2, l.tally.most, 1)
	}
	return n
}

// charge has what an invocation that has landed has cost, for certain or at most. e.mu is held.
func (l *Lane) charge(inv *invocation, cost codec.Spent) {
	t := &l.tally
	t.reserved -= inv.reserved
	l.pay(cost)
	if !inv.answered || cost.Invocations == 0 {
		return
	}
	t.known++
	t.dearest = max(t.dearest, cost.GBSeconds+inv.below.GBSeconds)
	t.most = max(t.most, inv.call.size())
}

// reckon finds out what a platform charges that rounds up and does not say it: an agent's time, since a
// request that waits for an agent costs nothing meanwhile. The start of one costs, and it cannot know how
// long that took.
func (e *Executor) reckon(inv *invocation, run, took time.Duration) {
	if unit := e.on.Limits.Granularity; unit > 0 && inv.billed == 0 {
		if run > 0 && !inv.cold {
			took = run
		}
		inv.billed = roundUp(took, unit)
	}
}

// roundUp returns d as a multiple of unit, or d if unit is zero.
func roundUp(d, unit time.Duration) time.Duration {
	if unit > 0 && d%unit > 0 {
		return d + unit - d%unit
	}
	return d
}

// checkBudget ends a run that waits for nothing but money. e.mu is held.
func (l *Lane) checkBudget() {
	if !l.bounded() || l.tally.flights > 0 || l.ended != nil && l.ended != l.broke {
		return
	}
	if l.broke == nil {
		n := 1
		if c := l.party.calls.head; c != nil {
			n = c.size()
		}
		if l.affordable(n) {
			return
		}
		l.ended = l.exhausted(n)
		l.broke = l.ended
	}
	err := l.broke
	items := append(l.cut(l.items.len()), l.taken(l.rated.drop(-1))...)
	calls := claimed(l.waitingCalls())
	if len(items)+len(calls) == 0 {
		return
	}
	l.e.callbacks++
	go func() {
		l.fail(items, err)
		for _, c := range calls {
			c.complete(c.unpaid(err))
		}
		l.e.mu.Lock()
		l.e.callbacks--
		l.e.settleIdle()
		l.e.mu.Unlock()
	}()
}

// checkSharers is checkBudget for the other runs that wait, where c was paid from a budget that others may share: a run after
// this one, or another one that the same function has made. Such a run may have begun, and been found affordable, when the
// last values of this one were there, which is before they were paid. e.mu is held.
func (e *Executor) checkSharers(c *Call) {
	l := c.lane()
	if c.caller == nil && e.bound() == (Budget{}) && (l == nil || l.purse == nil) {
		return
	}
	for _, other := range slices.Collect(e.lanes()) {
		if other != l {
			other.checkBudget()
		}
	}
}

// exhausted is the error of a run that cannot pay an invocation of n items. e.mu is held.
func (l *Lane) exhausted(n int) *failure.Pool {
	t := &l.tally
	if l.e.outspent(l.caller) {
		return overspent(l.Fn)
	}
	more := l.estimate(n)
	gbs, charged := l.total()
	spent, another := fmt.Sprintf("%.6g GB-seconds", gbs), fmt.Sprintf("%.6g", more)
	if l.Budget.Dollars != 0 { // what the bound can be compared with
		spent += fmt.Sprintf(" ($%.6g)", l.e.dollars(gbs, charged))
		another += fmt.Sprintf(" ($%.6g)", l.e.dollars(more, 1))
	}
	err := failure.NotRun("map", l.Fn.Name(), failure.ErrBudget,
		fmt.Errorf("%s in %d invocations are spent or may have been, another may cost %s", spent, charged, another),
		"WithBudget sets the bound; what has ended is delivered")
	if t.known == 0 {
		err.Hint = fmt.Sprintf("no invocation has said what it costs, so that each counts as the dearest possible; %s", err.Hint)
	}
	return err
}

// waitingCalls are the run's calls that are to be sent again, now or later. e.mu is held.
func (l *Lane) waitingCalls() (calls []*Call) {
	for c := l.party.calls.head; c != nil; c = c.next {
		calls = append(calls, c)
	}
	for _, d := range l.e.later.heap {
		if d.call.party == &l.party {
			calls = append(calls, d.call)
		}
	}
	return calls
}

// unpaid is the error of a call that is not sent again for want of money.
func (c *Call) unpaid(err *failure.Pool) error {
	own := *err // which will say how often this one was tried
	if c.ranBefore() {
		own.Outcome = driver.OutcomeUnknown
	}
	return &own
}
