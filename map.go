package lambdapool

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/lambdapool/lambdapool/internal/engine"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/registry"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// A MapOption configures one [Map], [StarMap], [MapResults] or stream, or one detached run. A
// bad one is the error of the run, which then begins nothing: a [PoolError] with
// [ErrBadArguments]. So is nil. Some options are for detached runs only, and some for all
// others only; the error says which.
type MapOption interface{ applyToRun(*mapConfig) error }

type mapOption func(*mapConfig) error

func (o mapOption) applyToRun(c *mapConfig) error { return o(c) }

type mapConfig struct {
	window          int  // 0: chosen
	chunk           int  // 0: chosen
	parallel        int  // 0: chosen
	total           *int // items of the input, as the caller says; nil: it does not
	continueOnError bool
	policy          engine.Policy     // what is zero, function and executor say
	rate            float64           // items a second; 0: any number
	keyRate         float64           // of one key; 0: any number
	rateKey         any               // func(A) string
	tolerance       *engine.Tolerance // nil: none
	budget          Budget
	progress        []func(engine.Snapshot)
	journal         Journal // nil: none
	detached        detachedConfig
	observers       []*engine.Observer
	logs            engine.Logs // the executor's where it is zero
}

// ChunkSize sets how many items one invocation carries at most. In an agent they run in
// parallel on its cores, each with its own value or error. It is from 0 to 10,000.
//
// With 0, the default, the executor chooses. It measures the time and size of items and the
// overhead of invocations, and makes chunks long enough to drown the overhead and short enough
// to keep all workers busy to the end. Set it where you know better: 1 for items that each need
// a whole agent, or a number for items whose time varies so much that measuring misleads.
//
// Sharing an invocation changes when an item runs, not how it ends. What the agent had no time
// or no room in its reply to begin is sent again, as no attempt. Values that are there outlive
// their neighbors' failures.
//
// An item that ends its agent's process costs the items that ran at that moment, and no other:
// see package agent on isolation. Where that is off, or the whole agent is lost, nobody knows
// which items of the invocation have run, and they fail with [ErrUnknownOutcome] unless the
// function is [Idempotent]. ChunkSize(1) bounds that.
//
// One reply carries all results of an invocation, up to the backend's limit (6 MB on Lambda).
// Where the backend has a store, larger ones go there. Without one the agent begins no item
// whose result would have no room if it were as large as the largest so far. What it cannot
// foresee are items that run at the same moment and return more than any before them, most
// likely the first of a run. Of those the largest fail with [ErrTooLarge], as few as possible,
// and an Idempotent function's run again, alone. [Parallel](1) or ChunkSize(1) excludes that.
func ChunkSize(n int) MapOption {
	return mapOption(func(c *mapConfig) error {
		if n < 0 || n > schedule.ChunkMax {
			return fmt.Errorf("ChunkSize(%d): must be from 0 to %d", n, schedule.ChunkMax)
		}
		c.chunk = n
		return nil
	})
}

// Parallel sets how many items of an invocation run at once in an agent. The default is what
// its memory setting pays for in cores. More suits functions that wait, for a network or a
// disk, rather than compute. Fewer suit functions that are parallel themselves, or that need
// much memory each. It matters only where a chunk has several items.
//
// Items that run at once share a process, and its death. Parallel(1) has it cost exactly the
// item that caused it.
func Parallel(n int) MapOption {
	return mapOption(func(c *mapConfig) error {
		if n < 1 || n > schedule.ChunkMax {
			return fmt.Errorf("Parallel(%d): must be from 1 to %d", n, schedule.ChunkMax)
		}
		c.parallel = n
		return nil
	})
}

// Progress has f called with the run's [Snapshot] about ten times a second and once at the end,
// by one goroutine at a time. It may be given several times; each f is called. Package progress
// has renderers: progress.Bar(os.Stderr) is a MapOption.
//
// f should return soon: the calls go on, but it sees fewer Snapshots. If f panics or ends its
// goroutine, that is logged, and it is called again. One that does not return within five
// seconds of the run's end is left behind. A nil f is an error of the run.
func Progress(f func(Snapshot)) MapOption {
	return mapOption(func(c *mapConfig) error {
		if f == nil {
			return errors.New("Progress: the function is nil")
		}
		c.progress = append(c.progress, func(s engine.Snapshot) { f(Snapshot(s)) })
		return nil
	})
}

