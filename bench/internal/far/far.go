// Package far makes goroutines of this process as slow to reach as a Lambda:
// what benchmarks of the executor's policy run on.
package far

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/driver"
)

// A Backend is backend/inproc behind a distance.
type Backend struct {
	*inproc.Backend

	latency    time.Duration
	stragglers float64 // fraction of invocations that take slow longer
	slow       time.Duration

	mu  sync.Mutex
	rnd *rand.Rand
}

// New returns a backend that takes latency for each invocation, beside its items.
func New(latency time.Duration) *Backend {
	return &Backend{Backend: inproc.New(), latency: latency, rnd: rand.New(rand.NewPCG(1, 2))} //nolint:gosec // a seed, so that runs compare
}

// WithStragglers has a fraction of the invocations take slow longer.
func (b *Backend) WithStragglers(fraction float64, slow time.Duration) *Backend {
	b.stragglers, b.slow = fraction, slow
	return b
}

// Invoke implements lambdapool.Backend.
func (b *Backend) Invoke(ctx context.Context, req *driver.Request) (*driver.Response, error) {
	wait := b.latency
	if b.stragglers > 0 {
		b.mu.Lock()
		if b.rnd.Float64() < b.stragglers {
			wait += b.slow
		}
		b.mu.Unlock()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return b.Backend.Invoke(ctx, req)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
