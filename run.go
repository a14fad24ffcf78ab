package lambdapool

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool/internal/detached"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// A Run is a detached run as this process sees it. What the run does is recorded in the
// object store, whoever looks. It is safe for concurrent use. Close it when done with
// it; [Executor.Close] does so too. The run goes on.
type Run[R any] struct {
	*follower

	cfg     mapConfig
	stop    context.CancelFunc
	telling chan struct{} // see reporter

	once    sync.Once // makes the futures
	futures []Future[R]
	calls   []call
	waiting sync.WaitGroup // for what is fetched for them
}

// attachTo finds the run id. find returns its function.
func attachTo[R any](ctx context.Context, e *Executor, find func(*detached.Manifest) (*Function, error), id string, opts []MapOption) (*Run[R], error) {
	cfg, err := configure("attach", "", opts)
	if err == nil && (cfg.detached.name != "" || cfg.detached.startWithin > 0 || cfg.detached.retention > 0 || cfg.detached.resend || cfg.chunk > 0 || cfg.parallel > 0) {
		err = callError("attach", "", ErrBadArguments, errors.New("the run has begun: only FailOnTimeout and Progress apply"), "")
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
	m, err := e.manifest(ctx, s, id)
	if err != nil {
		return nil, err
	}
	f, err := find(m)
	if err != nil {
		return nil, err
	}
	switch {
	case f.name != m.Func:
		err = fmt.Errorf("run %s is of %s, not of %s", m.ID, m.Func, f.name)
	case f.fingerprint != m.Fingerprint:
		theirs, mine := m.Shape, f.shape
		if theirs == mine {
			theirs, mine = m.Signature, f.signature
		}
		err = fmt.Errorf("%s: client %s, run %s", f.name, mine, theirs)
	}
	if err != nil {
		return nil, callError("attach", f.name, ErrVersionMismatch, err, "attach with the program that started the run")
	}
	return newRun[R](e, f, m, s, cfg), nil
}

func newRun[R any](e *Executor, f *Function, m *detached.Manifest, s Store, cfg mapConfig) *Run[R] {
	ctx, stop := context.WithCancel(e.base) //nolint:gosec // Close calls it
	return &Run[R]{follower: newFollower(ctx, e, f, m, s), cfg: cfg, stop: stop, telling: make(chan struct{}, 1)}
}

// report returns what [Progress] is told with: sent calls while they are being sent, or -1.
func (r *Run[R]) report() func(sent int, final bool) {
	if len(r.cfg.progress) == 0 {
		return func(int, bool) {}
	}
	reporter := newReporter(r.e, r.fn.name, r.cfg.progress, r.telling)
	return func(sent int, final bool) {
		r.mu.Lock()
		counts := r.counts
		r.mu.Unlock()
		s := Snapshot{
			Func: r.fn.name, Total: r.m.Items, Items: r.m.Items, Done: counts.done, Failed: counts.failed,
			Running: counts.running, Queued: counts.queued, Invocations: r.m.Chunks(), Final: final,
		}
		if sent >= 0 {
			s.Items = min(sent, r.m.Items)
			s.Queued, s.Invocations = s.Items, (s.Items+r.m.Chunk-1)/r.m.Chunk
		}
		reporter.report(s)
	}
}

// ID returns the run's name, which [Attach] takes.
func (r *Run[R]) ID() string { return r.m.ID }

// Len returns how many calls the run has.
func (r *Run[R]) Len() int { return r.m.Items }

// Info returns what the run is, and until when it can be written and read.
func (r *Run[R]) Info() RunInfo { return infoOf(r.m) }

// Futures returns the futures of all calls, in the order of the input, finished or not. From
// the first time on, results are fetched as they are recorded, and kept; [Run.Results] keeps
// none. One listing of the run tells of all of its calls, a few times a second at most
// and seldom while nothing moves.
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
	r.futures, r.calls = make([]Future[R], n), make([]call, n)
	now := time.Now()
	for i := range r.futures {
		f, c := &r.futures[i], &r.calls[i]
		*c = call{promise: &f.promise, sink: f, accepted: now, detached: true, mayHaveRun: true}
		f.exec, f.fn, f.call = r.e, r.fn, c
	}
	if n == 0 {
		return
	}
	r.e.mu.Lock()
	closed := r.e.aborted
	if !closed { // or Close might not wait for it
		r.e.following.Add(1)
	}
	r.e.mu.Unlock()
	if closed {
		r.fulfil(outcome{chunk: -1, err: context.Canceled})
		return
	}
	r.waiting.Go(func() {
		defer r.e.following.Done()
		for o := range r.outcomes(r.base, r.report()) {
			r.fulfil(o)
		}
	})
}

// fulfil ends the futures of a chunk.
func (r *Run[R]) fulfil(o outcome) {
	if o.chunk < 0 { // nothing more will come
		for i := range r.futures {
			c := &r.calls[i]
			if c.claim() {
				c.complete(r.given(o.err))
			}
		}
		return
	}
	first, end := r.m.Span(o.chunk)
	for i := first; i < end; i++ {
		c := &r.calls[i]
		reply := itemReply{err: o.err}
		if o.err == nil {
			reply = o.replies[i-first]
		}
		c.mu.Lock()
		if !c.done {
			stats := c.measured()
			stats.Attempts, stats.Received, stats.Run = 1, o.size, o.agent.Run
			stats.ColdStart, stats.MemoryPeak, stats.RequestID = o.agent.Cold, o.agent.PeakMemory, o.agent.RequestID
		}
		c.mu.Unlock()
		if reply.err != nil {
			reply.err = c.finalError(reply.err, schedule.Again)
		}
		c.finish(reply.value, reply.own, reply.err)
	}
}

