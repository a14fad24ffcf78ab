package lambdapool

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/contain"
	"github.com/lambdapool/lambdapool/internal/engine"
	"github.com/lambdapool/lambdapool/internal/failure"
)

// ErrQueueFull says that [TrySubmit] has refused a call, since as many wait for a worker as
// [WithQueue] allows. Nothing was sent.
var ErrQueueFull = failure.ErrQueueFull

// WithQueue bounds the calls of [Submit] that wait for a worker, from 1 on. While n of them wait, Submit blocks
// until one has been taken, or its context ends: then its Future has failed with [ErrCanceled] or [ErrTimeout].
// [TrySubmit] does not wait. Use it where calls come faster than they are done, and their arguments would fill
// the memory. The default is no bound.
//
// A call that waits for its next attempt does not count. Neither do the items of [Map] and the streams, which
// [Window] bounds, nor calls that functions make with their context, since a function that waits for room would
// hold the worker that could make some.
func WithQueue(n int) Option {
	return option(func(c *config) error {
		if n < 1 {
			return fmt.Errorf("WithQueue(%d): must be at least 1; leave it out for a queue without bound", n)
		}
		c.queue = n
		return nil
	})
}

// TrySubmit is [Submit] that never waits for room in the queue: where that is full, see [WithQueue], the Future
// has failed with [ErrQueueFull] at once. Use it to shed load, or to do something else meanwhile.
func TrySubmit[A, R any](ctx context.Context, e *Executor, fn *Func[A, R], arg A) *Future[R] {
	return submit(ctx, e, false, fn, arg)
}

// TrySubmit is [Executor.Submit] that never waits for room in the queue, as the function [TrySubmit] does not.
func (e *Executor) TrySubmit(ctx context.Context, fn any, args ...any) *Future[any] {
	return e.submit(ctx, false, fn, args)
}

// SetWorkers changes while calls run how many invocations may be in flight, as [WithWorkers] sets it for the
// beginning: from 1 to 100,000. It does not block. With more, what waits is sent at once, as far as the platform
// lets it; with fewer, what is in flight goes on, and nothing is sent until there are fewer.
//
// The error is a [PoolError] with [ErrBadArguments]: n is out of range, or the executor runs calls inline, as
// WithWorkers(0) has it.
func (e *Executor) SetWorkers(n int) error {
	err := fmt.Errorf("SetWorkers(%d): must be from 1 to %d", n, driver.MaxWorkers)
	if n >= 1 && n <= driver.MaxWorkers {
		err = e.core.Resize(n)
	}
	if err != nil {
		return callError("set workers", "", ErrBadArguments, err, "")
	}
	return nil
}

// Drain refuses new calls, cancels those that no worker has taken, and waits for the others and for their
// callbacks. It is what the first Ctrl-C should do: nothing more is begun, and nothing is lost that was paid for.
// What was canceled has [ErrCanceled] and [ErrClosed]. What runs is not tried again if it fails.
//
// A [Map] or stream has nothing more sent, yields what its agents bring, and ends; a journal records that.
//
// When ctx ends first, Drain returns a [PoolError] that wraps ctx.Err() and says how many calls are left. They go
// on; [Executor.Close] abandons them. It may be called repeatedly, and after [Executor.Shutdown].
func (e *Executor) Drain(ctx context.Context) error { return e.idle(ctx, e.core.Drain()) }

// A State is how a call stands, see [Future.State].
type State uint8

const (
	// StateQueued: it waits for a worker, or for its next attempt.
	StateQueued State = iota
	// StateRunning: an invocation with it is in flight.
	StateRunning
	// StateDone: it has a value or an error.
	StateDone
)

