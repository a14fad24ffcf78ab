package lambdapool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool/internal/engine"
	"github.com/lambdapool/lambdapool/internal/english"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/nested"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// An Executor runs calls of registered functions on a [Backend]. It owns every
// policy: how many at once, when to try again, when to slow down, when to give
// up. It is safe for concurrent use. Close it when done; its backend stays
// open, since several executors may share one, unless [WithOwnedBackend] hands it over.
type Executor struct {
	core      *engine.Executor
	registry  *registry.Registry
	ephemeral sync.Once // warns of detached runs that end with the process
}

// New returns an executor on b. It sends nothing; a backend that is not
// reachable shows in the first call. The error is a [PoolError] with
// [ErrBadArguments] that names the option at fault.
func New(b Backend, opts ...Option) (*Executor, error) {
	if b == nil {
		return nil, callError("new executor", "", ErrBadArguments, errors.New("the backend is nil"),
			"open one with local.New, inproc.New, awslambda.New or backend.Open")
	}
	limits, store, err := engine.Inspect(b)
	if err != nil {
		return nil, callError("new executor", "", ErrBadArguments, err, "")
	}
	cfg := config{level: engine.Level{Max: engine.MaxDepth}, workers: -1, registry: (*registry.Registry)(DefaultRegistry), logger: slog.Default()}
	for _, opt := range opts {
		if opt == nil {
			return nil, callError("new executor", "", ErrBadArguments, errors.New("an option is nil"), "leave it out")
		}
		if err := opt.applyToExecutor(&cfg); err != nil {
			return nil, callError("new executor", "", ErrBadArguments, err, "")
		}
	}
	if cfg.level.Depth == 0 { // a program's own, not that of a function
		if always, ok := engine.Ambient().(Option); ok {
			_ = always.applyToExecutor(&cfg) // it has no mistake that is this program's
		}
	}
	e := &Executor{registry: cfg.registry}
	e.core = engine.New(b, limits, store, engine.Config{
		Registry:  cfg.registry,
		Logger:    cfg.logger,
		Observers: cfg.observers,
		Hedging:   cfg.hedging,
		Policy:    engine.Policy{Timeout: cfg.timeout, Attempt: cfg.attemptTimeout, Retry: newRetrier(cfg.retry)},
		Workers:   cfg.workers,
		Queue:     cfg.queue,
		Verbatim:  cfg.verbatim,
		Owns:      cfg.owns,
		Level:     cfg.level,
		Logs:      cfg.logs,
		Public:    e,
	})
	e.core.Opened()
	return e, nil
}

// FromContext returns the executor of the deployment that a function runs in, so that it can call other
// functions, or itself. ctx is the function's. Do not close the executor: it ends with the invocation, and
// calls that have not ended then end with it. Pass ctx to calls, so that they also have the function's
// deadline, and end with the function.
//
// On package inproc it is the executor that runs the function. On package local, and on Lambda, the function
// calls itself through its own role: the program imports backend/awslambda/nest, and the role has the right to
// ("lambdapool create --nested"). On Cloud Run the program imports backend/cloudrun/nest, and the service's
// account may invoke it. Client and agent must both have the import.
//
// The client's workers are shared out, so that calls at each depth get one although functions wait for them:
// see [WithMaxDepth]. Calls of a function have the workers that came with its invocation. What can never have a
// worker fails at once with [ErrBadArguments].
//
// The error is a [PoolError] with [ErrBadArguments] whose hint names what is missing: ctx is not a function's, the
// import, or room. It has [ErrAccessDenied] where the function's own identity may not look at its deployment. It blocks at an agent's first call, while it reads the platform's credentials.
func FromContext(ctx context.Context) (*Executor, error) {
	e, err := nested.Executor(ctx, func(in nested.Inside) (nested.Opened, error) {
		level := option(func(c *config) error { c.level = in.Level; return nil })
		e, err := New(in.Backend, WithRegistry((*Registry)(in.Registry)), WithWorkers(in.Workers()), level)
		if err != nil {
			return nested.Opened{}, err
		}
		return nested.Opened{Closer: e, Spent: e.core.Spent}, nil
	})
	if err != nil {
		return nil, public(nil, nil, err)
	}
	return e.(*Executor), nil
}

// Submit calls fn with args and returns at once with a [Future]. fn is a
// [Func], a registered function value, or its name. Arguments are checked
// against the registration and encoded before Submit returns, so the caller
// may reuse them; numbers convert to the parameter's type when nothing is lost.
//
// ctx covers the whole call: when it ends, so does the call. Submit never
// panics on the caller's mistake; the Future has failed with a [PoolError]
// then: [ErrNotRegistered], [ErrBadArguments], [ErrEncode], [ErrClosed],
// [ErrCanceled] or [ErrTimeout]. It blocks only under WithWorkers(0), and where [WithQueue]
// bounds the queue.
//
// A function that submits with its context to the executor that it runs on lends its worker to its
// calls while it waits for them: see [FromContext]. Where all workers are held by functions that wait
// for calls made with other contexts, on package inproc, those that are not in flight fail with
// [ErrBadArguments] instead of hanging.
func (e *Executor) Submit(ctx context.Context, fn any, args ...any) *Future[any] {
	return e.submit(ctx, true, fn, args)
}

// submit is Submit, and may wait for room in the queue.
func (e *Executor) submit(ctx context.Context, wait bool, fn any, args []any) *Future[any] {
	f := new(Future[any])
	if e == nil {
		f.p.Fail(errNoExecutor())
		return f
	}
	function, data, err := e.prepare(ctx, fn, args)
	e.core.Accept(&f.p, (*future[any])(f), ctx, function, data, wait, err)
	return f
}

