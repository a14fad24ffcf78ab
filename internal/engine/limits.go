package engine

import (
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/contain"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// lawOf is how the platform lets load grow.
func lawOf(limits driver.Limits) schedule.Law {
	return schedule.Law{Burst: limits.Burst, Ramp: limits.Ramp, Rate: limits.Rate}
}

// followLimits has the limiter follow a backend that learns its platform's law late, until stop is called.
func (e *Executor) followLimits(b driver.Backend) (stop func()) {
	watched, ok := b.(driver.LimitsWatcher)
	if !ok {
		return func() {}
	}
	const what = "WatchLimits"
	unwatch, err := contain.Value(contain.Ended, what, b, func() (func(), error) { return watched.WatchLimits(e.extend), nil })
	if err != nil || unwatch == nil {
		_ = e.Complain("", err) // the limits of New hold
		return func() {}
	}
	return func() {
		_, err := contain.Value(contain.Ended, what, b, func() (struct{}, error) { unwatch(); return struct{}{}, nil })
		_ = e.Complain("", err)
	}
}

// extend has what waits start as far as the law of these limits allows it.
func (e *Executor) extend(limits driver.Limits) {
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.limiter.Extend(now, lawOf(limits))
	e.dispatch(time.Now())
}
