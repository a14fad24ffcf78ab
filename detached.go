package lambdapool

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/detached"
	"github.com/lambdapool/lambdapool/internal/payload"
	"github.com/lambdapool/lambdapool/internal/registry"
	"github.com/lambdapool/lambdapool/internal/runs"
)

// Sentinels of detached runs, beside those of every [PoolError].
var (
	// ErrRunNotFound: there is no run of that name, or no longer.
	ErrRunNotFound = runs.ErrRunNotFound
	// ErrRunExists: a run of that name is there, and it is another one, or somebody is sending it.
	ErrRunExists = runs.ErrRunExists
	// ErrExpired: no agent began the call in time: the platform dropped it, or it was never sent.
	ErrExpired = driver.ErrExpired
)

// MapDetached calls fn for each of args without anybody waiting for it: the platform
// queues the calls (AWS Lambda for up to six hours), agents record the results in
// the backend's object store, and the program may end as soon as MapDetached has
// returned. [Attach] finds the run again, from any process with access to the store.
//
// A backend whose store and queue are this process's own, inproc and local without data,
// loses the run when it closes; MapDetached logs a warning then, once, and
// [RunInfo].Ephemeral says so.
//
// It blocks until every call is queued. An error says how far it came; what was sent
// goes on. A run that is named with [RunName] can be started again then, and goes on
// where it was, also after a crash: what is recorded is never run again.
//
// The platform delivers a call at least once. The first result that is recorded is the
// call's result, whatever comes later; of a function that is not [Idempotent] only the
// first delivery runs, and when that one dies the call ends with [ErrUnknownOutcome].
//
// One invocation carries [ChunkSize] calls; by default one, and more when there are more
// than 10,000 calls. What an agent has no time to begin of a larger one is sent again, as no attempt, by
// whoever follows the run: a client that waits for its results, here or after [Attach]. Agents have no right to
// send anything, so without one it waits, at the latest until [StartWithin] is over; then it ends with [ErrExpired].
// The values that are there stay.
//
// Everything that an agent may record is signed when the run is sent, and ends with the
// credentials that sign it: a run that could outlive them is refused with [ErrStore], and
// the error says for how long a run may be ([StartWithin]).
func MapDetached[A, R any](ctx context.Context, e *Executor, fn *Func[A, R], args []A, opts ...MapOption) (*Run[R], error) {
	s, err := newStarting(ctx, e, fn, opts)
	if err != nil {
		return nil, err
	}
	return startRun[R](s, len(args), registry.EncodeEach(s.fn, slices.Values(args)))
}

// SubmitDetached is [MapDetached] of one call.
func SubmitDetached[A, R any](ctx context.Context, e *Executor, fn *Func[A, R], arg A, opts ...MapOption) (*Run[R], error) {
	return MapDetached(ctx, e, fn, []A{arg}, opts...)
}

// StarMapDetached is [MapDetached] for lists of arguments. fn is what [Executor.Submit] takes.
func StarMapDetached(ctx context.Context, e *Executor, fn any, argLists [][]any, opts ...MapOption) (*Run[any], error) {
	s, err := newStarting(ctx, e, fn, opts)
	if err != nil {
		return nil, err
	}
	return startRun[any](s, len(argLists), registry.EncodeLists(s.fn, argLists))
}

// SubmitDetached sends one call of fn, which is what [Executor.Submit] takes, as
// [MapDetached] sends many.
func (e *Executor) SubmitDetached(ctx context.Context, fn any, args ...any) (*Run[any], error) {
	return StarMapDetached(ctx, e, fn, [][]any{args})
}

// Attach finds a detached run by its name: the futures of all its calls, finished or not.
// fn must be the function that the run calls. It reads the run's manifest and nothing
// else; results are fetched when somebody asks for them. Several clients may be attached
// to one run at once; all get the same results. The options are [FailOnTimeout] and
// [Progress].
//
// The error is a [PoolError]: [ErrRunNotFound], [ErrVersionMismatch] when fn or its shape is
// another than the run's, [ErrStore].
func Attach[A, R any](ctx context.Context, e *Executor, fn *Func[A, R], id string, opts ...MapOption) (*Run[R], error) {
	if e == nil {
		return nil, errNoExecutor()
	}
	f, err := e.own(fn.registered())
	if err != nil {
		return nil, err
	}
	return attachTo[R](ctx, e, func(*detached.Manifest) (*registry.Function, error) { return f, nil }, id, opts)
}