// Window bounds the items that are pulled from the input ahead of the consumer: queued, in
// flight, or done and not yet consumed. Memory grows with it, not with the input. Set it where
// items or results are large, or where an input must not be read far ahead. Too small a window
// leaves workers without work.
//
// The default keeps every worker busy with chunks of the size in use, or in a stream as many as
// this process can feed. It holds at most 131,072 items and 64 MiB of arguments that wait to be
// sent.
func Window(n int) MapOption {
	return mapOption(func(c *mapConfig) error {
		if n < 1 {
			return fmt.Errorf("Window(%d): must be at least 1", n)
		}
		c.window = n
		return nil
	})
}

// ContinueOnError has a run go on after an item has failed. The default is to stop at the first
// error and cancel what is left, which is right where one failure makes the others worthless.
// Use this where items are independent.
//
// [Map] then returns a full slice, with zero values for the items that have none, and one
// error. That joins an [ItemError] for each of those, in the order of the input: those that
// failed, and when the run ended early, also those that it never took in. [ItemErrors] walks
// them. Streams yield every result. [MapResults] needs no option: it always goes on.
func ContinueOnError() MapOption {
	return mapOption(func(c *mapConfig) error {
		c.continueOnError = true
		return nil
	})
}

// Total says how many items the input of a [Stream] or [StreamUnordered] has, which [Map] knows
// of itself. It serves [Progress]: with it a [Snapshot] has a Total and an ETA from the start,
// and a bar a percentage. It changes nothing else.
//
// An input that turns out to be longer or shorter is run as it is, and the last Snapshot has
// the real number. n must not be negative, and for a Map or [StarMap] it must be the length of
// the slice.
func Total(n int) MapOption {
	return mapOption(func(c *mapConfig) error {
		if n < 0 {
			return fmt.Errorf("Total(%d): must not be negative", n)
		}
		c.total = &n
		return nil
	})
}

// A Result is what became of one item: a Value, or an Err. Value is zero where Err is set.
//
// A stream that is cut short, and not by an item, ends with a Result of Index -1, whose Err is
// a [PoolError] that says why: its context has ended, the executor is closed, it could not
// begin. So a loop should look at Err before it uses Index.
type Result[R any] struct {
	Index int // position in the input, from 0; -1: of no item
	Value R
	Err   error // nil, or an *ItemError
}

// Map calls fn for each of args and returns the results in the same order. It blocks until all
// have ended. When ctx ends, so do the calls. Use it where input and results fit in memory, and
// [Stream] where they do not. Over zero items it returns an empty slice that is not nil.
//
//	sizes, err := lambdapool.Map(ctx, pool, resize, images)
//
// The default is to stop at the first error, which is an [ItemError]; the slice is nil then.
// See [ContinueOnError] for all values and all errors, and [MapResults] for both item by item.
//
// What keeps the run as a whole from beginning is a [PoolError] that names no item: bad
// options, an executor that is closed ([ErrClosed]), a ctx that has ended ([ErrCanceled],
// [ErrTimeout]).
func Map[A, R any](ctx context.Context, e *Executor, fn *Func[A, R], args []A, opts ...MapOption) ([]R, error) {
	m, err := newMapping[R](ctx, e, fn, opts)
	if err == nil {
		err = keyedBy(m, func(i int) A { return args[i] })
	}
	if err != nil {
		return nil, err
	}
	return m.collect(len(args), registry.EncodeEach(m.fn, slices.Values(args)))
}

