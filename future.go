package lambdapool

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/lambdapool/lambdapool/codec"
)

// A Future is a call's result to be: exactly one value, [FunctionError] or
// [PoolError]. It is safe for concurrent use, and nothing needs to be closed.
type Future[T any] struct {
	promise

	value T
}

// CallStats is what is known of one call. While it runs, the numbers grow.
type CallStats struct {
	Attempts   int           // invocations that carried the call and may have run it
	Throttles  int           // refusals by the platform
	Queued     time.Duration // from Submit to the first send
	Run        time.Duration // in the function, as the agent measured it
	Billed     time.Duration // charged for the last invocation, where the platform says
	Total      time.Duration // from Submit to the end
	ColdStart  bool          // the last invocation began a new agent
	MemoryPeak int64         // bytes, highest resident size of the agent
	Sent       int           // bytes of the last request
	Received   int           // bytes of the last reply
	RequestID  string        // of the last invocation
}

// decode implements sink.
func (f *Future[T]) decode(fn *Function, data []byte, own bool) error {
	return decodeContained(&f.value, fn, data, own)
}

// completed implements sink.
func (f *Future[T]) completed() {}

// decodeContained is decodeResult, with a panic of a user's own unmarshaler
// contained, and the error that a caller sees.
func decodeContained[T any](v *T, fn *Function, data []byte, own bool) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
		if err != nil {
			err = &PoolError{Op: "decode result of", Func: fn.name, Kind: ErrDecode, Err: err, Outcome: OutcomeRan}
		}
	}()
	return decodeResult(v, fn, data, own)
}

// decodeResult decodes what fn returned into v. A dynamic call's value, an any,
// gets the type that fn was registered with; without a result it is nil. A value may
// keep data if that is its own: it is not copied then.
func decodeResult[T any](v *T, fn *Function, data []byte, own bool) error {
	if encoded, ok := any(v).(*Encoded); ok && fn.foreign() {
		encoded.keep(data, own)
		return nil
	}
	dynamic, ok := any(v).(*any)
	if !ok && own {
		return codec.UnmarshalShared(data, fn.results, []reflect.Value{reflect.ValueOf(v).Elem()})
	} else if !ok {
		return codec.Unmarshal(data, fn.results, []reflect.Value{reflect.ValueOf(v).Elem()})
	}
	unmarshal := codec.Unmarshal
	if own {
		unmarshal = codec.UnmarshalShared
	}
	values := make([]reflect.Value, len(fn.results))
	for i, t := range fn.results {
		values[i] = reflect.New(t.Go()).Elem()
	}
	if err := unmarshal(data, fn.results, values); err != nil {
		return err
	}
	for _, value := range values {
		*dynamic = value.Interface()
	}
	return nil
}

// Result waits for the call to end and returns its value, or its error: a
// [FunctionError] or a [PoolError]. ctx bounds this wait only, never the call:
// when it ends first, Result returns an error that wraps ctx.Err() and is
// neither, and may be called again. Every call of Result returns the same. The
// strings of a large value may share one buffer, which lives as long as any of
// them: strings.Clone the few that outlive the others.
func (f *Future[T]) Result(ctx context.Context) (T, error) {
	if !f.isDone() {
		if ctx == nil {
			var zero T
			return zero, errors.New("lambdapool: wait: the context is nil (pass context.Background())")
		}
		select {
		case <-f.doneChan():
		case <-ctx.Done():
			if !f.isDone() {
				var zero T
				_, cause := contextKind(ctx)
				return zero, fmt.Errorf("lambdapool: wait for %s: %w (the call goes on)", f.fn.name, cause)
			}
		}
	}
	if err := f.failure(); err != nil {
		var zero T
		return zero, err
	}
	return f.value, nil
}

// Done returns a channel that is closed when the call has ended.
func (f *Future[T]) Done() <-chan struct{} { return f.doneChan() }

// Err returns the call's error. It is nil while the call is pending and after
// success. It does not block.
func (f *Future[T]) Err() error { return f.failure() }

// Cancel ends the call with [ErrCanceled] and reports whether it did: it
// returns false when the call had ended before. A queued call is never sent. A
// running one is abandoned: the caller gets its error at once, but a function
// on Lambda runs on, and costs, until it returns. Cancel does not block.
func (f *Future[T]) Cancel() bool {
	return f.cancel(ErrCanceled, context.Canceled, "")
}

// OnDone has fn called once with f when the call has ended: by a goroutine of
// the executor, or by this one when it has ended already. Several run in the
// order in which they were added. A panic in fn is logged, not passed on.
// Shutdown and Close wait for callbacks, so fn must not call them.
func (f *Future[T]) OnDone(fn func(*Future[T])) {
	if fn == nil {
		return
	}
	run := func() { fn(f) }
	f.mu.Lock()
	w := f.observer()
	if w != nil {
		w.callbacks = append(w.callbacks, run)
	}
	f.mu.Unlock()
	if w == nil {
		f.exec.contain("OnDone", f.name(), run)
	}
}

// Stats returns what is known of the call so far.
func (f *Future[T]) Stats() CallStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stats == nil {
		return CallStats{}
	}
	return *f.stats
}

// name returns the function's name, for messages; a call that failed before
// its function was found has none.
func (f *Future[T]) name() string {
	if f.fn == nil {
		return ""
	}
	return f.fn.name
}
