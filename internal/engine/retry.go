package engine

import (
	"context"
	"errors"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/registry"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// maxRejected bounds how often a call is sent again that was turned away for
// another reason than load, such as a refused connection: with the default
// backoff, about two minutes. A call with a deadline ends by that.
const maxRejected = 15

// A Retrier says which calls are tried again, and when: lambdapool.RetryPolicy at work.
type Retrier struct {
	schedule.Policy

	Wanted func(ctx context.Context, fn *registry.Function, known *registry.Registry, said *failure.Function) (wanted bool, fault error) // nil: nobody asks
}

// wants reports whether the program wants another attempt after err, if that is an
// error of the function fn, one of known. fault ends the call: there is no answer.
func (r *Retrier) wants(ctx context.Context, fn *registry.Function, known *registry.Registry, err error) (wanted bool, fault error) {
	function, ok := err.(*failure.Function) //nolint:errorlint // as the reply was read
	if r.Wanted == nil || !ok {
		return false, nil
	}
	return r.Wanted(ctx, fn, known, function)
}

// Classify says what a failed attempt means for another one. The InvokeError
// is nil when the backend gave none. Whether an error of the function's is worth
// another attempt is the program's to say: see Retrier.wants.
func Classify(err error) (schedule.Attempt, *driver.InvokeError) {
	if _, ok := err.(*failure.Function); ok { //nolint:errorlint // as the reply was read
		return schedule.Attempt{Outcome: schedule.Answered}, nil
	}
	var invoke *driver.InvokeError
	if !errors.As(err, &invoke) {
		return schedule.Attempt{Outcome: schedule.Unknown}, nil
	}
	a := schedule.Attempt{Permanent: invoke.Permanent, RetryAfter: invoke.RetryAfter}
	switch invoke.Outcome {
	case driver.OutcomeNotRun:
		a.Outcome = schedule.NotRun
		a.Throttled = errors.Is(invoke.Kind, driver.ErrThrottled) && !invoke.Permanent
		a.Elsewhere = invoke.Elsewhere && !invoke.Permanent
	case driver.OutcomeRan:
		a.Outcome = schedule.Ran
	default:
		a.Outcome = schedule.Unknown
	}
	return a, invoke
}

// verdictOf says what a failed attempt means for the pool's pace.
func verdictOf(a schedule.Attempt) schedule.Verdict {
	switch {
	case a.Elsewhere: // the pool as a whole has room
		return schedule.Indifferent
	case a.Throttled, a.Outcome == schedule.NotRun && a.RetryAfter > 0: // whoever says when wants no others until then
		return schedule.Refused
	case a.Outcome == schedule.Ran || a.Outcome == schedule.Answered:
		return schedule.Admitted
	default:
		return schedule.Indifferent
	}
}
