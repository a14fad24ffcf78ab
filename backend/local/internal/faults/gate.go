package faults

import (
	"cmp"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// A Throttling says what is refused. Zero fields refuse nothing.
type Throttling struct {
	Rate  float64 // requests per second, and at most a tenth of that at once
	Burst int     // invocations at once in the beginning …
	Ramp  float64 // … and how many more every second, as load demands them

	Limit func(elapsed time.Duration) int // of invocations at once, by the time since the first request

	Reason     string        // as Lambda spells it; default: one that fits
	RetryAfter time.Duration // rounded up to seconds; 0: none
}

// A gate is a Throttling at work.
type gate struct {
	Throttling

	mu       sync.Mutex
	opened   time.Time // of the first request
	filled   time.Time // of both buckets
	requests float64   // may still come
	starts   float64   // environments that may still start
	envs     int       // invocations that have run at once, at most so far
	running  int
}

// enter lets a request in, which must leave later, or refuses it.
func (g *gate) enter(now time.Time) *wire.Refusal {
	g.mu.Lock()
	defer g.mu.Unlock()
	burst := max(g.Rate/10, 1)
	if g.opened.IsZero() {
		g.opened, g.filled = now, now
		g.requests, g.starts = burst, float64(g.Burst)
	}
	passed := now.Sub(g.filled).Seconds()
	g.filled = now
	g.requests = min(g.requests+g.Rate*passed, burst)
	g.starts = min(g.starts+g.Ramp*passed, float64(g.Burst))
	switch {
	case g.Rate > 0 && g.requests < 1:
		return g.refusal(types.ThrottleReasonFunctionInvocationRateLimitExceeded)
	case g.Limit != nil && g.running >= g.Limit(now.Sub(g.opened)):
		return g.refusal(types.ThrottleReasonConcurrentInvocationLimitExceeded)
	case g.Burst > 0 && g.running == g.envs && g.starts < 1:
		return g.refusal(types.ThrottleReasonConcurrentInvocationLimitExceeded)
	}
	g.requests--
	if g.running == g.envs {
		g.starts--
		g.envs++
	}
	g.running++
	return nil
}

func (g *gate) refusal(fitting types.ThrottleReason) *wire.Refusal {
	return throttled(cmp.Or(g.Reason, string(fitting)), g.RetryAfter)
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
}

// throttled is the answer to a request that is refused.
func throttled(reason string, retryAfter time.Duration) *wire.Refusal {
	return &wire.Refusal{
		Status: http.StatusTooManyRequests, Code: "TooManyRequestsException", Message: "Rate Exceeded.",
		Reason: reason, RetryAfter: retryAfter,
	}
}

// Refuse refuses for any of Lambda's reasons.
func (d *Fate) Refuse() *wire.Refusal {
	reasons := types.ThrottleReason("").Values()
	retryAfter := time.Duration(d.dice.IntN(2)) * time.Second
	return throttled(string(reasons[d.dice.IntN(len(reasons))]), retryAfter)
}
