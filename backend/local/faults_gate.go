package local

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// A gate is a Throttle at work.
type gate struct {
	Throttle

	mu       sync.Mutex
	opened   time.Time // of the first request
	filled   time.Time // of both buckets
	requests float64   // may still come
	starts   float64   // environments that may still start
	envs     int       // invocations that have run at once, at most so far
	running  int
}

// enter lets a request in, which must leave later, or says why not.
func (g *gate) enter(now time.Time) (refused types.ThrottleReason) {
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
		return types.ThrottleReasonFunctionInvocationRateLimitExceeded
	case g.Limit != nil && g.running >= g.Limit(now.Sub(g.opened)):
		return types.ThrottleReasonConcurrentInvocationLimitExceeded
	case g.Burst > 0 && g.running == g.envs && g.starts < 1:
		return types.ThrottleReasonConcurrentInvocationLimitExceeded
	}
	g.requests--
	if g.running == g.envs {
		g.starts--
		g.envs++
	}
	g.running++
	return ""
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
}

// refusal is the answer to a request that is throttled.
func (t *Throttle) refusal(fitting types.ThrottleReason) *apiError {
	reason := t.Reason
	if reason == "" {
		reason = string(fitting)
	}
	return &apiError{
		status: http.StatusTooManyRequests, code: "TooManyRequestsException", message: "Rate Exceeded.",
		reason: reason, retryAfter: t.RetryAfter,
	}
}

// anyReason is one of those that Lambda gives.
func anyReason(dice *rand.Rand) types.ThrottleReason {
	reasons := types.ThrottleReason("").Values()
	return reasons[dice.IntN(len(reasons))]
}
