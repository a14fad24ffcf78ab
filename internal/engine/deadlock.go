package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/english"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/nested"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// deadlockPatience is how long every worker must be held by a function that waits, with nothing
// changing, before their calls end: what has just ended may be on its way to who waits for it.
const deadlockPatience = 100 * time.Millisecond

// hintDeadlock is what to do about functions that wait for their own executor.
const hintDeadlock = "raise WithWorkers, or have functions call on another executor, such as one on inproc.New()"

// A NestedWait is a function of this process that is blocked until calls of its own
// executor end.
type NestedWait struct {
	inv *invocation // that the function runs in, and that keeps its worker as long
	of  awaited
}

// awaited is what a function waits for. e.mu is held.
type awaited interface {
	// stuck reports whether nothing but calls of e's that have not ended can end the wait.
	stuck(e *Executor, until time.Time) bool
	// refuseAll has the calls that are not in flight end, for want of a worker, by what it returns.
	refuseAll(kind, cause error) func()
}

// nestedWaits are those of an executor. They are guarded by its mutex.
type nestedWaits struct {
	all     []*NestedWait
	held    int       // invocations whose function waits
	lent    int       // invocations that run in the place of one whose function waits
	changed time.Time // when one began or ended
}

// caller returns the invocation of e's that the function with ctx runs in, or nil.
func (e *Executor) caller(ctx context.Context) *invocation {
	m := nested.From(ctx)
	if m == nil {
		return nil
	}
	if inv, ok := m.Owner.(*invocation); ok && inv.call.exec == e {
		return inv
	}
	return nil
}

// NestedWait returns the wait of a function for a pending call, or nil if it is none: of others,
// and of a function that gives up before its time is up.
func (p *Promise) NestedWait(ctx context.Context) *NestedWait {
	inv := p.exec.caller(ctx)
	if inv == nil {
		p.mu.Lock()
		if p.call != nil {
			inv = p.call.caller
		}
		p.mu.Unlock()
	}
	if inv == nil || boundedBefore(ctx, inv.within.mark.Until) {
		return nil
	}
	return &NestedWait{inv: inv}
}

// boundedBefore reports whether ctx ends before that time by itself.
func boundedBefore(ctx context.Context, until time.Time) bool {
	at, ok := ctx.Deadline()
	return ok && at.Before(until)
}

// Awaiting says for which calls the function waits. ready reports whether one has ended that it has not seen.
func (w *NestedWait) Awaiting(ready func() bool, promises ...*Promise) {
	w.of = awaitedCalls{promises, ready}
}

// Begin says that the function waits from now on. A nil wait is of no interest.
func (w *NestedWait) Begin() {
	if w == nil {
		return
	}
	e := w.inv.call.exec
	e.mu.Lock()
	defer e.mu.Unlock()
	e.nested.all = append(e.nested.all, w)
	if w.inv.waits++; w.inv.waits == 1 && !w.inv.landed {
		e.nested.held++
		e.dispatch(time.Now()) // its worker is free for its calls
	}
	e.suspectDeadlock()
}

// End says that the function goes on.
func (w *NestedWait) End() {
	if w == nil {
		return
	}
	e := w.inv.call.exec
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.Index(e.nested.all, w)
	e.nested.all = slices.Delete(e.nested.all, i, i+1)
	if w.inv.waits--; w.inv.waits == 0 && !w.inv.landed {
		e.nested.held--
	}
	e.suspectDeadlock()
}

// suspectDeadlock notes that a wait has changed, and looks again once it would be a deadlock.
// e.mu is held.
func (e *Executor) suspectDeadlock() {
	e.nested.changed = time.Now()
	if e.nested.held >= e.workersNow()+e.nested.lent {
		e.wake(e.nested.changed.Add(deadlockPatience))
	}
}

// deadlocked returns what ends the calls that no worker will ever be free for: every one is held
// by an invocation with a function that waits for them. e.mu is held.
func (e *Executor) deadlocked(now time.Time) (refuse []func()) {
	if e.nested.held < e.workersNow()+e.nested.lent {
		return nil
	}
	if at := e.nested.changed.Add(deadlockPatience); now.Before(at) {
		e.wake(at)
		return nil
	}
	held := map[*invocation]bool{}
	var stuck []*NestedWait
	for _, w := range e.nested.all {
		if !w.inv.landed && w.of.stuck(e, w.inv.within.mark.Until) {
			held[w.inv] = true
			stuck = append(stuck, w)
		}
	}
	if len(held) < e.workersNow()+e.nested.lent {
		return nil
	}
	cause := fmt.Errorf("the function that waits for it runs on the same executor, where functions that wait hold all there is: %s",
		english.Count(e.workersNow(), "worker"))
	for _, w := range stuck {
		refuse = append(refuse, w.of.refuseAll(driver.ErrBadArguments, cause))
	}
	return refuse
}

