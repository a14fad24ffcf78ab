// Package steps has what changes in every cloud are made with: requests that are not interrupted, what is
// taken back when one fails, and why something ended.
package steps

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool/deploy/shared"
)

// Sleep waits for d, or for the end of ctx.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// Cause prefers why ctx ended to what a request said about it.
func Cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// Invalid is an error about a value that was refused before it was sent.
func Invalid(format string, args ...any) error {
	return &shared.Error{Kind: shared.ErrInvalid, Err: fmt.Errorf(format, args...)}
}

// Interrupted adds to an error of making something what is left behind.
func Interrupted(ctx context.Context, err error, left []shared.Leftover) error {
	e, ok := errors.AsType[*shared.Error](err)
	if !ok {
		e = &shared.Error{Err: Cause(ctx, err)}
	}
	e.Left = left
	if ctx.Err() != nil && len(left) == 0 {
		e.Hint = "everything that was made has been removed again"
	}
	return e
}
