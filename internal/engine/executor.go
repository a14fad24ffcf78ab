package engine

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/contain"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/lazyctx"
	"github.com/lambdapool/lambdapool/internal/payload"
	"github.com/lambdapool/lambdapool/internal/registry"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// An Executor runs calls: it is what lambdapool.Executor is below its types. It owns every policy: how many at once,
// when to try again, when to slow down, when to give up. It is safe for concurrent use.
type Executor struct {
	on         Ground // never written after New
	observers  []*Observer
	complaints complaints
	policy     Policy
	epoch      time.Time     // when it began
	logs       Logs          // of functions, that travel back
	level      Level         // of calls that no function of this process makes
	nests      bool          // functions can call back from where the backend runs them
	public     any           // the program's Executor
	queueRoom  chan struct{} // holds an entry for each call that waits in a bounded queue; nil: it has no bound
	inline     *sync.Mutex   // set with WithWorkers(0): holds calls in order
	sequence   atomic.Uint64 // of invocation ids
	workers    atomic.Int64  // as WithWorkers or SetWorkers says, at least 1; written under mu
	random     func() float64
	release    func() error // closes the backend, once, if the executor owns it
	builds     buildCheck
	stop       func() // ends on.Base

	following sync.WaitGroup // what delivers the results of detached runs, and callbacks

	mu        sync.Mutex // guards the rest
	limiter   *schedule.Limiter
	ready     readyQueue
	later     delayQueue // calls that wait for their next attempt
	expiring  delayQueue // calls that WithTimeout ends
	live      liveList   // calls that have not ended
	waiting   int        // items of runs that are in no call
	hedges    hedges
	deep      []deeper // calls of functions that run here, by depth from 1
	nested    nestedWaits
	granted   int // workers of invocations in flight, and of the calls that their functions make
	shared    int // workers that invocations share with the calls of their functions
	nestMost  int // of them, that the backend has; 0: it does not say
	way       schedule.Way
	groups    map[<-chan struct{}]*ctxGroup
	alarm     *time.Timer
	alarmAt   time.Time     // zero: not set
	spent     codec.Spent   // by all invocations that have landed
	memory    int64         // bytes of the function, once an answer has said; 0: not known
	busy      int           // goroutines that run attempts
	callbacks int           // goroutines that run callbacks
	closed    bool          // no new calls
	drained   bool          // nothing that waits is sent any more
	aborted   bool          // no new attempts either
	idle      chan struct{} // closed when the last of a closed executor is done
	stats     Stats
}

// Ground is what an executor stands on. Who sends and follows detached runs stands on the same.
type Ground struct {
	Backend  driver.Backend
	Limits   driver.Limits
	Registry *registry.Registry
	Logger   *slog.Logger
	Prefix   string // of invocation ids
	Payloads *payload.Payloads
	Base     context.Context // of every attempt and detached run; ends with Close
}

// Ground returns a copy of it.
func (e *Executor) Ground() Ground { return e.on }

// A Config is what an executor is made of, beside its backend.
type Config struct {
	Registry  *registry.Registry
	Logger    *slog.Logger
	Observers []*Observer
	Hedging   *schedule.HedgePolicy // nil: none
	Policy    Policy                // for calls of which neither their run nor their function says more
	Workers   int                   // -1: as the backend suggests; 0: calls run inline
	Queue     int                   // single calls that may wait for a worker; 0: any number
	Verbatim  bool                  // payloads are not compressed
	Logs      Logs                  // of functions, that travel back
	Level     Level                 // what it may do: all for a client, less in a function
	Public    any                   // the program's Executor, for functions that run in this process
	Owns      bool                  // Close closes the backend
}

