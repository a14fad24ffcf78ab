package lambdapool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

// An Executor runs calls of registered functions on a [Backend]. It owns every
// policy: how many at once, when to try again, when to slow down, when to give
// up. It is safe for concurrent use. Close it when done; its backend stays
// open, since several executors may share one.
type Executor struct {
	backend  Backend
	limits   Limits
	registry *Registry
	logger   *slog.Logger
	recorder Recorder
	retry    retrier
	timeout  time.Duration
	workers  int           // as WithWorkers says, at least 1
	inline   *sync.Mutex   // set with WithWorkers(0): holds calls in order
	prefix   string        // of invocation ids
	sequence atomic.Uint64 // of invocation ids
	random   func() float64
	payloads *payloads

	base context.Context // of every attempt and detached run; ends with Close
	stop context.CancelFunc

	following sync.WaitGroup // what delivers the results of detached runs, and callbacks

	mu        sync.Mutex // guards the rest
	limiter   *schedule.Limiter
	ready     readyQueue
	later     delayQueue // calls that wait for their next attempt
	expiring  delayQueue // calls that WithTimeout ends
	live      liveList   // calls that have not ended
	waiting   int        // items of runs that are in no call
	hedges    hedges
	groups    map[<-chan struct{}]*ctxGroup
	alarm     *time.Timer
	alarmAt   time.Time     // zero: not set
	busy      int           // goroutines that run attempts
	callbacks int           // goroutines that run callbacks
	closed    bool          // no new calls
	aborted   bool          // no new attempts either
	idle      chan struct{} // closed when the last of a closed executor is done
	stats     Stats
}

// New returns an executor on b. It sends nothing; a backend that is not
// reachable shows in the first call. The error is a [PoolError] with
// [ErrBadArguments] that names the option at fault.
func New(b Backend, opts ...Option) (*Executor, error) {
	if b == nil {
		return nil, callError("new executor", "", ErrBadArguments, errors.New("the backend is nil"),
			"open one with local.New, inproc.New, awslambda.New or backend.Open")
	}
	if faulty, ok := b.(interface{ Err() error }); ok && faulty.Err() != nil {
		return nil, callError("new executor", "", ErrBadArguments, faulty.Err(), "")
	}
	cfg := config{workers: -1, registry: DefaultRegistry, logger: slog.Default()}
	for _, opt := range opts {
		if opt == nil {
			return nil, callError("new executor", "", ErrBadArguments, errors.New("an option is nil"), "")
		}
		if err := opt(&cfg); err != nil {
			return nil, callError("new executor", "", ErrBadArguments, err, "")
		}
	}
	limits := b.Limits()
	e := &Executor{
		backend:  b,
		limits:   limits,
		registry: cfg.registry,
		logger:   cfg.logger,
		recorder: cfg.recorder,
		retry:    newRetrier(cfg.retry),
		timeout:  cfg.timeout,
		workers:  cfg.workers,
		prefix:   newPrefix(),
		random:   rand.Float64,
		groups:   map[<-chan struct{}]*ctxGroup{},
		idle:     make(chan struct{}),
	}
	e.payloads = newPayloads(b, limits, e.prefix, !cfg.verbatim, cfg.logger)
	e.hedges = hedges{policy: cfg.hedging, hedgers: map[*Function]*schedule.Hedger{}}
	switch {
	case e.workers == 0:
		e.inline = new(sync.Mutex)
		e.workers = 1
	case e.workers < 0:
		e.workers = cmp.Or(limits.Workers, 1)
	}
	e.limiter = schedule.NewLimiter(e.workers, schedule.Law{Burst: limits.Burst, Ramp: limits.Ramp, Rate: limits.Rate})
	e.base, e.stop = context.WithCancel(context.Background())
	return e, nil
}

// Submit calls fn with args and returns at once with a [Future]. fn is a
// [Func], a registered function value, or its name. Arguments are checked
// against the registration and encoded before Submit returns, so the caller
// may reuse them; numbers convert to the parameter's type when nothing is lost.
//
// ctx covers the whole call: when it ends, so does the call. Submit never
// panics on the caller's mistake; the Future has failed with a [PoolError]
// then: [ErrNotRegistered], [ErrBadArguments], [ErrEncode], [ErrClosed],
// [ErrCanceled] or [ErrTimeout]. It blocks only under WithWorkers(0).
func (e *Executor) Submit(ctx context.Context, fn any, args ...any) *Future[any] {
	f := new(Future[any])
	if e == nil {
		f.fail(errNoExecutor())
		return f
	}
	function, data, err := e.prepare(ctx, fn, args)
	e.accept(&f.promise, f, ctx, function, data, err)
	return f
}

// Submit is the typed form of [Executor.Submit]: the compiler checks argument
// and result.
func Submit[A, R any](ctx context.Context, e *Executor, fn *Func[A, R], arg A) *Future[R] {
	f := new(Future[R])
	if e == nil {
		f.fail(errNoExecutor())
		return f
	}
	function, err := e.registry.own(fn.registered())
	if err == nil {
		err = e.check(ctx, function)
	}
	var data []byte
	if err == nil {
		data, err = function.encodeArgs([]reflect.Value{reflect.ValueOf(&arg).Elem()})
	}
	e.accept(&f.promise, f, ctx, function, data, err)
	return f
}

// Call submits and waits: fn's result, or the call's error. It blocks until
// the call ends; when ctx ends, so does the call.
func Call[A, R any](ctx context.Context, e *Executor, fn *Func[A, R], arg A) (R, error) {
	return Submit(ctx, e, fn, arg).Result(context.Background())
}