// given is the error of calls whose results nobody here will hear of.
func (r *Run[R]) given(err error) *PoolError {
	hint := fmt.Sprintf("the run goes on: attach to %s again", r.m.ID)
	var known *InvokeError
	if errors.As(err, &known) {
		e := runFailure("follow run of", r.fn.name, known)
		if e.Hint != "" {
			hint = e.Hint + "; " + hint
		}
		e.Hint, e.Outcome = hint, OutcomeUnknown
		return e
	}
	e := callError("follow run of", r.fn.name, ErrCanceled, ErrClosed, hint)
	e.Outcome = OutcomeUnknown
	return e
}

// Results yields what became of each call, as it ends, and keeps nothing: a run of any size
// takes the memory of a few dozen invocations' results. Within an invocation the calls
// come in the order of the input. It ends when all have ended, or with a result whose Index is
// -1 and whose Err says why no more will come: ctx has ended, the run or its executor was closed, the
// store refuses to be read, or with [FailOnTimeout] a call was not finished in time.
func (r *Run[R]) Results(ctx context.Context) iter.Seq[Result[R]] {
	return r.results(ctx, func(yield func(outcome) bool) { r.outcomes(ctx, r.report())(yield) })
}

// results yields those of what became of chunks.
func (r *Run[R]) results(ctx context.Context, outcomes iter.Seq[outcome]) iter.Seq[Result[R]] {
	return func(yield func(Result[R]) bool) {
		if ctx == nil {
			yield(Result[R]{Index: -1, Err: callError("wait for run of", r.fn.name, ErrBadArguments, errors.New("the context is nil"), "pass context.Background()")})
			return
		}
		for o := range outcomes {
			if o.chunk < 0 {
				yield(Result[R]{Index: -1, Err: r.ended(ctx, o.err)})
				return
			}
			first, end := r.m.Span(o.chunk)
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
func (r *Run[R]) result(i int, o outcome, k int) Result[R] {
	result := Result[R]{Index: i}
	err := o.err
	if err == nil {
		err = o.replies[k].err
	}
	if err != nil {
		c := call{promise: &promise{exec: r.e, fn: r.fn}}
		err = c.finalError(err, schedule.Again)
	} else {
		err = decodeContained(&result.Value, r.fn, o.replies[k].value, o.replies[k].own)
	}
	if err != nil {
		result.Err = &ItemError{Index: i, Err: err}
	}
	return result
}

// ended is why nobody waits any longer.
func (r *Run[R]) ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		kind, cause := contextKind(ctx)
		e := callError("wait for run of", r.fn.name, kind, cause, "the run goes on: attach to "+r.m.ID+" again")
		e.Outcome = OutcomeUnknown
		return e
	}
	return r.given(err)
}

// notFinished reports whether a call was not finished in time.
func notFinished(err error) bool {
	return errors.Is(err, ErrTimeout) || errors.Is(err, ErrExpired) || errors.Is(err, ErrUnknownOutcome)
}

// Wait waits for all calls and returns their values in the order of the input. Calls that
// failed have a zero value there and an [ItemError] in the error, which joins them. When ctx ends
// first, calls that have not ended fail with it, and the others' values are there: partial
// results. With [FailOnTimeout], the first call that was not finished in time, and ctx, end the wait
// with no values.
func (r *Run[R]) Wait(ctx context.Context) ([]R, error) {
	values, ended := make([]R, r.m.Items), make([]bool, r.m.Items)
	failures := make([]error, r.m.Items)
	for result := range r.Results(ctx) {
		if result.Index >= 0 {
			values[result.Index], failures[result.Index], ended[result.Index] = result.Value, result.Err, true
			continue
		}
		if r.cfg.detached.failOnTimeout {
			return nil, result.Err
		}
		for i := range ended {
			if !ended[i] {
				failures[i] = &ItemError{Index: i, Err: result.Err}
			}
		}
	}
	return values, errors.Join(failures...)
}

// Cancel ends the calls that no agent has begun, with [ErrCanceled], for everybody who is
// attached to the run; no agent will begin them any more. Calls that run are left alone:
// nothing on Lambda stops them. It returns how many calls it ended, and blocks for as
// long as a few requests to the store for each take.
func (r *Run[R]) Cancel(ctx context.Context) (canceled int, err error) {
	n, err := r.cancelQueued(ctx)
	if err != nil {
		return n, runFailure("cancel run of", r.fn.name, storeFailure(fmt.Sprintf("after %d calls", n), OutcomeUnknown, err))
	}
	return n, nil
}

// Close stops following the run. Futures that are not done end with [ErrCanceled] and
// [ErrClosed]; the run goes on. It blocks until nothing more is fetched, returns nil, and may be called
// repeatedly.
func (r *Run[R]) Close() error {
	r.stop()
	r.waiting.Wait()
	return nil
}