// Attach finds a detached run by its name, as the function [Attach] does. Its function must
// be registered.
func (e *Executor) Attach(ctx context.Context, id string, opts ...MapOption) (*Run[any], error) {
	if e == nil {
		return nil, errNoExecutor()
	}
	return attachTo[any](ctx, e, func(m *detached.Manifest) (*registry.Function, error) { return e.resolve(m.Func) }, id, opts)
}

// configure applies the options of a detached run.
func configure(op, name string, opts []MapOption) (mapConfig, error) {
	var cfg mapConfig
	for _, opt := range opts {
		if opt == nil {
			return cfg, callError(op, name, ErrBadArguments, errors.New("an option is nil"), "leave it out")
		}
		if err := opt.applyToRun(&cfg); err != nil {
			return cfg, callError(op, name, ErrBadArguments, err, "")
		}
	}
	if err := cfg.forDetached(); err != nil {
		return cfg, callError(op, name, ErrBadArguments, err, "")
	}
	return cfg, nil
}

// A starting is a detached run before it is sent.
type starting struct {
	e     *Executor
	fn    *registry.Function
	cfg   mapConfig
	store Store
	sub   *runs.Submission
}

// newStarting checks what a run is made of. fn is what Executor.Submit takes.
func newStarting(ctx context.Context, e *Executor, fn any, opts []MapOption) (*starting, error) {
	if e == nil {
		return nil, errNoExecutor()
	}
	f, err := e.resolve(fn)
	if err != nil {
		return nil, err
	}
	return startingOf(ctx, e, f, opts)
}

func startingOf(ctx context.Context, e *Executor, f *registry.Function, opts []MapOption) (*starting, error) {
	cfg, err := configure("start run of", f.Name(), opts)
	if err != nil {
		return nil, err
	}
	return startingWith(ctx, e, f, cfg)
}

func startingWith(ctx context.Context, e *Executor, f *registry.Function, cfg mapConfig) (_ *starting, err error) {
	if err := e.check(ctx, f); err != nil {
		return nil, err
	}
	s := &starting{e: e, fn: f, cfg: cfg}
	if s.store, err = e.runStore("start run of", f.Name()); err != nil {
		return nil, err
	}
	d := &s.cfg.detached
	run := runs.Config{Name: d.name, StartWithin: d.startWithin, Retention: d.retention, Resend: d.resend, Chunk: s.cfg.chunk, Parallel: s.cfg.parallel,
		Logs: s.cfg.logs}
	if retry, ok := d.retry.(func(*runs.Config)); ok {
		retry(&run)
	}
	sub, failed := runs.NewSubmission(ctx, e.core, f, s.store, run)
	if failed != nil {
		return nil, (*PoolError)(failed)
	}
	if payload.Ephemeral(s.store) {
		e.ephemeral.Do(func() {
			e.core.Ground().Logger.Warn("lambdapool: detached runs of this backend are gone when it closes, with what is queued and recorded of them",
				"func", f.Name(), "hint", "local:?data=DIR (local.WithData) keeps them on this machine, lambda://NAME?bucket=NAME on AWS")
		})
	}
	s.sub = sub
	return s, nil
}

// startRun sends a run of n calls, or what is left of it, and attaches to it.
func startRun[R any](s *starting, n int, args iter.Seq2[[]byte, error]) (*Run[R], error) {
	m, sent, err := s.sub.Prepare(n, args)
	if err != nil {
		return nil, public(s.fn, s.e.registry, err)
	}
	r := newRun[R](s.e.core, s.fn, m, s.store, s.cfg)
	if sent {
		return r, nil
	}
	if err := s.sub.Send(args, r.report()); err != nil {
		return nil, public(s.fn, s.e.registry, err)
	}
	return r, nil
}

// detachedConfig are the options of detached runs.
type detachedConfig struct {
	name          string // "": chosen
	startWithin   time.Duration
	retention     time.Duration
	failOnTimeout bool
	resend        bool
	retry         any // func(*runs.Config), of a run that retries another; not its type: agents would link what it names
}