// StarMap calls fn for each list of arguments and returns the results in the same order, as
// [Map] does. Use it for functions of several parameters, which [RegisterFunc] registers. fn is
// what [Executor.Submit] takes: the registered function value, its name, or a [Func].
//
// Arguments are checked when their turn comes, not by the compiler. A list that does not fit is
// the failure of its item, with [ErrBadArguments].
func StarMap(ctx context.Context, e *Executor, fn any, argLists [][]any, opts ...MapOption) ([]any, error) {
	m, err := newMapping[any](ctx, e, fn, opts)
	if err == nil {
		err = keyedBy(m, func(i int) []any { return argLists[i] })
	}
	if err != nil {
		return nil, err
	}
	return m.collect(len(argLists), registry.EncodeLists(m.fn, argLists))
}

// Stream calls fn for each item that it pulls from args, and yields the results in the input's
// order. It pulls lazily, within [Window], on another goroutine. Use it for inputs that are
// large, or that are not known yet. Nothing happens before the loop begins, and each loop runs
// args anew.
//
//	for size, err := range lambdapool.Stream(ctx, pool, resize, images) { … }
//
// An item that fails is yielded as an [ItemError] and ends the stream, unless [ContinueOnError]
// is given. A slow item holds up those behind it in the output, not in the agents:
// [StreamUnordered] yields what has ended.
//
// Breaking out of the loop, a panic in it and the end of ctx stop pulling and cancel what is
// queued or in flight. What already runs on Lambda runs on there. An input that blocks at that
// moment is left alone, and stopped when it yields next. A nil args is an error.
func Stream[A, R any](ctx context.Context, e *Executor, fn *Func[A, R], args iter.Seq[A], opts ...MapOption) iter.Seq2[R, error] {
	return StreamFrom(ctx, e, fn, registry.Sure(args), opts...)
}

// StreamFrom is [Stream] of a source that can fail while it is read: a listing of a bucket, rows
// of a database, records of a file. The sources of package splits are such.
//
//	parts := splits.Stored(ctx, pool.Store(), "logs/2026/")
//	for count, err := range lambdapool.StreamFrom(ctx, pool, countErrors, parts) { … }
//
// The first error of args ends the input. What was taken in before is run and yielded; then
// comes a [PoolError] of [ErrInput], which wraps what args said. It names no item, and
// [ContinueOnError] does not pass over it: nobody knows what is missing.
func StreamFrom[A, R any](ctx context.Context, e *Executor, fn *Func[A, R], args iter.Seq2[A, error], opts ...MapOption) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		var zero R
		m, args, err := newStream(ctx, e, fn, args, opts)
		if err != nil {
			yield(zero, err)
			return
		}
		for r := range m.inOrder(registry.EncodeSource(m.fn, args)) {
			if !yield(r.Value, r.Err) {
				return
			}
		}
	}
}

// ErrInput says that the source of a run's items has failed, see [StreamFrom]. What it said is
// wrapped beside it.
var ErrInput = failure.ErrInput

// StreamUnordered is [Stream] in the order in which calls end: nothing waits for a slow one,
// and results are not kept for the sake of order. [Result].Index says which item each is of.
func StreamUnordered[A, R any](ctx context.Context, e *Executor, fn *Func[A, R], args iter.Seq[A], opts ...MapOption) iter.Seq[Result[R]] {
	return StreamUnorderedFrom(ctx, e, fn, registry.Sure(args), opts...)
}

// StreamUnorderedFrom is [StreamUnordered] of a source that can fail, as [StreamFrom] is of
// [Stream]. The result that says so has the Index -1.
func StreamUnorderedFrom[A, R any](ctx context.Context, e *Executor, fn *Func[A, R], args iter.Seq2[A, error], opts ...MapOption) iter.Seq[Result[R]] {
	return func(yield func(Result[R]) bool) {
		m, args, err := newStream(ctx, e, fn, args, opts)
		if err != nil {
			yield(Result[R]{Index: -1, Err: err})
			return
		}
		m.asCompleted(registry.EncodeSource(m.fn, args))(yield)
	}
}

