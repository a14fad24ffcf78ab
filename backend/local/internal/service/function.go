package service

import (
	"errors"
	"fmt"
	"sync"

	"github.com/lambdapool/lambdapool/backend/local/internal/keep"
	"github.com/lambdapool/lambdapool/backend/local/internal/sandbox"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// A Config is what a Function is made of. It does not change.
type Config struct {
	sandbox.Spec // its environments; what goes wrong on request, if anything, is the function's own

	Terms Terms     // of its events, unless the API knows others
	Quota *Quota    // of the account's concurrency; nil: Most alone bounds it
	Data  *keep.Dir // keeps its events, below QueueDir; nil: they are lost with this process
}

// environments are what a function needs of its pool.
type environments interface {
	Acquire() (*sandbox.Sandbox, error)
	Run(s *sandbox.Sandbox, inv *sandbox.Invocation) (_ sandbox.Result, begun bool, _ error)
	Freed() <-chan struct{}
	Find(id string) *sandbox.Sandbox
	Close()
}

// A Function is what the Invoke API knows by name: a program, its configuration, the
// environments it runs in and the queue of its events. It is safe for concurrent use.
type Function struct {
	cfg    Config
	pool   environments
	events *events
	ending sync.Once
}

// New makes a function that runs once it is invoked. The spawner must live longer. The caller
// closes it.
func New(cfg Config, spawner *sandbox.Spawner) *Function {
	f := &Function{cfg: cfg, pool: sandbox.NewPool(cfg.Spec, spawner)}
	f.events = newEvents(f)
	return f
}

// ARN returns the function's name in full, with the qualifier if there is one.
func (f *Function) ARN(qualifier string) string {
	return wire.FunctionID{Region: f.cfg.Region, Account: wire.Account, Name: f.cfg.Name, Qualifier: qualifier}.ARN()
}

// Only resolves names for an API that has no other function: to f, or not at all.
func (f *Function) Only(id wire.FunctionID) (_ *Function, over func(), _ *wire.Refusal) {
	if id.ARN() != f.ARN(id.Qualifier) || id.Qualifier != "" && id.Qualifier != wire.Latest {
		return nil, nil, wire.NotFound(id.ARN())
	}
	return f, func() {}, nil
}

// Find returns the living sandbox with that id, if it is one of the function's, or nil.
func (f *Function) Find(id string) *sandbox.Sandbox { return f.pool.Find(id) }

// invoke runs one invocation now, or says why not. It blocks until that is
// over, whatever becomes of the caller: a run that has begun goes on, and is
// billed, as on Lambda.
func (f *Function) invoke(inv *sandbox.Invocation) sandbox.Result {
	for {
		s, err := f.acquire()
		if err != nil {
			return f.refuse(inv, err)
		}
		if res, delivered := f.runOn(s, inv); delivered {
			return res
		}
	}
}

// runOn runs the invocation in an environment that acquire returned, and gives
// that back. It says false when the environment had ended while it was idle.
func (f *Function) runOn(s *sandbox.Sandbox, inv *sandbox.Invocation) (sandbox.Result, bool) {
	res, begun, err := f.pool.Run(s, inv)
	f.cfg.Quota.give()
	if err != nil {
		return f.refuse(inv, err), true
	}
	return res, begun
}

// acquire is the pool's, within the function's share of the account's concurrency.
func (f *Function) acquire() (*sandbox.Sandbox, error) {
	if err := f.cfg.Quota.take(); err != nil {
		return nil, err
	}
	s, err := f.pool.Acquire()
	if err != nil {
		f.cfg.Quota.give()
	}
	return s, err
}

// refuse is the answer when there is no environment.
func (f *Function) refuse(inv *sandbox.Invocation, err error) sandbox.Result {
	switch {
	case errors.Is(err, sandbox.ErrBusy):
		return sandbox.Result{Refused: errThrottled}
	case errors.Is(err, sandbox.ErrGrowing):
		return sandbox.Result{Refused: errGrowing}
	case errors.Is(err, errAccountBusy):
		return sandbox.Result{Refused: errAccountThrottled}
	case errors.Is(err, sandbox.ErrClosed):
		return sandbox.Result{Refused: sandbox.ShutDown}
	case sandbox.Unusable(err):
		const errType = "Runtime.InvalidEntrypoint"
		return sandbox.Result{
			ErrType: errType,
			Payload: sandbox.ErrorBody(errType, "RequestId: %s Error: %v", inv.ID, err),
			Log:     fmt.Appendf(nil, "START RequestId: %s Version: %s\nRequestId: %[1]s Error: %[3]v\n%[4]s\nEND RequestId: %[1]s\n", inv.ID, f.cfg.Version, err, errType),
		}
	default:
		return sandbox.Result{Refused: noResources(err)}
	}
}

// Close ends all environments, drops the events that wait, unless they are kept, and answers
// those that were running. It returns when all processes are gone. A second Close waits for
// the first.
func (f *Function) Close() {
	f.ending.Do(func() {
		f.cfg.Faults.Close()
		f.events.close()
		f.events.drain()
		f.pool.Close()
		f.events.finish()
	})
}
