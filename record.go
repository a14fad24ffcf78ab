package lambdapool

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/lambdapool/lambdapool/internal/engine"
	"github.com/lambdapool/lambdapool/internal/nested"
	"github.com/lambdapool/lambdapool/internal/quick"
)

// A Record is one invocation, from the queue to its answer. Times are the client's; durations
// marked so are the agent's or the platform's. A call that is tried again has a Record for each
// attempt. What was not measured, or not said, is zero.
type Record struct {
	ID        string // of the invocation
	Root      string // ID of the one at the top, whose functions have called it; "" of one that no function has
	Func      string // the registered name
	Items     int    // calls that it carried
	Attempt   int    // 1 for the first of these calls
	Hedge     bool   // a duplicate of a slow invocation
	Won       bool   // its answer was used
	Instance  string // names the agent process
	RequestID string // the platform's
	Version   string // of the Lambda function

	Queued   time.Time // the first of its calls was accepted
	Sent     time.Time
	Received time.Time // the answer, or the news that there is none

	Cold       bool
	Init       time.Duration // agent: process start to first invocation
	Run        time.Duration // agent: decode, run and encode
	CPU        time.Duration // agent
	Billed     time.Duration // platform
	Memory     int64         // bytes, as configured
	MemoryPeak int64         // bytes
	BytesOut   int           // request payload
	BytesIn    int           // reply payload
	Cost       float64       // US dollars, by the platform's table of package price; 0 where no time was charged

	Outcome  Outcome
	Failed   int    // calls of it that ended in an error, or will be sent again
	Throttle string // the platform's reason, where it refused the request
	Err      string // why there is no answer; "" when there is

	// Errors are what calls of an answered invocation ended in, or would have if they were not sent again: a
	// [FunctionError], or what the pool says. In a run each is in an [ItemError]. Calls that no agent has begun
	// have none.
	Errors []error

	PerGBSecond float64 // US dollars for a second of a GiB and its processors, and
	PerRequest  float64 // for a request; both zero: the backend names no prices
}

// A Recorder takes a [Record] of every invocation. Package report has one that makes a page, a
// trace or JSON of them. Write one to feed metrics.
//
// Record is called by the executor's goroutines, concurrently. It must not block: the call is
// held up for five seconds, and nothing more is recorded until Record has returned. If it
// panics or ends its goroutine, that is logged, and the call has its result.
type Recorder interface {
	Record(Record)
}

// WithRecorder has every invocation recorded. An executor has one Recorder at most, and a
// Recorder may serve several executors. The default is none, which costs nothing. Nil is an
// error. [WithObserver] hears of more than invocations.
func WithRecorder(r Recorder) Option {
	return option(func(c *config) error {
		if r == nil {
			return errors.New("WithRecorder: the recorder is nil")
		}
		c.observers = engine.Observe(c.observers, &engine.Observer{
			Key: (*Recorder)(nil), Of: r, What: "Recorder.Record", // one key for all: the last one counts
			InvocationEnd: func(_ context.Context, told engine.Ended, _ error) { r.Record(recordOf(told)) },
		})
		return nil
	})
}

// recordOf is what the program hears of an invocation: with errors of this package.
func recordOf(told engine.Ended) Record {
	r := Record(told.Record)
	r.Errors = nil // the other observers have them, too
	for _, err := range told.Record.Errors {
		r.Errors = append(r.Errors, public(told.Fn, told.Known, err))
	}
	return r
}

