package lambdapool

import (
	"context"
	"iter"

	"github.com/lambdapool/lambdapool/internal/engine"
)

// Until says what [Wait] waits for. The zero value is AllCompleted.
type Until int

const (
	// AllCompleted waits until every future has ended.
	AllCompleted Until = iota
	// FirstCompleted waits until one has ended, however it did.
	FirstCompleted
	// FirstError waits until one has failed, or all have ended.
	FirstError
)

// Wait blocks until the futures have come as far as until says, or ctx ends, and returns those
// that have ended and those that have not, each in the order given. It cancels nothing, so the
// pending ones can be waited for again. No futures end at once.
//
//	done, pending := lambdapool.Wait(ctx, lambdapool.FirstCompleted, futures...)
//
// A future that is given twice is in the lists twice. A nil future has ended, with
// [ErrBadArguments].
func Wait[T any](ctx context.Context, until Until, fs ...*Future[T]) (done, pending []*Future[T]) {
	for f := range AsCompleted(ctx, fs...) {
		if until == FirstCompleted || until == FirstError && f.Err() != nil {
			break
		}
	}
	for _, f := range fs {
		if f == nil || f.p.IsDone() {
			done = append(done, f)
		} else {
			pending = append(pending, f)
		}
	}
	return done, pending
}

// AsCompleted yields the futures as they end, those that have ended already first. Use it to
// work on results while others are still on their way. It blocks between them, and stops early
// when ctx ends: what has ended by then is still yielded. It cancels nothing, and breaking out
// of it leaves nothing behind.
//
// A future that is given twice is yielded twice. A nil future has ended, with
// [ErrBadArguments].
func AsCompleted[T any](ctx context.Context, fs ...*Future[T]) iter.Seq[*Future[T]] {
	return func(yield func(*Future[T]) bool) {
		ended := make(chan *Future[T], len(fs))
		hooks := make([]*engine.Hook, len(fs))
		for i, f := range fs {
			hooks[i] = &engine.Hook{Run: func() { ended <- f }}
			if f == nil {
				hooks[i].Run()
			} else {
				f.p.Hook(hooks[i])
			}
		}
		defer func() {
			// Whoever waits for the first again and again must not pile hooks up.
			for i, f := range fs {
				if f != nil {
					f.p.Unhook(hooks[i])
				}
			}
		}()
		wait := nestedWaitFor(ctx, fs, func() bool { return len(ended) > 0 })
		for range fs {
			// What has ended is yielded even after ctx has.
			select {
			case f := <-ended:
				if !yield(f) {
					return
				}
				continue
			default:
			}
			wait.Begin()
			var next *Future[T]
			select {
			case next = <-ended:
				wait.End()
			case <-ctx.Done():
				wait.End()
				return
			}
			if !yield(next) {
				return
			}
		}
	}
}

// nestedWaitFor returns the wait of a function for futures, or nil.
func nestedWaitFor[T any](ctx context.Context, fs []*Future[T], ready func() bool) *engine.NestedWait {
	for _, f := range fs {
		if f == nil || f.p.IsDone() {
			continue
		}
		w := f.p.NestedWait(ctx)
		if w == nil {
			return nil
		}
		var promises []*engine.Promise
		for _, f := range fs {
			if f != nil {
				promises = append(promises, &f.p)
			}
		}
		w.Awaiting(ready, promises...)
		return w
	}
	return nil
}

// Collect waits for the futures and returns their values in the order given. It returns at the
// first failure, as an [ItemError] with the position of the future that failed. The others go
// on: cancel them if they are of no use then. For values of all that succeeded, use [Wait].
// When ctx ends first, the error wraps ctx.Err(). No futures give an empty slice.
func Collect[T any](ctx context.Context, fs ...*Future[T]) ([]T, error) {
	Wait(ctx, FirstError, fs...)
	for i, f := range fs {
		if err := f.Err(); err != nil {
			return nil, &ItemError{Index: i, Err: err}
		}
	}
	values := make([]T, len(fs))
	for i, f := range fs {
		v, err := f.Result(ctx)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	return values, nil
}
