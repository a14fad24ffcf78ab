package lambdapool

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/lambdapool/lambdapool/internal/detached"
	"github.com/lambdapool/lambdapool/internal/engine"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/payload"
	"github.com/lambdapool/lambdapool/internal/registry"
	"github.com/lambdapool/lambdapool/internal/runs"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// A Run is a detached run as this process sees it. Get it from [MapDetached], or from [Attach]
// in any process that reaches the store. What the run does is recorded in the object store,
// whoever looks. It is safe for concurrent use. Close it when done with it; [Executor.Close]
// does so too. The run goes on.
//
// Choose by size: [Run.Wait] for a slice of values, [Run.Results] for runs that do not fit in
// memory, [Run.Futures] for a program that waits for single calls, [Run.Open] for results that
// are files. All of them read the store, where each look costs requests.
type Run[R any] struct {
	f     *runs.Follower
	e     *engine.Executor
	fn    *registry.Function
	m     *detached.Manifest
	store Store
	base  context.Context // ends when the run is closed

	cfg     mapConfig
	stop    context.CancelFunc
	telling chan struct{} // see engine.Reporter

	once    sync.Once // makes the futures
	futures []Future[R]
	calls   []engine.Call
	waiting sync.WaitGroup // for what is fetched for them
}

// attachTo finds the run id. find returns its function.
func attachTo[R any](ctx context.Context, e *Executor, find func(*detached.Manifest) (*registry.Function, error), id string, opts []MapOption) (*Run[R], error) {
	cfg, err := configure("attach", "", opts)
	if err == nil && (cfg.detached.name != "" || cfg.detached.startWithin > 0 || cfg.detached.retention > 0 || cfg.detached.resend || cfg.chunk > 0 || cfg.parallel > 0) {
		err = callError("attach", "", ErrBadArguments, errors.New("the run has begun: only FailOnTimeout and Progress apply"), "")
	}
	if err == nil && cfg.logs.Lines > 0 {
		err = callError("attach", "", ErrBadArguments, errors.New("WithLogs: the run has begun: its results have the lines that were asked for when it began"), "leave it out")
	}
	if err != nil {
		return nil, err
	}
	if ctx == nil {
		return nil, callError("attach", "", ErrBadArguments, errors.New("the context is nil"), "pass context.Background()")
	}
	s, err := e.runStore("attach", "")
	if err != nil {
		return nil, err
	}
	m, failed := runs.ReadManifest(ctx, s, id)
	if failed != nil {
		return nil, (*PoolError)(failed)
	}
	f, err := find(m)
	if err != nil {
		return nil, err
	}
	if failed := runs.Fits(m, f); failed != nil {
		return nil, (*PoolError)(failed)
	}
	return newRun[R](e.core, f, m, s, cfg), nil
}

func newRun[R any](e *engine.Executor, f *registry.Function, m *detached.Manifest, s Store, cfg mapConfig) *Run[R] {
	ctx, stop := context.WithCancel(e.Ground().Base) //nolint:gosec // Close calls it
	return &Run[R]{
		f: runs.NewFollower(ctx, e, f, m, s), e: e, fn: f, m: m, store: s, base: ctx,
		cfg: cfg, stop: stop, telling: make(chan struct{}, 1),
	}
}

// report returns what [Progress] is told with: sent calls while they are being sent, or -1.
func (r *Run[R]) report() func(sent int, final bool) {
	if len(r.cfg.progress) == 0 {
		return func(int, bool) {}
	}
	reporter := engine.NewReporter(r.base, r.e, r.fn, r.cfg.progress, r.telling)
	return func(sent int, final bool) { reporter.Report(r.f.Snapshot(sent, final)) }
}

// ID returns the run's name, which [Attach] takes. Keep it where another process finds it.
func (r *Run[R]) ID() string { return r.m.ID }

// Len returns how many calls the run has. It asks nobody.
func (r *Run[R]) Len() int { return r.m.Items }

// Info returns what the run is, and until when it can be written and read. It asks nobody.
func (r *Run[R]) Info() RunInfo { return infoOf(r.m, r.store) }

// Futures returns the futures of all calls, in the order of the input, finished or not. From
// the first time on, results are fetched as they are recorded, and kept. One listing of the run
// tells of all of its calls, a few times a second at most and seldom while nothing moves. There
// is a future for each of [Run.Len] calls, of some hundred bytes each: [Run.Results], which
// keeps none, suits runs of millions.
//
// Canceling such a future gives up waiting; the call goes on. See [Run.Cancel].
func (r *Run[R]) Futures() []*Future[R] {
	r.once.Do(r.promise)
	futures := make([]*Future[R], len(r.futures))
	for i := range r.futures {
		futures[i] = &r.futures[i]
	}
	return futures
}

