package engine

import (
	"fmt"
	"math"
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

// checkLimits returns what is wrong with what a backend says of itself, or nil. An executor computes with these
// numbers: one NaN makes every cost or every pace NaN, and a negative one gives back money or time.
func checkLimits(b driver.Backend, limits *driver.Limits) error {
	bad := func(field string, value any) error {
		return fmt.Errorf("Limits of the backend %T: %s is %v: must be a finite number that is not negative, and 0 where no limit is known", b, field, value)
	}
	for _, l := range []struct {
		field string
		value int
	}{
		{"Workers", limits.Workers}, {"Request", limits.Request}, {"Response", limits.Response}, {"Burst", limits.Burst},
	} {
		if l.value < 0 {
			return bad(l.field, l.value)
		}
	}
	for _, l := range []struct {
		field string
		value time.Duration
	}{
		{"Timeout", limits.Timeout}, {"Granularity", limits.Granularity}, {"Wait", limits.Wait},
	} {
		if l.value < 0 {
			return bad(l.field, l.value)
		}
	}
	for _, l := range []struct {
		field string
		value float64
	}{
		{"PerGBSecond", limits.PerGBSecond}, {"PerRequest", limits.PerRequest}, {"Ramp", limits.Ramp}, {"Rate", limits.Rate},
	} {
		if math.IsNaN(l.value) || math.IsInf(l.value, 0) || l.value < 0 {
			return bad(l.field, l.value)
		}
	}
	return nil
}

// followLimits has the limiter follow a backend that learns its platform's law late, until stop is called.
func (e *Executor) followLimits(b driver.Backend) (stop func()) {
	watched, ok := b.(driver.LimitsWatcher)
	if !ok {
		return func() {}
	}
	follow := func(limits driver.Limits) {
		if err := checkLimits(b, &limits); err != nil {
			if e.complaints.due(watchLimits) {
				e.on.Logger.Error("lambdapool: limits that a backend learned are left out", "error", err)
			}
			return // those before hold
		}
		e.extend(limits)
	}
	var w limitsWatch
	_, err := contain.Value(contain.Ended, watchLimits, b, func() (struct{}, error) {
		if stop := watched.WatchLimits(follow); !w.begin(stop) {
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
