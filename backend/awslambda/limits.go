package awslambda

import (
	"sync"
	"sync/atomic"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
)

var _ driver.LimitsWatcher = (*Backend)(nil)

// limits are a backend's, which change when its shards are found, and who is to be told.
type limits struct {
	now atomic.Pointer[driver.Limits]

	mu       sync.Mutex // held while somebody is told; guards the rest
	watchers map[*func(driver.Limits)]struct{}
	settled  bool // they change no more
}

// limit sets the limits of a synchronous invocation of as many shards as are known.
func (b *Backend) limit(o options) {
	timeout := o.timeout
	if timeout == 0 {
		timeout = maxFunctionTimeout
	}
	known := b.lawful(max(o.shards, 1), driver.Limits{Workers: o.workers, Request: codec.MaxRequest, Response: codec.MaxReply, Timeout: timeout})
	b.limits.now.Store(&known)
	b.limits.settled = o.shards > 0
}

// lawful is limits with the law of n shards.
func (b *Backend) lawful(n int, l driver.Limits) driver.Limits {
	l.Burst, l.Ramp, l.Rate = n*b.law.Burst, float64(n)*b.law.Ramp, b.law.Rate
	return l
}

// settle sets them for good, and tells of it.
func (l *limits) settle(to driver.Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed := *l.now.Load() != to
	l.now.Store(&to)
	l.settled = true
	for f := range l.watchers {
		if changed {
			(*f)(to)
		}
	}
	l.watchers = nil
}

// Limits returns the limits of a synchronous invocation, and how fast Lambda lets the function
// grow: each of its shards by 1,000 at once and 100 more a second. Timeout is what [WithFunctionTimeout] said, otherwise Lambda's
// longest, 15 minutes. Workers is that of [WithWorkers]. It does not block: until Lambda has said how many shards there are,
// they are those of one ([Backend.WatchLimits]).
func (b *Backend) Limits() driver.Limits { return *b.limits.now.Load() }

// WatchLimits calls f with the limits, and once more when the shards have been found that nobody has named with
// [WithShards]. It is for executors, which start more calls then.
func (b *Backend) WatchLimits(f func(driver.Limits)) (stop func()) {
	l := &b.limits
	l.mu.Lock()
	defer l.mu.Unlock()
	f(*l.now.Load())
	if l.settled {
		return func() {}
	}
	if l.watchers == nil {
		l.watchers = map[*func(driver.Limits)]struct{}{}
	}
	l.watchers[&f] = struct{}{}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.watchers, &f)
	}
}