// New returns an executor on b, of which [Inspect] has said the rest.
func New(b driver.Backend, limits driver.Limits, store payload.Storage, cfg Config) *Executor {
	base := new(lazyctx.Bounded)
	base.Start(context.Background(), time.Time{})
	e := &Executor{
		on:        Ground{Backend: b, Limits: limits, Registry: cfg.Registry, Logger: contain.Logger(cfg.Logger), Prefix: newPrefix(), Base: base},
		stop:      base.End,
		observers: cfg.Observers,
		policy:    cfg.Policy,
		logs:      cfg.Logs,
		level:     cfg.Level,
		public:    cfg.Public,
		deep:      make([]deeper, max(0, cfg.Level.Max-cfg.Level.Depth)),
		epoch:     time.Now(),
		random:    rand.Float64,
		groups:    map[<-chan struct{}]*ctxGroup{},
		idle:      make(chan struct{}),
	}
	if e.policy.Retry == nil {
		e.policy.Retry = NewRetrier(schedule.DefaultPolicy(), nil)
	}
	if cfg.Queue > 0 {
		e.queueRoom = make(chan struct{}, cfg.Queue)
	}
	if store.Store != nil {
		store.Store = payload.Guard(store.Store, func(err error) error { return e.Complain("", err) })
	}
	e.builds.asked = sync.OnceValue(e.askBuild)
	e.on.Payloads = payload.New(store, limits, e.on.Prefix, !cfg.Verbatim, e.on.Logger)
	e.hedges = hedges{policy: cfg.Hedging, hedgers: map[*registry.Function]*schedule.Hedger{}}
	workers := cfg.Workers
	switch {
	case workers == 0:
		e.inline = new(sync.Mutex)
		workers = 1
	case workers < 0:
		workers = cmp.Or(limits.Workers, 1)
	}
	e.workers.Store(int64(workers))
	e.shared = workers
	e.asksNests()
	e.later.place, e.expiring.place = laterPlace, expiringPlace
	e.limiter = schedule.NewLimiter(workers, lawOf(limits))
	unfollow := e.followLimits(b)
	e.release = sync.OnceValue(func() error {
		unfollow()
		e.wasClosed()
		if closer, ok := b.(io.Closer); ok && cfg.Owns {
			return closeBackend(closer)
		}
		return nil
	})
	return e
}

// Accept takes a call in, or fails it with err or what else stands against it. Where the queue is full it waits, or
// fails the call unless it may wait.
func (e *Executor) Accept(p *Promise, to Sink, ctx context.Context, f *registry.Function, args []byte, wait bool, err error) {
	p.exec, p.fn = e, f
	if err == nil && ctx.Err() != nil {
		kind, cause := failure.Context(ctx)
		err = failure.NotRun("submit", f.Name(), kind, cause, hintNotBegun)
	}
	if err == nil {
		if refused := e.refusesNested(ctx, f); refused != nil {
			err = refused
		}
	}
	var caller *invocation
	if err == nil {
		caller = e.caller(ctx)
	}
	bounded := e.queueRoom != nil && caller == nil && err == nil // a function that waited for room would hold up who makes it
	if bounded {
		if full := e.enterQueue(ctx, f, wait); full != nil {
			bounded, err = false, full
		}
	}
	if err != nil {
		p.Fail(to.Failed(f, e.on.Registry, err))
		return
	}
	now := time.Now()
	c := &Call{Promise: p, sink: to, caller: caller, args: args, accepted: now.Sub(e.epoch), inRoom: bounded, heard: e.Audience(ctx, f.Name(), nil)}
	p.call = c
	c.heard.callStart()
	e.mu.Lock()
	c.depth = e.depth(ctx)
	c.party = e.queue(c.depth).of(f)
	if e.closed {
		e.leaveQueue(c)
		e.mu.Unlock()
		p.Fail(to.Failed(f, e.on.Registry, errClosed(f)))
		c.heard.callEnd(CallStats{}, p.err)
		return
	}
	e.stats.Submitted++
	e.admit(c, ctx, now)
	if e.inline != nil {
		e.mu.Unlock()
		e.runInline(c)
		return
	}
	c.party.queue.push(c)
	e.dispatch(time.Now())
	e.mu.Unlock()
}

// Refuses returns why no item of a run of f under ctx would be accepted now.
func (e *Executor) Refuses(ctx context.Context, f *registry.Function) *failure.Pool {
	if ctx.Err() != nil {
		kind, cause := failure.Context(ctx)
		return failure.NotRun("map", f.Name(), kind, cause, hintNotBegun)
	}
	if err := e.refusesNested(ctx, f); err != nil {
		return err
	}
	if e.IsClosed() {
		return errClosed(f)
	}
	return nil
}

