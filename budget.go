package lambdapool

import (
	"errors"
	"fmt"

	"github.com/lambdapool/lambdapool/price"
)

// A Budget bounds what a run may cost. A zero field is no bound.
type Budget struct {
	GBSeconds float64 // memory times billed duration, in GB-seconds
	Dollars   float64 // US dollars, by the price table of package price
}

var (
	// ErrBudget says that the run was stopped because the next invocation might have
	// exceeded its [Budget].
	ErrBudget = errors.New("budget exhausted")
)

// WithBudget stops a run before it exceeds b: no invocation is sent if those
// in flight and it could, each costing what the dearest so far has cost. The
// run then ends with [ErrBudget]; what was in flight is waited for, paid and
// delivered. Until the first answer nothing is known of an item's cost, so at
// least as many invocations as there are workers may be sent.
func WithBudget(b Budget) MapOption {
	return func(c *mapConfig) error {
		if b.GBSeconds < 0 || b.Dollars < 0 || b == (Budget{}) || b.GBSeconds != b.GBSeconds || b.Dollars != b.Dollars {
			return fmt.Errorf("WithBudget(%+v): must be positive", b)
		}
		c.budget = b
		return nil
	}
}

// affordable reports whether the run may send one more invocation. e.mu is held.
func (l *lane) affordable() bool {
	t, b := &l.tally, l.budget
	if b == (Budget{}) {
		return true
	}
	if t.invocations == 0 {
		return t.flights < l.e.workers
	}
	gbs := t.gbSeconds + float64(t.flights+1)*t.dearest
	requests := t.invocations + t.flights + 1
	return (b.GBSeconds == 0 || gbs <= b.GBSeconds) && (b.Dollars == 0 || price.Cost(gbs, int64(requests), price.X86) <= b.Dollars)
}

// checkBudget ends a run that waits for nothing but money. e.mu is held.
func (l *lane) checkBudget() {
	if l.ended != nil || l.tally.flights > 0 || l.affordable() {
		return
	}
	t := &l.tally
	err := callError("map", l.fn.name, ErrBudget,
		fmt.Errorf("%.6g GB-seconds in %d invocations are spent, another may cost %.6g", t.gbSeconds, t.invocations, t.dearest),
		"WithBudget sets the bound; what has ended is delivered")
	l.ended = err
	items := l.cut(l.items.len())
	l.e.callbacks++
	go func() {
		l.fail(items, err)
		l.e.mu.Lock()
		l.e.callbacks--
		l.e.settleIdle()
		l.e.mu.Unlock()
	}()
}
