package schedule

import (
	"math"
	"time"
)

// The constants of the request rate; the package documentation gives the reasons.
const (
	rateBurst = 1.0              // seconds of requests at once
	minWait   = time.Millisecond // no timer is asked for more often
)

// rampLag keeps the client's view of the ramp behind the platform's, which
// begins to refill only when the first request has arrived there.
const rampLag = 200 * time.Millisecond

// A ramp mirrors the platform's bucket of environments: full at first, refilled
// continuously, one taken for each new environment.
type ramp struct {
	burst  float64 // 0: no ramp
	refill float64 // per second
	tokens float64
	filled time.Duration // up to when tokens are counted
	warm   int           // environments that should exist
	fresh  int           // of them, how many no answer has confirmed
	grown  time.Duration // when the last of them was started
}

func newRamp(law Law) ramp {
	return ramp{burst: float64(law.Burst), refill: law.Ramp, tokens: float64(law.Burst)}
}

// extend has another law hold from t on. Where environments were not counted before, none is known to exist.
func (r *ramp) extend(t time.Duration, law Law) {
	r.fill(t)
	r.tokens += float64(law.Burst) - r.burst
	r.burst, r.refill = float64(law.Burst), law.Ramp
}

// take starts one more invocation beside those in flight: in an environment
// that is idle, or in a new one if the ramp allows it now.
func (r *ramp) take(t time.Duration, inflight int) (next time.Duration, ok bool) {
	if r.burst == 0 || inflight < r.warm {
		return 0, true
	}
	r.fill(t)
	if r.tokens < 1 {
		if r.refill <= 0 {
			return never, false
		}
		return r.filled + seconds((1-r.tokens)/r.refill), false
	}
	r.start(t)
	return 0, true
}

// enter is take for an invocation that starts in any case.
func (r *ramp) enter(t time.Duration, inflight int) {
	if r.burst == 0 || inflight < r.warm {
		return
	}
	r.fill(t)
	r.start(t)
}

// start counts a new environment. The bucket is filled up to t.
func (r *ramp) start(t time.Duration) {
	if r.tokens >= r.burst {
		r.filled = t + rampLag
	}
	r.tokens--
	r.warm++
	if t > r.grown+time.Second {
		r.fresh = 0
	}
	r.fresh++
	r.grown = t
}

// refused takes back an environment that was not started after all. Its token
// comes back too: if the ramp itself refused it, the governor sees to that.
func (r *ramp) refused(t time.Duration) {
	if r.fresh == 0 || t > r.grown+time.Second {
		return
	}
	r.fresh--
	r.warm--
	r.tokens = min(r.tokens+1, r.burst)
}

// fill counts the tokens that came in until t.
func (r *ramp) fill(t time.Duration) {
	if t > r.filled {
		r.tokens = min(r.tokens+r.refill*(t-r.filled).Seconds(), r.burst)
		r.filled = t
	}
}

// allowance is how many environments the pool could have now.
func (r *ramp) allowance(t time.Duration) float64 {
	r.fill(t)
	return float64(r.warm) + r.tokens
}

// seconds is s as a Duration, rounded up, so that what is due then is due.
func seconds(s float64) time.Duration {
	return time.Duration(s*float64(time.Second)) + 1
}

// A pacer is a bucket of requests, whose rate follows the platform's ramp and
// looks for more where the rate is what holds the pool back. It learns nothing
// from refusals: they lower the slots, and fewer slots send fewer requests.
type pacer struct {
	governor         // requests per second
	perEnv   float64 // requests per second for each environment; 0: no rate
	tokens   float64
	filled   time.Duration
}

func newPacer(law Law) pacer {
	p := pacer{perEnv: law.Rate}
	value := math.Inf(1)
	if law.Rate > 0 {
		value = law.Rate * float64(max(law.Burst, 1))
	}
	p.governor = newGovernor(value, math.Inf(1))
	p.tokens = value * rateBurst
	return p
}

// extend has another law hold from t on, which r follows already. allowed is what the law before allowed at t. Where
// that was more, what was found beyond it counts no more.
func (p *pacer) extend(t time.Duration, law Law, r *ramp, allowed float64) {
	if p.perEnv == 0 || law.Rate == 0 {
		*p = newPacer(law)
		return
	}
	if law.Rate*r.allowance(t) < allowed {
		left := p.tokens
		*p = newPacer(law)
		p.tokens, p.filled = min(p.tokens, left), t
		return
	}
	had := p.value
	p.perEnv = law.Rate
	p.fill(t, r)
	p.tokens = min(p.tokens+(p.value-had)*rateBurst, p.value*rateBurst)
}

// ready reports whether a request may be sent now, and otherwise when to ask again.
func (p *pacer) ready(t time.Duration, r *ramp) (next time.Duration, ok bool) {
	if math.IsInf(p.value, 1) {
		return 0, true
	}
	p.fill(t, r)
	if p.tokens >= 1 {
		return 0, true
	}
	p.grow(t)
	return t + max(seconds((1-p.tokens)/p.value), minWait), false
}

// take counts one request, after ready said yes.
func (p *pacer) take() { p.tokens-- }

// fill counts the requests that may be sent since the last time.
func (p *pacer) fill(t time.Duration, r *ramp) {
	p.value = max(p.value, p.perEnv*r.allowance(t))
	p.ceiling = max(p.ceiling, p.value)
	if t > p.filled {
		p.tokens = min(p.tokens+p.value*(t-p.filled).Seconds(), max(1, p.value*rateBurst))
		p.filled = t
	}
}