// promise makes the futures, and has them fulfilled.
func (r *Run[R]) promise() {
	n := r.m.Items
	r.futures, r.calls = make([]Future[R], n), make([]engine.Call, n)
	for i := range r.futures {
		f := &r.futures[i]
		r.e.Await(&r.calls[i], &f.p, (*future[R])(f), r.fn)
	}
	if n == 0 {
		return
	}
	followed := r.e.UntilClosed(&r.waiting, func() {
		for o := range r.f.Outcomes(r.base, r.report()) {
			r.fulfil(o)
		}
	})
	if !followed {
		r.fulfil(runs.Outcome{Chunk: -1, Err: context.Canceled})
	}
}

// fulfil ends the futures of a chunk.
func (r *Run[R]) fulfil(o runs.Outcome) {
	if o.Chunk < 0 { // nothing more will come
		for i := range r.calls {
			r.calls[i].Lost(func() *failure.Pool { return (*failure.Pool)(r.given(o.Err)) })
		}
		return
	}
	first, end := r.m.Span(o.Chunk)
	for i := first; i < end; i++ {
		reply := engine.Reply{Err: o.Err}
		if o.Err == nil {
			reply = o.Replies[i-first]
		}
		r.calls[i].Arrived(reply, engine.CallStats{
			Attempts: 1, Received: o.Size, Run: o.Agent.Run,
			ColdStart: o.Agent.Cold, MemoryPeak: o.Agent.PeakMemory, RequestID: o.Agent.RequestID,
		})
	}
}

// given is the error of calls whose results nobody here will hear of.
func (r *Run[R]) given(err error) *PoolError {
	hint := fmt.Sprintf("the run goes on: attach to %s again", r.m.ID)
	var known *InvokeError
	if errors.As(err, &known) {
		e := runFailure("follow run of", r.fn.Name(), known)
		if e.Hint != "" {
			hint = e.Hint + "; " + hint
		}
		e.Hint, e.Outcome = hint, OutcomeUnknown
		return e
	}
	e := callError("follow run of", r.fn.Name(), ErrCanceled, ErrClosed, hint)
	e.Outcome = OutcomeUnknown
	return e
}

// Results yields what became of each call, as it ends, and keeps nothing: a run of any size
// takes the memory of a few dozen invocations' results. Within an invocation the calls come in
// the order of the input. It blocks between them, and breaking out of the loop is fine. Each
// loop begins anew, with all calls.
//
// It ends when all have ended, or with a result whose Index is -1 and whose Err says why no
// more will come: ctx has ended, the run or its executor was closed, the store refuses to be
// read, or with [FailOnTimeout] a call was not finished in time. A call that failed is a result
// with an [ItemError], and ends nothing.
func (r *Run[R]) Results(ctx context.Context) iter.Seq[Result[R]] {
	return r.results(ctx, func(yield func(runs.Outcome) bool) { r.f.Outcomes(ctx, r.report())(yield) })
}

// results yields those of what became of chunks.
func (r *Run[R]) results(ctx context.Context, outcomes iter.Seq[runs.Outcome]) iter.Seq[Result[R]] {
	return func(yield func(Result[R]) bool) {
		if ctx == nil {
			yield(Result[R]{Index: -1, Err: callError("wait for run of", r.fn.Name(), ErrBadArguments, errors.New("the context is nil"), "pass context.Background()")})
			return
		}
		for o := range outcomes {
			if o.Chunk < 0 {
				yield(Result[R]{Index: -1, Err: r.ended(ctx, o.Err)})
				return
			}
			first, end := r.m.Span(o.Chunk)
			for i := first; i < end; i++ {
				result := r.result(i, o, i-first)
				if r.cfg.detached.failOnTimeout && notFinished(result.Err) {
					yield(Result[R]{Index: -1, Err: result.Err})
					return
				}
				if !yield(result) {
					return
				}
			}
		}
	}
}

// result decodes that of call i, at place k of its chunk.
func (r *Run[R]) result(i int, o runs.Outcome, k int) Result[R] {
	result := Result[R]{Index: i}
	err := o.Err
	if err == nil {
		err = o.Replies[k].Err
	}
	if err != nil {
		err = engine.Final(r.fn, err, schedule.Again, false)
	} else {
		err = decodeContained(r.base, &result.Value, r.fn, o.Replies[k].Value, o.Replies[k].Own)
	}
	if err != nil {
		result.Err = &ItemError{Index: i, Err: r.public(err)}
	}
	return result
}