// check says whether f may be called with ctx.
func (e *Executor) check(ctx context.Context, f *Function) error {
	if ctx == nil {
		return callError("submit", f.name, ErrBadArguments, errors.New("the context is nil"), "pass context.Background()")
	}
	return nil
}

func errNoExecutor() error {
	return callError("submit", "", ErrBadArguments, errors.New("the executor is nil"), "make one with New")
}

// prepare resolves and encodes a dynamic call.
func (e *Executor) prepare(ctx context.Context, fn any, args []any) (*Function, []byte, error) {
	f, err := e.registry.resolve(fn)
	if err != nil {
		return nil, nil, err
	}
	if err := e.check(ctx, f); err != nil {
		return f, nil, err
	}
	values, err := f.bind(args)
	if err != nil {
		return f, nil, err
	}
	data, err := f.encodeArgs(values)
	return f, data, err
}

// accept takes a call in, or fails it with err or what else stands against it.
func (e *Executor) accept(p *promise, to sink, ctx context.Context, f *Function, args []byte, err error) {
	p.exec, p.fn = e, f
	if err == nil && ctx.Err() != nil {
		kind, cause := contextKind(ctx)
		err = callError("submit", f.name, kind, cause, "")
	}
	if err != nil {
		p.fail(err)
		return
	}
	c := &call{promise: p, sink: to, args: args, accepted: time.Now()}
	p.call = c
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		p.fail(callError("submit", f.name, ErrClosed, nil, "the executor was shut down or closed"))
		return
	}
	e.stats.Submitted++
	e.admit(c, ctx)
	if e.inline != nil {
		e.mu.Unlock()
		e.runInline(c)
		return
	}
	e.ready.calls.push(c)
	e.dispatch()
	e.mu.Unlock()
}

// admit makes c a live call, bounded by ctx and WithTimeout. e.mu is held.
func (e *Executor) admit(c *call, ctx context.Context) {
	e.live.add(c)
	if e.timeout > 0 {
		c.due = c.accepted.Add(e.timeout)
		e.expiring.push(c, c.due, e.live.n)
		e.wake(c.due)
	}
	if at, ok := ctx.Deadline(); ok && (c.due.IsZero() || at.Before(c.due)) {
		c.due = at
	}
	e.join(c, ctx)
}

// forget takes an ended call out of every list.
func (e *Executor) forget(c *call) {
	if c.detached {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.live.remove(c)
	e.leave(c)
	for _, inv := range c.flights {
		inv.cancel()
	}
	e.payloads.discard(&c.parcel)
	e.settleIdle()
}

// settleIdle tells Shutdown and Close when nothing is left. e.mu is held.
func (e *Executor) settleIdle() {
	if e.closed && e.live.n == 0 && e.waiting == 0 && e.busy == 0 && e.callbacks == 0 {
		select {
		case <-e.idle:
		default:
			close(e.idle)
		}
	}
}

// Shutdown refuses new calls and waits for those accepted, and for their
// callbacks. When ctx ends first, it returns a [PoolError] that wraps
// ctx.Err(), and the calls go on; Close ends them. Safe to call repeatedly.
func (e *Executor) Shutdown(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	e.settleIdle()
	e.mu.Unlock()
	select {
	case <-e.idle:
		return nil
	default:
	}
	select {
	case <-e.idle:
		return nil
	case <-ctx.Done():
		kind, cause := contextKind(ctx)
		stats := e.Stats()
		err := callError("shutdown", "", kind, cause,
			fmt.Sprintf("%d calls are left; Close cancels them", stats.Queued+stats.Running))
		err.Outcome = OutcomeUnknown
		return err
	}
}

// Close refuses new calls, ends those left with [ErrCanceled] (which also match
// [ErrClosed]) and waits until nothing of the executor runs. The backend stays
// open. It returns nil, and may be called repeatedly.
func (e *Executor) Close() error {
	e.mu.Lock()
	e.closed, e.aborted = true, true
	calls := claimed(e.live.all())
	lanes := append([]*lane(nil), e.ready.lanes...)
	e.settleIdle()
	e.mu.Unlock()
	for _, l := range lanes {
		l.stop(callError("call", l.fn.name, ErrCanceled, ErrClosed, ""))
	}
	for _, c := range calls {
		c.abandon(ErrCanceled, ErrClosed, "")
	}
	e.stop()
	<-e.idle
	e.following.Wait()
	e.payloads.close()
	e.mu.Lock()
	if e.alarm != nil {
		e.alarm.Stop()
	}
	e.ready, e.later, e.expiring, e.hedges = readyQueue{}, delayQueue{}, delayQueue{}, hedges{}
	e.mu.Unlock()
	return nil
}

// runCallbacks runs a call's callbacks on a goroutine, so that a slow one
// holds up no worker.
func (e *Executor) runCallbacks(name string, callbacks []func()) {
	e.mu.Lock()
	e.callbacks++
	e.mu.Unlock()
	e.following.Go(func() {
		for _, f := range callbacks {
			e.contain("OnDone", name, f)
		}
		e.mu.Lock()
		e.callbacks--
		e.settleIdle()
		e.mu.Unlock()
	})
}

// contain runs a user's callback and logs its panic.
func (e *Executor) contain(what, name string, f func()) {
	defer func() {
		if p := recover(); p != nil {
			logger := slog.Default()
			if e != nil {
				logger = e.logger
			}
			logger.Error("lambdapool: panic in callback", "callback", what, "func", name, "panic", p)
		}
	}()
	f()
}
