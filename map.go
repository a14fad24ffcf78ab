package lambdapool

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

// A MapOption configures one [Map], [StarMap] or stream.
type MapOption func(*mapConfig) error

type mapConfig struct {
	window          int // 0: chosen
	chunk           int // 0: chosen
	parallel        int // 0: chosen
	continueOnError bool
	budget          Budget
	progress        []func(Snapshot)
	journal         Journal // nil: none
	detached        detachedConfig
}

// ChunkSize sets how many items one invocation carries at most; in an agent
// they run in parallel on its cores, each with its own value or error. With 0,
// the default, the executor chooses: it measures the time and size of items and
// the overhead of invocations, and makes chunks long enough to drown the
// overhead and short enough to keep all workers busy to the end.
func ChunkSize(n int) MapOption {
	return func(c *mapConfig) error {
		if n < 0 || n > schedule.ChunkMax {
			return fmt.Errorf("ChunkSize(%d): must be from 0 to %d", n, schedule.ChunkMax)
		}
		c.chunk = n
		return nil
	}
}

// Parallel sets how many items of an invocation run at once in an agent. The
// default is what its memory setting pays for in cores. More suits functions
// that wait, for a network or a disk, rather than compute.
func Parallel(n int) MapOption {
	return func(c *mapConfig) error {
		if n < 1 || n > schedule.ChunkMax {
			return fmt.Errorf("Parallel(%d): must be from 1 to %d", n, schedule.ChunkMax)
		}
		c.parallel = n
		return nil
	}
}

// Progress has f called with the run's [Snapshot] about ten times a second and
// once at the end, by one goroutine at a time. Package progress has renderers:
// progress.Bar(os.Stderr) is a MapOption.
func Progress(f func(Snapshot)) MapOption {
	return func(c *mapConfig) error {
		if f == nil {
			return errors.New("Progress: the function is nil")
		}
		c.progress = append(c.progress, f)
		return nil
	}
}

// Window bounds the items that are pulled from the input ahead of the consumer:
// queued, in flight, or done and not yet consumed. Memory grows with it, not
// with the input. The default keeps every worker busy with chunks of the size
// in use, or in a stream as many as this process can feed, but holds at most 131,072 items
// and 64 MiB of arguments that wait to be sent.
func Window(n int) MapOption {
	return func(c *mapConfig) error {
		if n < 1 {
			return fmt.Errorf("Window(%d): must be at least 1", n)
		}
		c.window = n
		return nil
	}
}

// ContinueOnError has a run go on after an item has failed. [Map] then returns
// a full slice, with zero values for the items that failed, and an errors.Join
// of an [ItemError] for each; streams yield every result. The default is to
// stop at the first error and cancel what is left.
func ContinueOnError() MapOption {
	return func(c *mapConfig) error {
		c.continueOnError = true
		return nil
	}
}

// A Result is one item of a stream.
type Result[R any] struct {
	Index int // position in the input, from 0
	Value R
	Err   error // nil, or an *ItemError
}

// Map calls fn for each of args and returns the results in the same order. It
// blocks until all have ended; the default is to stop at the first error, which
// is an [ItemError]. When ctx ends, so do the calls. Over zero items it returns
// an empty slice that is not nil.
func Map[A, R any](ctx context.Context, e *Executor, fn *Func[A, R], args []A, opts ...MapOption) ([]R, error) {
	m, err := newMapping[R](ctx, e, fn, opts)
	if err != nil {
		return nil, err
	}
	return m.collect(len(args), encodeEach(m.fn, slices.Values(args)))
}

// StarMap calls fn for each list of arguments and returns the results in the
// same order, as [Map] does. fn is what [Executor.Submit] takes.
func StarMap(ctx context.Context, e *Executor, fn any, argLists [][]any, opts ...MapOption) ([]any, error) {
	m, err := newMapping[any](ctx, e, fn, opts)
	if err != nil {
		return nil, err
	}
	return m.collect(len(argLists), m.fn.encodeLists(argLists))
}

