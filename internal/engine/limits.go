package engine

import (
	"sync"
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
	var w limitsWatch
	_, err := contain.Value(contain.Ended, watchLimits, b, func() (struct{}, error) {
		if stop := watched.WatchLimits(e.extend); !w.begin(stop) {
			e.unfollow(b, stop) // it would go on for ever
		}
		return struct{}{}, nil
	})
	unwatch := w.begun()
	if unwatch == nil {
		_ = e.Complain("", err) // the limits of New hold
	}
	return func() { e.unfollow(b, unwatch) }
}

const watchLimits = "WatchLimits"

// unfollow ends a watch over the limits of b, if there is one.
func (e *Executor) unfollow(b driver.Backend, stop func()) {
	if stop == nil {
		return
	}
	_, err := contain.Value(contain.Ended, watchLimits, b, func() (struct{}, error) { stop(); return struct{}{}, nil })
	_ = e.Complain("", err)
}

// A limitsWatch is one that may begin when nobody waits for it any more.
type limitsWatch struct {
	mu   sync.Mutex
	late bool
	stop func()
}

// begin notes what ends the watch, unless it is too late for that.
func (w *limitsWatch) begin(stop func()) (ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop = stop
	return !w.late
}

// begun returns what ends the watch; nil: it has not begun, and from now on it is too late.
func (w *limitsWatch) begun() (stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.late = true
	return w.stop
}

// extend has what waits start as far as the law of these limits allows it.
func (e *Executor) extend(limits driver.Limits) {
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.limiter.Extend(now, lawOf(limits))
	e.dispatch(time.Now())
}
