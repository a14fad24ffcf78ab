package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/registry"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// finalError is what the caller sees of an attempt that was the last. That it
// did not run says nothing of those before it.
func (c *Call) finalError(err error, reason schedule.Reason) error {
	c.mu.Lock()
	ran := c.ran
	c.mu.Unlock()
	return Final(c.fn, err, reason, ran)
}

// Final is what the caller sees of an attempt of fn that was the last, after others that ran, or may have, or did not.
func Final(fn *registry.Function, err error, reason schedule.Reason, ran bool) error {
	if function, ok := err.(*failure.Function); ok { //nolint:errorlint // as the reply was read
		return function
	}
	pool := &failure.Pool{Op: "call", Func: fn.Name(), Kind: driver.ErrUnknownOutcome, Err: err}
	var invoke *driver.InvokeError
	if errors.As(err, &invoke) {
		pool.Outcome, pool.RequestID = invoke.Outcome, invoke.RequestID
		pool.Hint, pool.LogTail = invoke.Hint, invoke.LogTail
		switch {
		case invoke.Outcome == driver.OutcomeUnknown:
		case invoke.Kind != nil:
			pool.Kind, pool.Err = invoke.Kind, invoke.Err
		case invoke.Outcome == driver.OutcomeNotRun:
			pool.Kind, pool.Err = driver.ErrUnreachable, invoke.Err
		}
	}
	if reason == schedule.OutOfTime && pool.Outcome == driver.OutcomeNotRun {
		// The platform wants to be left alone for longer than the call has.
		pool.Kind, pool.Err = driver.ErrTimeout, fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	}
	if ran && pool.Outcome == driver.OutcomeNotRun {
		pool.Outcome = driver.OutcomeUnknown
	}
	if pool.Hint == "" && reason == schedule.MayHaveRun {
		pool.Hint = "it may have run; register it as Idempotent to have it run again"
	}
	return pool
}