// An Observer hears what an executor does while it does it: for traces, metrics, a page. Set the
// functions that you want; those that are nil cost nothing. Package contrib/otel has one for
// OpenTelemetry. Where a [Record] of each invocation is enough, a [Recorder] is simpler.
//
// A function whose name ends in Start returns the context that what has begun goes on with: the one
// it got, with values added. The matching End gets it, and so does what happens within: a run's
// context comes to its invocations, and that of a call made with [Submit] to the call's. Only its
// values count. Nobody looks at its end, and nil is as good as the context that was given. With
// several observers, each adds to the context of those before.
//
// The functions are called by the executor's goroutines, concurrently. They must not block: what
// they are told of is held up for five seconds, and the Observer hears nothing more until the
// function has returned. So an End may come without its Start, and the other way round. One that
// panics or ends its goroutine is logged. No call fails by it. All that they are given are copies.
type Observer struct {
	// Opened is called by [New], and Closed by [Executor.Close] once nothing runs. They are not
	// called of an Observer of one run. [Executor.Stats] may be asked in between, as often as you like.
	Opened func(e *Executor)
	Closed func(e *Executor)

	// RunStart is called when a [Map] or a stream begins, and RunEnd when it has ended, of every one
	// that could begin. err is why it ended early: an [ItemError], or a [PoolError] of no item. It is
	// nil where all items have ended, however many failed.
	RunStart func(ctx context.Context, r RunEvent) context.Context
	RunEnd   func(ctx context.Context, r RunEvent, err error)

	// CallStart is called when [Submit] accepts a call, and CallEnd before anyone sees how it ended.
	// Items of runs are no such calls.
	CallStart func(ctx context.Context, fn string) context.Context
	CallEnd   func(ctx context.Context, fn string, stats CallStats, err error)

	// InvocationStart is called before a request is sent, with what is known then: ID to BytesOut's
	// place in [Record], without the answer. InvocationEnd gets all, and why there is no value, if so.
	// It is also told of those that a Recorder does not hear of: of what was given up since another
	// answer was first or its call was canceled, and of what could not be sent. Each attempt is an
	// invocation of its own.
	InvocationStart func(ctx context.Context, r Record) context.Context
	InvocationEnd   func(ctx context.Context, r Record, err error)

	// Failed is told of the items of a run that have failed for good, those of an invocation
	// together. A [FunctionError] or [PoolError] is in each. Those that ended because the run did
	// are left out: they are Canceled in [Snapshot]. What fails of single calls comes to CallEnd.
	Failed func(ctx context.Context, fn string, items []*ItemError)
}

// A RunEvent is a run as an [Observer] hears of it.
type RunEvent struct {
	Executor *Executor
	Func     string // the registered name
	Total    int    // items in the input; -1: not known
	Budget   Budget // zero: none

	// Snapshot returns how far the run has come, and after its end the last one. It may be called at
	// any time, concurrently, and does not block. Who keeps it keeps the run's memory: keep the last
	// Snapshot instead.
	Snapshot func() Snapshot
}

// WithObserver has o told of what all runs and calls of an [Executor] do, or of one run and its
// invocations. It may be given several times. The same o is told once, also where both the
// executor and the run have it. Nil, or one without functions, is an error. The default is none, which costs nothing.
//
// A detached run refuses it, since no executor hears of its invocations; what an executor's observers hear has none
// of them. See [Run.State].
func WithObserver(o *Observer) CallOption {
	return withObserver(o, false)
}

// withObserver is WithObserver. atOnce says that o's functions return at once.
func withObserver(o *Observer, atOnce bool) CallOption {
	below, err := observerOf(o)
	below.Quick = atOnce
	return callOption{
		func(c *config) error {
			c.observers = engine.Observe(c.observers, below)
			return err
		},
		func(c *mapConfig) error {
			c.observers = engine.Observe(c.observers, below)
			return err
		},
	}
}

var _ = quick.Provide(func(o any) any { return withObserver(o.(*Observer), true) })

// observerOf is o as the engine knows it, without the types of this package.
func observerOf(o *Observer) (*engine.Observer, error) {
	if o == nil || reflect.ValueOf(*o).IsZero() {
		return &engine.Observer{Key: o}, errors.New("WithObserver: the observer is nil, or has no functions: set those that you want")
	}
	own := *o // what is written to it later is not ours
	run := func(r any) RunEvent { return r.(RunEvent) }
	record := func(r engine.Record) Record { return Record(r) }
	below := &engine.Observer{
		Key: o, Every: true,
		Opened: engine.Told(own.Opened), Closed: engine.Told(own.Closed),
		RunStart: engine.Start(own.RunStart, run), RunEnd: engine.End(own.RunEnd, run),
		CallStart:       own.CallStart,
		InvocationStart: engine.Start(own.InvocationStart, record), InvocationEnd: engine.End(own.InvocationEnd, recordOf),
	}
	if own.CallEnd != nil {
		below.CallEnd = func(ctx context.Context, fn string, s engine.CallStats, err error) {
			own.CallEnd(ctx, fn, CallStats(s), err)
		}
	}
	if own.Failed != nil {
		below.Failed = func(ctx context.Context, fn string, items any) { own.Failed(ctx, fn, items.([]*ItemError)) }
	}
	return below, nil
}

// WithTraceParent returns ctx with a traceparent of W3C Trace Context. It travels with the calls and
// runs that are begun with ctx, and their functions find it with [TraceParent]. That is how the span
// of a function joins the trace of its caller. Package contrib/otel does it by itself; use this where
// the trace comes from somewhere else. Anything but a traceparent leaves ctx as it is.
func WithTraceParent(ctx context.Context, traceparent string) context.Context {
	return nested.WithTrace(ctx, traceparent)
}

// TraceParent returns the traceparent in ctx, or "". In a function it is that of the invocation, with
// or without a library for traces in the agent.
func TraceParent(ctx context.Context) string { return nested.Trace(ctx) }