// RunName names a detached run: letters, digits, '-', '_' and '.', at most 128 bytes. Give one
// where a program may be started again, such as "nightly-2026-11-29". The default is a new name
// that begins with the time.
//
// Starting a run of the same name, function and input again goes on with it: what is sent is
// not sent again, what is recorded is not run again.
func RunName(name string) MapOption {
	return mapOption(func(c *mapConfig) error {
		if err := detached.CheckID(name); err != nil {
			return fmt.Errorf("RunName: %w", err)
		}
		c.detached.name = name
		return nil
	})
}

// StartWithin bounds how long the calls of a detached run may wait for an agent, from when the
// run begins. What has not begun by then never will, and is reported as [ErrExpired]. Use it
// for results that are worthless when they are late. It is one minute at least. The default is
// what the platform allows: six hours on AWS Lambda.
func StartWithin(d time.Duration) MapOption {
	return mapOption(func(c *mapConfig) error {
		const least = time.Minute
		if d < least {
			return fmt.Errorf("StartWithin(%v): must be at least %v", d, least)
		}
		c.detached.startWithin = d
		return nil
	})
}

// Retention sets how long a detached run and its results are kept, from when the run begins.
// Whoever cleans up deletes it then. It is one hour at least. The default is seven days. A
// lifecycle rule of the bucket must not be shorter: see awslambda.KeepRuns.
func Retention(d time.Duration) MapOption {
	return mapOption(func(c *mapConfig) error {
		const least = time.Hour
		if d < least {
			return fmt.Errorf("Retention(%v): must be at least %v", d, least)
		}
		c.detached.retention = d
		return nil
	})
}

// FailOnTimeout has [Run.Wait] and [Run.Results] end at the first call that was not finished in
// time: its function's time was up, it expired, or its agent died. Use it where an incomplete
// result is none. The default is partial results: each such call has its error, and the others
// their values. The run itself goes on either way.
func FailOnTimeout() MapOption {
	return mapOption(func(c *mapConfig) error {
		c.detached.failOnTimeout = true
		return nil
	})
}

// Resend has a run that is started again under its name send all calls once more that no agent
// has begun, although the platform has accepted them. It is for a platform that has lost its
// queue, as `lambdapool local` does when it ends without --data. It is harmless otherwise: of
// two deliveries one runs. Without [RunName] every start is a new run, and it changes nothing.
func Resend() MapOption {
	return mapOption(func(c *mapConfig) error {
		c.detached.resend = true
		return nil
	})
}

// forMaps refuses what only detached runs have.
func (c *mapConfig) forMaps() error {
	if d := &c.detached; d.name != "" || d.startWithin > 0 || d.retention > 0 || d.resend || d.failOnTimeout {
		return errors.New("RunName, StartWithin, Retention, Resend and FailOnTimeout are of detached runs: use MapDetached")
	}
	return nil
}

// forDetached refuses what only runs have for which the caller waits.
func (c *mapConfig) forDetached() error {
	switch {
	case c.total != nil:
		return errors.New("Total does not apply to a detached run: its number of calls is known")
	case c.window > 0:
		return errors.New("Window does not apply to a detached run: its items are all sent")
	case c.journal != nil:
		return errors.New("a detached run needs no journal: its results are recorded in the object store")
	case c.budget != (Budget{}):
		return errors.New("WithBudget does not apply to a detached run: nobody is there to stop it")
	case c.policy.Timeout > 0 || c.policy.Retry != nil:
		return errors.New("CallTimeout and CallRetry do not apply to a detached run: nobody is there to send a call again; set the function's timeout")
	case c.policy.Attempt > 0:
		return errors.New("WithAttemptTimeout does not apply to a detached run: nobody is there to send an attempt again; set the function's timeout")
	case c.rate > 0 || c.keyRate > 0:
		return errors.New("MaxRate does not apply to a detached run: nobody is there to hold its calls back")
	case c.tolerance != nil:
		return errors.New("TolerateFailures does not apply to a detached run: nobody is there to stop it; it always goes on, and Run.Cancel ends what has not begun")
	case len(c.observers) > 0:
		return errors.New("WithObserver and a live page do not apply to a detached run: nobody here hears of its invocations; see Run.State, or live.Page.Follow")
	case c.continueOnError:
		return errors.New("ContinueOnError does not apply to a detached run: it always goes on; see FailOnTimeout")
	}
	return nil
}