// String returns "queued", "running" or "done".
func (s State) String() string {
	switch s {
	case StateQueued:
		return "queued"
	case StateRunning:
		return "running"
	case StateDone:
		return "done"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// State returns how the call stands at this moment. It does not block. A call of a detached run is queued until
// it is done: [Run.State] knows more. A nil Future is done.
func (f *Future[T]) State() State {
	if f == nil {
		return StateDone
	}
	switch state, _ := f.p.Standing(); state {
	case "queued", "pending":
		return StateQueued
	case "running":
		return StateRunning
	}
	return StateDone
}

// CancelQueued ends the call with [ErrCanceled] if it is queued, and reports whether it did. A call that runs is
// left alone, where [Future.Cancel] abandons it: so nothing is paid for in vain. A call of a detached run is left
// alone too, see [Run.Cancel]. It does not block.
func (f *Future[T]) CancelQueued() bool {
	return f != nil && f.p.CancelQueued(ErrCanceled, context.Canceled)
}

// ErrTooManyFailures says that a run was stopped since more of its items failed than [TolerateFailures] or
// [TolerateFailurePercent] allows.
var ErrTooManyFailures = failure.ErrTooManyFailures

// TolerateFailures has a run go on while at most n of its items have failed, and stops it at the next: nothing more
// is sent then, and what is in flight is waited for. Use it where a few bad items are no reason to stop, and many
// are a sign that something is wrong with all. n must not be negative.
//
// [Map] returns the values that exist, with zero values for items that failed. The error is nil if no more failed
// than n; [MapResults] tells which. Otherwise it is a [PoolError] with [ErrTooManyFailures], which wraps the first
// [ItemError]. Streams yield every result, as with [ContinueOnError], and end with that error.
//
// What counts are errors of items, those of a journal included, not items that ended because the run did. A
// detached run refuses it: nobody is there to stop it. With [TolerateFailurePercent], the last one given counts.
func TolerateFailures(n int) MapOption {
	return mapOption(func(c *mapConfig) error {
		if n < 0 {
			return fmt.Errorf("TolerateFailures(%d): must not be negative", n)
		}
		c.tolerance = &engine.Tolerance{Items: n, Option: fmt.Sprintf("TolerateFailures(%d)", n)}
		return nil
	})
}

// TolerateFailurePercent is [TolerateFailures] by a share of the run's items, from 0 to 100 percent. In a stream
// that has no [Total] it is the share of those that have ended, once they are a hundred or all.
func TolerateFailurePercent(percent float64) MapOption {
	return mapOption(func(c *mapConfig) error {
		if !(percent >= 0 && percent <= 100) {
			return fmt.Errorf("TolerateFailurePercent(%v): must be from 0 to 100", percent)
		}
		c.tolerance = &engine.Tolerance{Items: -1, Percent: percent, Option: fmt.Sprintf("TolerateFailurePercent(%v)", percent)}
		return nil
	})
}

// tolerance is that of the run, whose input is known by now, or nil.
func (m *mapping[R]) tolerance() *engine.Tolerance {
	if m.cfg.tolerance == nil {
		return nil
	}
	t := *m.cfg.tolerance
	if t.Total = m.total; m.total < 0 && m.cfg.total != nil {
		t.Total = *m.cfg.total
	}
	return &t
}

// tolerated is the error of a run whose items may fail: nil, or why it was cut short, with the first of failures.
func (m *mapping[R]) tolerated(failures []error) error {
	why := m.cutShort()
	if pool := poolErrorOf(why); pool != nil && errors.Is(pool.Kind, ErrTooManyFailures) && len(failures) > 0 {
		own := *pool
		own.Err = fmt.Errorf("%w, the first: %w", pool.Err, failures[0])
		return &own
	}
	return why
}

// MaxRate bounds how many items of a run begin in a second, whatever invocations they share and however many workers
// are free. Use it for functions that call a service which allows so many calls. It must be positive, and may be
// below 1: MaxRate(0.1) is an item every ten seconds.
//
// The items of an invocation begin together, so none carries more than a tenth of a second's. In any second there
// are at most perSecond items and a tenth more. What is tried again counts again, and a duplicate of a straggler
// ([WithHedging]) waits for its turn as well, before items that were not begun. Items that a journal has do not
// count, nor does what a [Budget] refuses.
//
// It is this run's: two runs have twice the rate. A detached run refuses it: nobody is there to hold its calls back.
func MaxRate(perSecond float64) MapOption {
	return mapOption(func(c *mapConfig) error {
		c.rate = perSecond
		return checkRate("MaxRate", perSecond)
	})
}

// MaxRateBy is [MaxRate] for each key by itself: of the items for which key returns the same, so many begin in a
// second. Use it where a limit is of a customer, a host or an account. Items of a key that has to wait hold up no
// others, so items begin out of the order of the input.
//
//	lambdapool.Map(ctx, pool, fetch, urls, lambdapool.MaxRateBy(5, hostOf))
//
// A is the type of the run's items, or []any for [StarMap]; another is an error of the run. key is called once for
// each item, by one goroutine, as the item is taken in, so it must be quick. If it panics or ends its goroutine, the
// item fails with [ErrHook]. It may be combined with MaxRate.
func MaxRateBy[A any](perSecond float64, key func(A) string) MapOption {
	return mapOption(func(c *mapConfig) error {
		if key == nil {
			return errors.New("MaxRateBy: the function is nil")
		}
		c.keyRate, c.rateKey = perSecond, key
		return checkRate("MaxRateBy", perSecond)
	})
}

// checkRate refuses a rate that is none.
func checkRate(option string, perSecond float64) error {
	if perSecond > 0 && !math.IsInf(perSecond, 1) {
		return nil
	}
	return fmt.Errorf("%s(%v): must be positive; leave it out for no bound", option, perSecond)
}

// keyedBy has the run know the keys of its items, of which at returns the one that is being taken in.
func keyedBy[A, R any](m *mapping[R], at func(i int) A) error {
	if m.cfg.rateKey == nil {
		return nil
	}
	key, ok := m.cfg.rateKey.(func(A) string)
	if !ok {
		return callError("map", m.fn.Name(), ErrBadArguments, fmt.Errorf("MaxRateBy: the key function is a %T, and the items are of type %T", m.cfg.rateKey, *new(A)), "")
	}
	m.keyOf = func(i int) string { return key(at(i)) }
	return nil
}

// key returns the key of the item that is being taken in.
func (m *mapping[R]) key(i int) (string, error) {
	if m.keyOf == nil {
		return "", nil
	}
	key, fault := contain.Value(m.ctx, "the key function of MaxRateBy", nil, func() (string, error) { return m.keyOf(i), nil })
	if fault != nil {
		return "", failure.NotRun("call", m.fn.Name(), ErrHook, m.e.core.Complain(m.fn.Name(), fault), "")
	}
	return key, nil
}