// Stream calls fn for each item that it pulls from args, and yields the results
// in the input's order. It pulls lazily, within [Window], on another goroutine.
//
// An item that fails is yielded as an [ItemError] and ends the stream, unless
// [ContinueOnError] is given. Breaking out of the loop, a panic in it and the
// end of ctx stop pulling and cancel what is queued or in flight; what already
// runs on Lambda runs on there. An input that blocks at that moment is left
// alone, and stopped when it yields next.
func Stream[A, R any](ctx context.Context, e *Executor, fn *Func[A, R], args iter.Seq[A], opts ...MapOption) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		var zero R
		m, err := newMapping[R](ctx, e, fn, opts)
		if err != nil {
			yield(zero, err)
			return
		}
		for r := range m.inOrder(encodeEach(m.fn, args)) {
			if !yield(r.Value, r.Err) {
				return
			}
		}
	}
}

// StreamUnordered is [Stream] in the order in which calls end: nothing waits
// for a slow one.
func StreamUnordered[A, R any](ctx context.Context, e *Executor, fn *Func[A, R], args iter.Seq[A], opts ...MapOption) iter.Seq[Result[R]] {
	return func(yield func(Result[R]) bool) {
		m, err := newMapping[R](ctx, e, fn, opts)
		if err != nil {
			yield(Result[R]{Err: err})
			return
		}
		for r := range m.asCompleted(encodeEach(m.fn, args)) {
			if !yield(r) {
				return
			}
		}
	}
}

// encodeEach encodes items as they are pulled.
func encodeEach[A any](f *Function, args iter.Seq[A]) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		values := make([]reflect.Value, 1)
		for arg := range args {
			values[0] = reflect.ValueOf(&arg).Elem()
			if !yield(f.encodeArgs(values)) {
				return
			}
		}
	}
}

// encodeLists encodes lists of arguments as they are pulled.
func (f *Function) encodeLists(argLists [][]any) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, args := range argLists {
			values, err := f.bind(args)
			if err != nil {
				if !yield(nil, err) {
					return
				}
				continue
			}
			if !yield(f.encodeArgs(values)) {
				return
			}
		}
	}
}

// newMapping checks what a run is made of. fn is what Executor.Submit takes.
func newMapping[R any](ctx context.Context, e *Executor, fn any, opts []MapOption) (*mapping[R], error) {
	if e == nil {
		return nil, errNoExecutor()
	}
	f, err := e.registry.resolve(fn)
	if err == nil {
		err = e.check(ctx, f)
	}
	if err != nil {
		return nil, err
	}
	var cfg mapConfig
	for _, opt := range opts {
		if opt == nil {
			return nil, callError("map", f.name, ErrBadArguments, errors.New("an option is nil"), "")
		}
		if err := opt(&cfg); err != nil {
			return nil, callError("map", f.name, ErrBadArguments, err, "")
		}
	}
	if err := cfg.forMaps(); err != nil {
		return nil, callError("map", f.name, ErrBadArguments, err, "")
	}
	m := &mapping[R]{e: e, fn: f, cfg: cfg, parent: ctx, total: -1}
	if err := m.openJournal(); err != nil {
		return nil, err
	}
	return m, nil
}

// collect runs all of n items and puts the results in their places.
func (m *mapping[R]) collect(n int, args iter.Seq2[[]byte, error]) ([]R, error) {
	m.total = n
	values := make([]R, n)
	var failures []error
	for r := range m.asCompleted(args) {
		if r.Err == nil {
			values[r.Index] = r.Value
			continue
		}
		if !m.cfg.continueOnError {
			return nil, r.Err
		}
		failures = append(failures, r.Err)
	}
	slices.SortStableFunc(failures, func(a, b error) int { return itemIndex(a) - itemIndex(b) })
	return values, errors.Join(failures...)
}

func itemIndex(err error) int {
	var item *ItemError
	if errors.As(err, &item) {
		return item.Index
	}
	return -1
}