// Submit is the typed form of [Executor.Submit]: the compiler checks argument
// and result.
func Submit[A, R any](ctx context.Context, e *Executor, fn *Func[A, R], arg A) *Future[R] {
	return submit(ctx, e, true, fn, arg)
}

func submit[A, R any](ctx context.Context, e *Executor, wait bool, fn *Func[A, R], arg A) *Future[R] {
	f := new(Future[R])
	if e == nil {
		f.p.Fail(errNoExecutor())
		return f
	}
	function, err := e.own(fn.registered())
	if err == nil {
		err = e.check(ctx, function)
	}
	var data []byte
	if err == nil {
		data, err = registry.Encode(function, []reflect.Value{reflect.ValueOf(&arg).Elem()})
	}
	e.core.Accept(&f.p, (*future[R])(f), ctx, function, data, wait, err)
	return f
}

// Call submits and waits: fn's result, or the call's error. It blocks until
// the call ends; when ctx ends, so does the call.
func Call[A, R any](ctx context.Context, e *Executor, fn *Func[A, R], arg A) (R, error) {
	return Submit(ctx, e, fn, arg).Result(context.Background())
}

// check says whether f may be called with ctx.
func (e *Executor) check(ctx context.Context, f *registry.Function) error {
	if ctx == nil {
		return callError("submit", f.Name(), ErrBadArguments, errors.New("the context is nil"), "pass context.Background()")
	}
	return nil
}

func errNoExecutor() error {
	return callError("submit", "", ErrBadArguments, errors.New("the executor is nil"), "make one with New")
}

// prepare resolves and encodes a dynamic call.
func (e *Executor) prepare(ctx context.Context, fn any, args []any) (*registry.Function, []byte, error) {
	f, err := e.resolve(fn)
	if err != nil {
		return nil, nil, err
	}
	if err := e.check(ctx, f); err != nil {
		return f, nil, err
	}
	values, err := registry.Bind(f, args)
	if err != nil {
		return f, nil, err
	}
	data, err := registry.Encode(f, values)
	return f, data, err
}

// Shutdown refuses new calls and waits for those accepted, and for their
// callbacks. When ctx ends first, it returns a [PoolError] that wraps
// ctx.Err(), and the calls go on; Close ends them. Safe to call repeatedly.
// [Executor.Drain] does not wait for what no worker has taken.
func (e *Executor) Shutdown(ctx context.Context) error {
	return e.idle(ctx, e.core.Shut())
}

// idle waits until the executor, which takes no new calls, has none left.
func (e *Executor) idle(ctx context.Context, idle <-chan struct{}) error {
	select {
	case <-idle:
		return nil
	default:
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		kind, cause := failure.Context(ctx)
		stats := e.Stats()
		err := callError("shutdown", "", kind, cause,
			fmt.Sprintf("left: %s; Close cancels them", english.Count(int(stats.Queued+stats.Running), "call")))
		err.Outcome = OutcomeUnknown
		return err
	}
}

// Close refuses new calls, ends those left with [ErrCanceled] (which also match
// [ErrClosed]) and waits until nothing of the executor runs. The backend stays
// open, unless the executor owns it ([WithOwnedBackend]): then Close closes it
// last, and returns its error. Otherwise it returns nil. It may be called repeatedly.
func (e *Executor) Close() error { return public(nil, e.registry, e.core.Close()) }

// Store returns the object store of the executor's backend, as the backend has it, or nil where none is
// configured. Use it for what is to lie beside the payloads of calls: inputs for package splits, for
// one. What a call of it does wrong, such as to panic, is an error of that call.
func (e *Executor) Store() Store { return e.core.Ground().Payloads.Store }

// Stats counts what an [Executor] has done since it was made. Submitted = Queued + Running +
// Succeeded + FunctionErrors + PoolErrors.
//
// The items of maps and streams are calls. The counts of invocations are of requests, each of
// which may carry many calls. Detached runs are counted nowhere here: see [RunState].
type Stats struct {
	Submitted      int64 // calls accepted
	Queued         int64 // calls waiting for a worker or for their next attempt, now
	Running        int64 // calls in flight, now
	Succeeded      int64 // calls that ended in a value
	FunctionErrors int64 // calls that ended in a FunctionError
	PoolErrors     int64 // calls that ended in a PoolError, canceled ones included
	Canceled       int64 // those of PoolErrors that match ErrCanceled

	Invocations int64         // requests sent
	Retries     int64         // calls sent again after an attempt that was no throttle
	Throttles   int64         // requests refused by the platform
	Hedges      int64         // requests that were duplicates of slow ones
	ColdStarts  int64         // invocations that began a new agent
	Sent        int64         // payload bytes of all requests
	Received    int64         // payload bytes of all replies
	Run         time.Duration // time in the functions, as the agents measured it
	Billed      time.Duration // time charged, where the platform says

	InFlight      int64 // requests in flight, now
	Limit         int64 // of them, how many there may be now: workers, or fewer by what throttles have taught
	StoreSent     int64 // bytes of arguments put into the object store
	StoreReceived int64 // bytes of results read from it
}

// Stats returns the counts so far, all of one moment. It does not block. For how they came
// about, use [WithRecorder].
func (e *Executor) Stats() Stats { return Stats(e.core.Stats()) }
