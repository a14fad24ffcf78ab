package lambdapool

import (
	"context"
	"iter"
)

// Until says what [Wait] waits for.
type Until int

const (
	AllCompleted   Until = iota // every future has ended
	FirstCompleted              // one has ended
	FirstError                  // one has failed, or all have ended
)

// Wait blocks until the futures have come as far as until says, or ctx ends,
// and returns those that have ended and those that have not, each in the order
// given. It cancels nothing.
func Wait[T any](ctx context.Context, until Until, fs ...*Future[T]) (done, pending []*Future[T]) {
	for f := range AsCompleted(ctx, fs...) {
		if until == FirstCompleted || until == FirstError && f.Err() != nil {
			break
		}
	}
	for _, f := range fs {
		if f.isDone() {
			done = append(done, f)
		} else {
			pending = append(pending, f)
		}
	}
	return done, pending
}

// AsCompleted yields the futures as they end, those that have ended already
// first. It blocks between them, and stops early when ctx ends. It cancels
// nothing, and breaking out of it leaves nothing behind.
func AsCompleted[T any](ctx context.Context, fs ...*Future[T]) iter.Seq[*Future[T]] {
	return func(yield func(*Future[T]) bool) {
		ended := make(chan *Future[T], len(fs))
		hooks := make([]*hook, len(fs))
		for i, f := range fs {
			hooks[i] = &hook{func() { ended <- f }}
			f.hook(hooks[i])
		}
		defer func() {
			// Whoever waits for the first again and again must not pile hooks up.
			for i, f := range fs {
				f.unhook(hooks[i])
			}
		}()
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
			select {
			case f := <-ended:
				if !yield(f) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// Collect waits for the futures and returns their values in the order given.
// It returns at the first failure, as an [ItemError] with the position of the
// future that failed; the others go on. When ctx ends first, the error wraps
// ctx.Err().
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