// newStream is newMapping of an input that may be nil. It returns the input whose items' keys are known.
func newStream[A, R any](ctx context.Context, e *Executor, fn *Func[A, R], args iter.Seq2[A, error], opts []MapOption) (*mapping[R], iter.Seq2[A, error], error) {
	if args == nil && fn != nil {
		return nil, nil, callError("map", fn.Name(), ErrBadArguments, errors.New("the input is nil"), "slices.Values makes one of a slice")
	}
	m, err := newMapping[R](ctx, e, fn, opts)
	if err != nil || m.cfg.rateKey == nil {
		return m, args, err
	}
	var now A // the feeder's
	return m, func(yield func(A, error) bool) {
		for arg, failed := range args {
			if now = arg; !yield(arg, failed) {
				return
			}
		}
	}, keyedBy(m, func(int) A { return now })
}

// newMapping checks what a run is made of. fn is what Executor.Submit takes.
func newMapping[R any](ctx context.Context, e *Executor, fn any, opts []MapOption) (*mapping[R], error) {
	if e == nil {
		return nil, callError("map", "", ErrBadArguments, errors.New("the executor is nil"), "make one with New")
	}
	f, err := e.resolve(fn)
	if err == nil {
		err = e.check(ctx, f)
	}
	if err != nil {
		return nil, err
	}
	var cfg mapConfig
	for _, opt := range opts {
		if opt == nil {
			return nil, callError("map", f.Name(), ErrBadArguments, errors.New("an option is nil"), "leave it out")
		}
		if err := opt.applyToRun(&cfg); err != nil {
			return nil, callError("map", f.Name(), ErrBadArguments, err, "")
		}
	}
	if err := cfg.forMaps(); err != nil {
		return nil, callError("map", f.Name(), ErrBadArguments, err, "")
	}
	m := &mapping[R]{e: e, fn: f, cfg: cfg, parent: ctx, total: -1}
	m.refused = e.core.Refuses(ctx, f)
	if m.refused == nil {
		err = m.openJournal()
	}
	return m, err
}

// A Budget bounds what a run may cost. A zero field is no bound. With both, the first that is
// reached counts. See [WithBudget].
type Budget struct {
	GBSeconds float64 // memory times billed duration, in GB-seconds
	Dollars   float64 // US dollars, by the platform's table of package price
}

// ErrBudget says that the run was stopped because the next invocation might have
// exceeded its [Budget].
var ErrBudget = failure.ErrBudget

// WithBudget stops a run before it exceeds b. Use it where the cost of an item is not known
// before, or where a mistake could be dear. Without it nothing bounds what a run costs but its
// input and ctx. b must have a field that is not zero, and none that is negative.
//
// Every invocation is checked before it is sent, whatever for: also those for items that are
// tried again, for the halves of a chunk that crashed, and for duplicates of stragglers. It is
// not sent if it and those in flight could exceed b, each costing what the dearest so far has
// cost, in proportion where it carries more items. As long as others are in flight, each counts
// twice that. The run then ends with [ErrBudget]. What was in flight is waited for, paid and
// delivered.
//
// What is not known counts as the dearest possible, the function's timeout times its memory: an
// invocation whose reply was lost, a duplicate that was abandoned, and before the first answer,
// all. So a run begins with as many invocations as b pays for at that price, and with one at
// least. Where that is too few, tell the backend a timeout that fits the function, such as with
// awslambda.WithFunctionTimeout. Only an item that costs more than any before it can exceed b,
// by the difference.
//
// What functions call, see [FromContext], is paid by the run as well.
//
// A refused request costs nothing. Where the platform does not say what it charges, the time
// that the client has waited counts. Where it is known to round up (driver.Limits.Granularity),
// it is the agent's time, rounded up. Dollars are list prices, Lambda's of x86, see package price: an
// estimate, not a bill.
func WithBudget(b Budget) MapOption {
	return mapOption(func(c *mapConfig) error {
		if b.GBSeconds < 0 || b.Dollars < 0 || b == (Budget{}) || b.GBSeconds != b.GBSeconds || b.Dollars != b.Dollars {
			return fmt.Errorf("WithBudget(%+v): must be positive", b)
		}
		c.budget = b
		return nil
	})
}
