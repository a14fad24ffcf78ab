package lambdapool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool/internal/engine"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// A Future is a call's result to be: exactly one value, [FunctionError] or [PoolError]. Get it
// from [Submit], and wait with [Future.Result], or for several with [Collect], [Wait] and
// [AsCompleted]. It is safe for concurrent use, and nothing needs to be closed. One that nobody
// waits for does no harm: its call runs all the same.
//
// A nil Future is one that has failed with [ErrBadArguments].
type Future[T any] struct {
	p     engine.Promise
	value T
}

// A future is a Future as the engine sees it: its methods are not the program's.
type future[T any] Future[T]

// Decode implements sink.
func (f *future[T]) Decode(ctx context.Context, fn *registry.Function, data []byte, own bool) error {
	err := decodeContained(ctx, &f.value, fn, data, own)
	if err != nil {
		var zero T
		f.value = zero // a value beside an error is one that counts, see MapAsync
	}
	return err
}

// Failed implements sink.
func (f *future[T]) Failed(fn *registry.Function, known *registry.Registry, err error) error {
	return public(fn, known, err)
}

// Completed implements sink.
func (f *future[T]) Completed() {}

// CallStats is what is known of one call. While it runs, the numbers grow. What the platform or
// the agent did not say is zero. Of a call that shared its invocation, Billed, Sent and
// Received are those of the whole invocation.
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

// decodeContained decodes what fn returned, with the failure that it is when it cannot, and with
// unmarshaling methods of the program's contained: one that outlives ctx is left
// behind.
func decodeContained[T any](ctx context.Context, v *T, fn *registry.Function, data []byte, own bool) error {
	if encoded, ok := any(v).(*Encoded); ok && fn.Foreign() {
		encoded.keep(data, own)
		return nil
	}
	if err := registry.Decode(ctx, v, fn, data, own); err != nil {
		return &failure.Pool{Op: "decode result of", Func: fn.Name(), Kind: ErrDecode, Err: err, Outcome: OutcomeRan}
	}
	return nil
}

// Result waits for the call to end and returns its value, or its error: a [FunctionError] or a
// [PoolError]. Every call of Result returns the same.
//
// ctx bounds this wait only, never the call: the ctx of Submit does that. When it ends first,
// Result returns an error that wraps ctx.Err() and is neither of the two, and may be called
// again. A call that has ended is returned whatever ctx is.
//
// The strings of a large value may share one buffer, which lives as long as any of them:
// strings.Clone the few that outlive the others.
func (f *Future[T]) Result(ctx context.Context) (T, error) {
	if f == nil {
		var zero T
		return zero, errNilFuture()
	}
	if !f.p.IsDone() {
		if ctx == nil {
			var zero T
			return zero, errors.New("lambdapool: wait: the context is nil (pass context.Background())")
		}
		if w := f.p.NestedWait(ctx); w != nil {
			w.Awaiting(f.p.IsDone, &f.p)
			w.Begin()
			defer w.End()
		}
		select {
		case <-f.p.Done():
		case <-ctx.Done():
			if !f.p.IsDone() {
				var zero T
				_, cause := failure.Context(ctx)
				return zero, fmt.Errorf("lambdapool: wait for %s: %w (the call goes on)", f.p.Name(), cause)
			}
		}
	}
	return f.value, f.p.Failure()
}

// Done returns a channel that is closed when the call has ended, for a select. [Future.Err] and
// [Future.Result] do not block then.
func (f *Future[T]) Done() <-chan struct{} {
	if f == nil {
		return (*engine.Promise)(nil).Done()
	}
	return f.p.Done()
}

// Err returns the call's error. It is nil while the call is pending and after success, so look
// at [Future.Done] first. It does not block.
func (f *Future[T]) Err() error {
	if f == nil {
		return errNilFuture()
	}
	return f.p.Failure()
}

// errNilFuture is how the call of a nil future has ended.
func errNilFuture() error {
	return callError("wait", "", ErrBadArguments, errors.New("the future is nil"), "a Future comes from Submit")
}

// Cancel ends the call with [ErrCanceled] and reports whether it did: it returns false when the
// call had ended before. A queued call is never sent. A running one is abandoned: the caller
// gets its error at once, but a function on Lambda runs on, and costs, until it returns. On
// package inproc its context ends. Cancel does not block.
func (f *Future[T]) Cancel() bool {
	return f != nil && f.p.Cancel(ErrCanceled, context.Canceled, "")
}

// OnDone has fn called once with f when the call has ended, by a goroutine of the executor's.
// OnDone waits for it when the call has ended already. Several run in the order in which they
// were added. A nil fn is ignored. Use it to pass a result on without a goroutine that waits.
//
// If fn panics or ends its goroutine, that is logged, and the others run. [Executor.Shutdown]
// waits for callbacks, and [Executor.Close] does for ten seconds, so fn must not call them.
func (f *Future[T]) OnDone(fn func(*Future[T])) {
	if fn == nil {
		return
	}
	run := func() { fn(f) }
	if f == nil {
		(*engine.Executor)(nil).Callback("", run)
		return
	}
	f.p.OnDone(run)
}

// Stats returns what is known of the call so far. It does not block. Of a call that was refused
// before it was queued all is zero.
func (f *Future[T]) Stats() CallStats {
	if f == nil {
		return CallStats{}
	}
	return CallStats(f.p.Stats())
}

// String says which function the call is of and how it stands: queued, running, done, failed or
// canceled, the last two with the error. It never has the value, which may be large or secret. It is
// safe while the call runs.
func (f *Future[T]) String() string {
	if f == nil {
		return "Future(nil)"
	}
	text := "Future("
	if name := f.p.Name(); name != "" {
		text += name + ": "
	}
	state, err := f.p.Standing()
	if pool := poolErrorOf(err); pool != nil && errors.Is(pool.Kind, ErrCanceled) {
		state = "canceled"
	}
	if text += state; err != nil {
		text += ": " + err.Error()
	}
	return text + ")"
}

// Format prints [Future.String] for every verb: what a Future is made of may change meanwhile.
func (f *Future[T]) Format(s fmt.State, verb rune) { failure.FormatText(s, verb, f.String()) }
