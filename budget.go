package lambdapool

import (
	"errors"
	"fmt"
)

// A Budget bounds what a run may cost. A zero field is no bound.
type Budget struct {
	GBSeconds float64 // memory times billed duration, in GB-seconds
	Dollars   float64 // US dollars, by the price table of package price
}

// ErrBudget: the run was stopped because the next invocation might have
// exceeded its [Budget].
var ErrBudget = errors.New("budget exhausted")

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