// IsClosed reports whether no new calls are accepted.
func (e *Executor) IsClosed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closed
}

func errClosed(f *registry.Function) *failure.Pool {
	return failure.NotRun("submit", f.Name(), driver.ErrClosed, nil, "the executor was shut down or closed: make another with New")
}

// admit makes c a live call, bounded by ctx and WithTimeout, which counts from start. e.mu is held.
func (e *Executor) admit(c *Call, ctx context.Context, start time.Time) {
	e.live.add(c)
	if timeout := c.policy().Timeout; timeout > 0 {
		c.due = start.Add(timeout)
		e.expiring.push(c, c.due)
		e.wake(c.due)
	}
	if at, ok := ctx.Deadline(); ok && (c.due.IsZero() || at.Before(c.due)) {
		c.due = at
	}
	e.join(c, ctx)
}

// forget takes an ended call out of every list.
func (e *Executor) forget(c *Call) {
	if c.outside {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.live.remove(c)
	e.leaveQueue(c)
	e.leave(c)
	c.party.calls.remove(c)
	c.party.queue.leave(c.party)
	e.later.remove(c)
	e.expiring.remove(c)
	e.unwanted(c)
	for _, inv := range c.flights {
		inv.ctx.End()
		e.unwatch(inv)
	}
	e.on.Payloads.Discard(&c.parcel)
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

// Shut refuses new calls, and returns a channel that is closed once those accepted have ended, and their callbacks.
func (e *Executor) Shut() (idle <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	e.settleIdle()
	return e.idle
}

// Close ends what is left, and waits until nothing runs any more.
func (e *Executor) Close() error {
	e.mu.Lock()
	e.closed, e.aborted = true, true
	calls := claimed(e.live.all())
	lanes := slices.Collect(e.lanes())
	e.settleIdle()
	e.mu.Unlock()
	for _, l := range lanes {
		l.Stop(failure.NotRun("call", l.Fn.Name(), driver.ErrCanceled, driver.ErrClosed, HintClosed))
	}
	for _, c := range calls {
		c.abandon(driver.ErrCanceled, driver.ErrClosed, HintClosed)
	}
	e.stop()
	err := e.settled()
	e.on.Payloads.Close()
	e.mu.Lock()
	if e.alarm != nil {
		e.alarm.Stop()
	}
	e.ready, e.deep, e.hedges = readyQueue{}, make([]deeper, len(e.deep)), hedges{}
	e.mu.Unlock()
	return cmp.Or(err, e.release())
}

// closeGrace is how long close waits for what it has ended: for the hooks that
// contain.Patience leaves behind, and as long again.
const closeGrace = 2 * contain.Patience

// settled waits until nothing of a closed executor runs, or for closeGrace: then what
// runs on is code of the program's that heeds nothing.
func (e *Executor) settled() error {
	over := make(chan struct{})
	go func() {
		<-e.idle
		e.following.Wait()
		close(over)
	}()
	timer := time.NewTimer(closeGrace)
	defer timer.Stop()
	select {
	case <-over:
		return nil
	case <-timer.C:
	}
	e.mu.Lock()
	busy, callbacks := e.busy, e.callbacks
	e.mu.Unlock()
	return failure.NotRun("close", "", driver.ErrTimeout,
		fmt.Errorf("Invoke of %T in %d invocations and OnDone functions of %d calls still run %v after everything was canceled", e.on.Backend, busy, callbacks, closeGrace),
		"have them return; Shutdown waits for as long as its context allows")
}

// runCallbacks runs a call's callbacks on a goroutine, so that a slow one
// holds up no worker.
func (e *Executor) runCallbacks(name string, callbacks []func()) {
	e.mu.Lock()
	e.callbacks++
	e.mu.Unlock()
	e.following.Go(func() {
		for _, f := range callbacks {
			e.Callback(name, f)
		}
		e.mu.Lock()
		e.callbacks--
		e.settleIdle()
		e.mu.Unlock()
	})
}

// Callback runs a function that OnDone was given. e is nil of a call that no executor ever had.
func (e *Executor) Callback(name string, f func()) {
	_ = e.Complain(name, contain.Do("OnDone", nil, f)) // nobody else hears of it
}