// public returns what programs see of a failure.
func (r *Run[R]) public(err error) error { return public(r.fn, r.e.Ground().Registry, err) }

// ended is why nobody waits any longer.
func (r *Run[R]) ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		kind, cause := failure.Context(ctx)
		e := callError("wait for run of", r.fn.Name(), kind, cause, "the run goes on: attach to "+r.m.ID+" again")
		e.Outcome = OutcomeUnknown
		return e
	}
	return r.given(err)
}

// notFinished reports whether a call was not finished in time.
func notFinished(err error) bool {
	pool := poolErrorOf(err) // a function may say so of a call of its own
	return pool != nil && (errors.Is(pool, ErrTimeout) || errors.Is(pool, ErrExpired) || errors.Is(pool, ErrUnknownOutcome))
}

// Wait waits for all calls and returns their values in the order of the input. Calls that
// failed have a zero value there and an [ItemError] in the error, which joins them: see
// [ItemErrors]. It keeps all results in memory; [Run.Results] does not.
//
// When ctx ends first, calls that have not ended fail with it, and the others' values are
// there: partial results. With [FailOnTimeout], the first call that was not finished in time,
// and ctx, end the wait with no values. So does ctx where it leaves more than a million calls
// open.
func (r *Run[R]) Wait(ctx context.Context) ([]R, error) {
	var got []Result[R] // no more than there are results of: how many calls there are is what the manifest claims
	for result := range r.Results(ctx) {
		if result.Index >= 0 {
			got = append(got, result)
			continue
		}
		if r.cfg.detached.failOnTimeout || r.m.Items-len(got) > waitOpen {
			return nil, result.Err
		}
		return r.collect(got, result.Err)
	}
	return r.collect(got, nil)
}

// waitOpen is how many calls without a result Wait names one by one.
const waitOpen = 1 << 20

// collect brings results into the order of the input. Calls without one have failed with open.
func (r *Run[R]) collect(got []Result[R], open error) ([]R, error) {
	values, failures := make([]R, r.m.Items), make([]error, r.m.Items)
	ended := make([]bool, r.m.Items)
	for i := range got {
		n := got[i].Index
		values[n], failures[n], ended[n] = got[i].Value, got[i].Err, true
	}
	for i := range ended {
		if !ended[i] {
			failures[i] = &ItemError{Index: i, Err: open}
		}
	}
	return values, joinItems(failures)
}

// Cancel ends the calls that no agent has begun, with [ErrCanceled], for everybody who is
// attached to the run. No agent will begin them any more, although the platform still delivers
// them. Calls that run are left alone: nothing on Lambda stops them.
//
// It returns how many calls it ended, and blocks for as long as a few requests to the store for
// each take. After an error some are canceled and others not; it may be called again.
func (r *Run[R]) Cancel(ctx context.Context) (canceled int, err error) {
	n, err := r.f.CancelQueued(ctx)
	if err != nil {
		return n, runFailure("cancel run of", r.fn.Name(), payload.Failure(fmt.Sprintf("after %d calls", n), OutcomeUnknown, err))
	}
	return n, nil
}

// Close stops following the run. Futures that are not done end with [ErrCanceled] and
// [ErrClosed]; the run goes on, and [Attach] finds it again. It blocks until nothing more is
// fetched, returns nil, and may be called repeatedly.
func (r *Run[R]) Close() error {
	r.stop()
	r.waiting.Wait()
	return nil
}

// runFailure turns what a backend or a store said into the error that a caller sees.
func runFailure(op, name string, err *InvokeError) *PoolError {
	return (*PoolError)(failure.Invoke(op, name, err))
}

// InOrder is [Run.Results] in the order of the input: of what ends out of turn no more than a few
// dozen invocations' results are fetched ahead.
func (r *Run[R]) InOrder(ctx context.Context) iter.Seq[Result[R]] {
	return r.results(ctx, func(yield func(runs.Outcome) bool) { r.f.InOrder(ctx, r.report(), yield) })
}

// Recorded yields in the order of the input what has become of the calls that have ended, and
// waits for no other: one listing, and the results it shows. It ends as [Run.Results] does when it
// cannot go on.
func (r *Run[R]) Recorded(ctx context.Context) iter.Seq[Result[R]] {
	return r.results(ctx, func(yield func(runs.Outcome) bool) { r.f.Recorded(ctx, yield) })
}
