package lambdapool

import (
	"context"
	"errors"
	"slices"

	"github.com/lambdapool/lambdapool/internal/detached"
)

// Sentinels of detached runs, beside those of every [PoolError].
var (
	// ErrRunNotFound: there is no run of that name, or no longer.
	ErrRunNotFound = errors.New("run not found")
	// ErrRunExists: a run of that name is there, and it is another one, or somebody is sending it.
	ErrRunExists = errors.New("run exists")
	// ErrExpired: no agent began the call in time: the platform dropped it, or it was never sent.
	ErrExpired = errors.New("expired")
)

// MapDetached calls fn for each of args without anybody waiting for it: the platform
// queues the calls (AWS Lambda for up to six hours), agents record the results in
// the backend's object store, and the program may end as soon as MapDetached has
// returned. [Attach] finds the run again, from any process with access to the store.
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
// than 10,000 calls. What an agent has no time for, ends with [ErrTimeout].
//
// Everything that an agent may record is signed when the run is sent, and ends with the
// credentials that sign it: a run that could outlive them is refused with [ErrStore], and
// the error says for how long a run may be ([StartWithin]).
func MapDetached[A, R any](ctx context.Context, e *Executor, fn *Func[A, R], args []A, opts ...MapOption) (*Run[R], error) {
	s, err := newSubmission(ctx, e, fn, opts)
	if err != nil {
		return nil, err
	}
	return startRun[R](s, len(args), encodeEach(s.fn, slices.Values(args)))
}

// SubmitDetached is [MapDetached] of one call.
func SubmitDetached[A, R any](ctx context.Context, e *Executor, fn *Func[A, R], arg A, opts ...MapOption) (*Run[R], error) {
	return MapDetached(ctx, e, fn, []A{arg}, opts...)
}

// StarMapDetached is [MapDetached] for lists of arguments. fn is what [Executor.Submit] takes.
func StarMapDetached(ctx context.Context, e *Executor, fn any, argLists [][]any, opts ...MapOption) (*Run[any], error) {
	s, err := newSubmission(ctx, e, fn, opts)
	if err != nil {
		return nil, err
	}
	return startRun[any](s, len(argLists), s.fn.encodeLists(argLists))
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
	f, err := e.registry.own(fn.registered())
	if err != nil {
		return nil, err
	}
	return attachTo[R](ctx, e, func(*detached.Manifest) (*Function, error) { return f, nil }, id, opts)
}

// Attach finds a detached run by its name, as the function [Attach] does. Its function must
// be registered.
func (e *Executor) Attach(ctx context.Context, id string, opts ...MapOption) (*Run[any], error) {
	if e == nil {
		return nil, errNoExecutor()
	}
	return attachTo[any](ctx, e, func(m *detached.Manifest) (*Function, error) { return e.registry.resolve(m.Func) }, id, opts)
}

// configure applies the options of a detached run.
func configure(op, name string, opts []MapOption) (mapConfig, error) {
	var cfg mapConfig
	for _, opt := range opts {
		if opt == nil {
			return cfg, callError(op, name, ErrBadArguments, errors.New("an option is nil"), "")
		}
		if err := opt(&cfg); err != nil {
			return cfg, callError(op, name, ErrBadArguments, err, "")
		}
	}
	if err := cfg.forDetached(); err != nil {
		return cfg, callError(op, name, ErrBadArguments, err, "")
	}
	return cfg, nil
}
