package lambdapool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/lambdapool/lambdapool/internal/english"
	"github.com/lambdapool/lambdapool/internal/order"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// MapResults calls fn for each of args, as [Map] does, and returns one [Result] for each, in
// the order of the input: a value, or an [ItemError]. It goes on after an item has failed, as
// with [ContinueOnError]. It blocks until all have ended. Use it where a failed item is a
// result like any other.
//
// The error is not of an item: it is nil however many of them failed. It says why the run as a
// whole ended early, and is a [PoolError]: ctx has ended ([ErrCanceled], [ErrTimeout]), the
// executor was closed ([ErrClosed]), the budget is spent ([ErrBudget]), the journal failed
// ([ErrJournal]). There is a Result for each item then, too: those that have no value say so.
// Only when the run could not be set up at all, by bad options or an unknown function, there
// are none.
func MapResults[A, R any](ctx context.Context, e *Executor, fn *Func[A, R], args []A, opts ...MapOption) ([]Result[R], error) {
	m, err := newMapping[R](ctx, e, fn, opts)
	if err == nil {
		err = keyedBy(m, func(i int) A { return args[i] })
	}
	if err != nil {
		return nil, err
	}
	return m.eachResult(len(args), registry.EncodeEach(m.fn, slices.Values(args)))
}

// StarMapResults is [MapResults] for lists of arguments. fn is what [Executor.Submit] takes. A
// list that does not fit is the failure of its item, with [ErrBadArguments].
func StarMapResults(ctx context.Context, e *Executor, fn any, argLists [][]any, opts ...MapOption) ([]Result[any], error) {
	m, err := newMapping[any](ctx, e, fn, opts)
	if err == nil {
		err = keyedBy(m, func(i int) []any { return argLists[i] })
	}
	if err != nil {
		return nil, err
	}
	return m.eachResult(len(argLists), registry.EncodeLists(m.fn, argLists))
}

// eachResult runs all of n items and puts what became of them in their places.
func (m *mapping[R]) eachResult(n int, args iter.Seq2[[]byte, error]) ([]Result[R], error) {
	if err := m.expect(n); err != nil {
		return nil, err
	}
	results := make([]Result[R], n)
	m.cfg.continueOnError = true
	for r := range m.complete(args) {
		results[r.Index] = r
	}
	return results, m.cutShort()
}

// collect runs all of n items and puts the values in their places.
func (m *mapping[R]) collect(n int, args iter.Seq2[[]byte, error]) ([]R, error) {
	if err := m.expect(n); err != nil {
		return nil, err
	}
	values := make([]R, n)
	if !m.goesOn() {
		var failed error
		for r := range m.asCompleted(args) {
			if r.Err == nil {
				values[r.Index] = r.Value
			} else if failed == nil {
				failed = r.Err
			}
		}
		if failed != nil {
			return nil, failed
		}
		return values, nil
	}
	var failures []error
	for r := range m.complete(args) {
		if values[r.Index] = r.Value; r.Err != nil {
			failures = append(failures, r.Err)
		}
	}
	if m.cfg.tolerance != nil {
		failures = slices.DeleteFunc(failures, func(err error) bool { return errors.Is(err, ErrTooManyFailures) })
		slices.SortFunc(failures, byIndex)
		return values, m.tolerated(failures)
	}
	if n == 0 && m.refused != nil {
		return nil, m.public(m.refused)
	}
	slices.SortFunc(failures, byIndex)
	return values, joinItems(failures)
}

func byIndex(a, b error) int { return cmp.Compare(itemIndex(a), itemIndex(b)) }

func itemIndex(err error) int {
	var item *ItemError
	if errors.As(err, &item) {
		return item.Index
	}
	return -1
}

// expect notes that the input has n items.
func (m *mapping[R]) expect(n int) error {
	if said := m.cfg.total; said != nil && *said != n {
		return callError("map", m.fn.Name(), ErrBadArguments, fmt.Errorf("Total(%d): the slice has %s", *said, english.Count(n, "item")),
			"leave it out: the length of a slice is known")
	}
	m.total = n
	return nil
}