// refusesNested returns why a function cannot call f: its depth, or no money, or an executor that runs it inline, where the
// call's turn comes when the function has returned.
func (e *Executor) refusesNested(ctx context.Context, f *registry.Function) *failure.Pool {
	if err := e.refusesDepth(ctx, f); err != nil {
		return err
	}
	inv := e.caller(ctx)
	if inv == nil && e.bound() == (Budget{}) {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.outspent(inv) {
		return overspent(f)
	}
	if e.inline == nil || inv == nil || inv.landed {
		return nil
	}
	return failure.NotRun("submit", f.Name(), driver.ErrBadArguments, errors.New("the function that calls it runs inline on the same executor, which runs one call at a time"), hintDeadlock)
}

// awaitedCalls are futures' calls. ready reports whether one has ended that the function has
// not seen.
type awaitedCalls struct {
	promises []*Promise
	ready    func() bool
}

// stuck implements awaited.
func (a awaitedCalls) stuck(e *Executor, until time.Time) bool {
	if a.ready() {
		return false
	}
	pending := false
	for _, p := range a.promises {
		if p.claimed.Load() {
			continue
		}
		p.mu.Lock()
		c := p.call
		p.mu.Unlock()
		if p.exec != e || c == nil || !c.due.IsZero() && c.due.Before(until) {
			return false
		}
		pending = true
	}
	return pending
}

// refuseAll implements awaited.
func (a awaitedCalls) refuseAll(kind, cause error) func() {
	var calls []*Call
	for _, p := range a.promises {
		p.mu.Lock()
		c := p.call
		p.mu.Unlock()
		if c != nil && len(c.flights) == 0 {
			calls = append(calls, c)
		}
	}
	return refuseCalls(calls, kind, cause)
}

// refuseCalls claims calls and returns what ends them.
func refuseCalls(calls []*Call, kind, cause error) func() {
	calls = claimed(calls)
	return func() {
		for _, c := range calls {
			c.abandon(kind, cause, hintDeadlock)
		}
	}
}

// An awaitedRun is a run whose consumer waits. news reports whether a result is on its way to it, waiting whether the
// input waits for it: as long as the input may bring more, that may be what it waits for.
type awaitedRun struct {
	lane          *Lane
	news, waiting func() bool
}

// NestedWait returns the wait of the function with ctx for the run's results, or nil if that is none.
func (l *Lane) NestedWait(ctx context.Context, news, waiting func() bool) *NestedWait {
	if inv := l.e.caller(ctx); inv != nil {
		return &NestedWait{inv: inv, of: awaitedRun{l, news, waiting}}
	}
	return nil
}

// stuck implements awaited.
func (a awaitedRun) stuck(_ *Executor, until time.Time) bool {
	l := a.lane
	switch {
	case a.news(), l.ended != nil, l.Ctx.Err() != nil, boundedBefore(l.Ctx, until):
		return false
	case !l.whole && !a.waiting():
		return false
	}
	return l.queued() > 0 || l.e.groups[l.Ctx.Done()] != nil
}

// refuseAll implements awaited.
func (a awaitedRun) refuseAll(kind, cause error) func() {
	l := a.lane
	var calls []*Call
	if g := l.e.groups[l.Ctx.Done()]; g != nil {
		for c := g.first; c != nil; c = c.nextInGroup {
			if len(c.flights) == 0 {
				calls = append(calls, c)
			}
		}
	}
	end := refuseCalls(calls, kind, cause)
	err := failure.NotRun("call", l.Fn.Name(), kind, cause, hintDeadlock)
	items := l.close(err) // all at once: the first function to hear of it frees a worker for the others' calls
	return func() {
		l.fail(items, err)
		end()
	}
}

// Stalled says that the input waits for the consumer. Only then can it be a deadlock.
func (l *Lane) Stalled() {
	if l.e.caller(l.Ctx) == nil {
		return
	}
	l.e.mu.Lock()
	defer l.e.mu.Unlock()
	l.e.suspectDeadlock()
}
