package lambdapool

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

// A RetryPolicy says when a call that failed is tried again. A zero field
// means the default, so that RetryPolicy{MaxAttempts: 1} only turns retries
// off.
//
// What certainly did not run is tried again within the call's time. What may
// have run is tried again only when the function is [Idempotent]. Throttles
// never count as attempts. What cannot succeed (access denied, too large,
// another version) is never tried again.
type RetryPolicy struct {
	MaxAttempts int           // invocations that may have run the function; default 3
	BaseDelay   time.Duration // upper bound of the first backoff, doubled each time, full jitter; default 100 ms
	MaxDelay    time.Duration // upper bound of every backoff; default 20 s

	// RetryFunctionError says whether an error of the function itself is worth
	// another attempt. Default: none is. It must be safe for concurrent use.
	RetryFunctionError func(*FunctionError) bool
}

// WithRetry sets when and how calls are retried.
func WithRetry(p RetryPolicy) Option {
	return func(c *config) error {
		if err := p.validate(); err != nil {
			return fmt.Errorf("WithRetry: %w", err)
		}
		c.retry = p
		return nil
	}
}

func (p RetryPolicy) validate() error {
	switch {
	case p.MaxAttempts < 0:
		return fmt.Errorf("MaxAttempts is %d, must not be negative", p.MaxAttempts)
	case p.BaseDelay < 0:
		return fmt.Errorf("BaseDelay is %v, must not be negative", p.BaseDelay)
	case p.MaxDelay < 0:
		return fmt.Errorf("MaxDelay is %v, must not be negative", p.MaxDelay)
	case p.MaxDelay > 0 && p.BaseDelay > p.MaxDelay:
		return fmt.Errorf("BaseDelay %v is above MaxDelay %v", p.BaseDelay, p.MaxDelay)
	}
	return nil
}

// maxRejected bounds how often a call is sent again that was turned away for
// another reason than load, such as a refused connection: with the default
// backoff, about two minutes. A call with a deadline ends by that.
const maxRejected = 15

// retrier is a RetryPolicy at work.
type retrier struct {
	schedule.Policy

	wanted func(*FunctionError) bool
}

func newRetrier(p RetryPolicy) retrier {
	r := retrier{Policy: schedule.DefaultPolicy(), wanted: p.RetryFunctionError}
	r.MaxRejected = maxRejected
	if p.MaxAttempts > 0 {
		r.MaxAttempts = p.MaxAttempts
	}
	if p.MaxDelay > 0 {
		r.Backoff.Max = p.MaxDelay
		r.Backoff.Base = min(r.Backoff.Base, p.MaxDelay)
	}
	if p.BaseDelay > 0 {
		r.Backoff.Base = p.BaseDelay
		r.Backoff.Max = max(r.Backoff.Max, p.BaseDelay)
	}
	return r
}

// classify says what a failed attempt means for another one. The InvokeError
// is nil when the backend gave none.
func (r *retrier) classify(err error) (schedule.Attempt, *InvokeError) {
	var function *FunctionError
	if errors.As(err, &function) {
		return schedule.Attempt{Outcome: schedule.Answered, Wanted: r.wanted != nil && r.wanted(function)}, nil
	}
	var invoke *InvokeError
	if !errors.As(err, &invoke) {
		return schedule.Attempt{Outcome: schedule.Unknown}, nil
	}
	a := schedule.Attempt{Permanent: invoke.Permanent, RetryAfter: invoke.RetryAfter}
	switch invoke.Outcome {
	case OutcomeNotRun:
		a.Outcome = schedule.NotRun
		a.Throttled = errors.Is(invoke.Kind, ErrThrottled) && !invoke.Permanent
	case OutcomeRan:
		a.Outcome = schedule.Ran
	default:
		a.Outcome = schedule.Unknown
	}
	return a, invoke
}

// verdictOf says what a failed attempt means for the pool's pace.
func verdictOf(a schedule.Attempt, refusal *InvokeError) schedule.Verdict {
	switch {
	case a.Throttled && strings.Contains(refusal.Reason, "Rate"):
		return schedule.TooFast
	case a.Throttled:
		return schedule.TooMany
	case a.Outcome == schedule.Ran || a.Outcome == schedule.Answered:
		return schedule.Admitted
	default:
		return schedule.Indifferent
	}
}