// complete runs the calls and yields one result for each item of the input, as they end: those that
// were never taken in come last, with why.
func (m *mapping[R]) complete(args iter.Seq2[[]byte, error]) iter.Seq[Result[R]] {
	m.every = true
	return func(yield func(Result[R]) bool) {
		seen := order.NewSet(m.total)
		for r := range m.asCompleted(args) {
			if r.Index < 0 {
				break
			}
			seen.Add(r.Index)
			if !yield(r) {
				return
			}
		}
		var why error
		for i := range m.total {
			if seen.Has(i) {
				continue
			}
			if why == nil {
				why = m.cutShort()
			}
			if !yield(Result[R]{Index: i, Err: &ItemError{Index: i, Err: why}}) {
				return
			}
		}
	}
}

// results yields those of batches up to the first that failed, unless the run goes on.
func (m *mapping[R]) results(batches iter.Seq[[]Result[R]]) iter.Seq[Result[R]] {
	return func(yield func(Result[R]) bool) {
		for batch := range batches {
			for _, r := range batch {
				m.feed.Seen()
				if r.Err != nil && !m.goesOn() {
					m.broke = r.Err
				}
				if !yield(r) || r.Err != nil && !m.goesOn() && !m.drained(r.Err) {
					return
				}
			}
			m.ended.Done(batch)
		}
		if err := m.cutShort(); err != nil && !m.told() {
			yield(Result[R]{Index: -1, Err: err})
		}
	}
}

// drained reports whether an item ended because its executor drains: the run goes on until what is in flight has ended.
func (m *mapping[R]) drained(err error) bool {
	pool := poolErrorOf(err)
	return pool != nil && pool.Outcome == OutcomeNotRun && errors.Is(pool, ErrClosed) && m.e.core.Draining()
}

// told reports whether the consumer knows from an item's error that the run was cut short.
func (m *mapping[R]) told() bool {
	canceled, _, _ := m.lane.End()
	return canceled > 0
}

// cutShort returns why the run, which is over, ended before its input and its items did, or nil if it did
// not.
func (m *mapping[R]) cutShort() error {
	if m.refused != nil {
		return m.public(m.refused)
	}
	if why := m.feed.CutShort(m.parent, m.unrecorded()); why != nil {
		return m.public(why)
	}
	return nil
}

// MapAsync is [Map] that nobody waits for: it returns at once with one [Future] of the whole slice. Its items share
// invocations as those of Map do, where a Future for each item would send each alone. Use [Future.OnDone] for one
// callback with all results, and [Wait] or [AsCompleted] for several runs at once.
//
// The options are those of Map, and so are the errors: they are the Future's. With [ContinueOnError] and
// [TolerateFailures] its Result has the values that exist beside the error. [Future.Cancel] ends the run, and so does
// the end of ctx. [Executor.Shutdown] waits for what the run has in its queue or in flight; items that are not
// taken in yet are refused then.
//
// The slice is copied. What its elements point to must not be changed until the Future is done.
func MapAsync[A, R any](ctx context.Context, e *Executor, fn *Func[A, R], args []A, opts ...MapOption) *Future[[]R] {
	f := new(Future[[]R])
	args = slices.Clone(args)
	m, err := newMapping[R](ctx, e, fn, opts)
	if err == nil {
		err = keyedBy(m, func(i int) A { return args[i] })
	}
	if err != nil {
		f.p.Fail(err)
		return f
	}
	var stop context.CancelFunc
	m.parent, stop = context.WithCancel(ctx)
	e.core.Background(&f.p, (*future[[]R])(f), m.fn, stop, func() (func(), error) {
		values, err := m.collect(len(args), registry.EncodeEach(m.fn, slices.Values(args)))
		return func() { f.value = values }, err
	})
	return f
}
