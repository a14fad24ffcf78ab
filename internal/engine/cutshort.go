package engine

import (
	"context"
	"errors"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/failure"
)

// CutShort returns why a run, which is over, ended before its input and its items did, or nil if it did not. parent is
// the context that the run was given; unrecorded says why its journal ended it, if that did.
func (f *Feed) CutShort(parent context.Context, unrecorded *failure.Pool) *failure.Pool {
	whole, name := f.Whole(), f.lane.Fn.Name()
	canceled, ended, closed := f.lane.End()
	if ended != nil && errors.Is(ended.Kind, failure.ErrTooManyFailures) && unrecorded == nil {
		return ended
	}
	if whole && canceled == 0 {
		return nil
	}
	if unrecorded != nil {
		return unrecorded
	}
	var err *failure.Pool
	switch {
	case parent.Err() != nil:
		kind, cause := failure.Context(parent)
		err = failure.NotRun("map", name, kind, cause, "")
	case closed:
		err = failure.NotRun("map", name, driver.ErrCanceled, driver.ErrClosed, HintClosed)
	case whole:
		return ended
	case f.Failed() != nil:
		err = failure.NotRun("map", name, failure.ErrInput, f.Failed(), "")
	default:
		err = failure.NotRun("map", name, driver.ErrCanceled, errors.New("the input ended its goroutine by runtime.Goexit, as testing's FailNow and Skip do"), "")
	}
	if !whole {
		err.Hint = "the input was not read to its end"
	}
	return err
}
