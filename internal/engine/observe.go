package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/lambdapool/lambdapool/internal/contain"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/nested"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// An Observer is lambdapool.Observer below its types, which has the docs of the functions. Those that are nil are
// not called. They are code of others: each is called on a goroutine of its own, and left behind where it blocks. Only
// those of one that is Quick are called in place, and of these only what every invocation tells.
type Observer struct {
	Key   any    // of several with the same, one counts
	Of    any    // whose method it is, for messages; nil: a function
	What  string // the function's name for messages; empty: as the field is called
	Every bool   // hears also of invocations that were given up, or never sent
	Quick bool   // is of this module and returns at once: it hears of invocations in place, which costs a tenth

	Opened func(executor any)
	Closed func(executor any)

	RunStart        func(ctx context.Context, run any) context.Context
	RunEnd          func(ctx context.Context, run any, err error)
	CallStart       func(ctx context.Context, name string) context.Context
	CallEnd         func(ctx context.Context, name string, stats CallStats, err error)
	InvocationStart func(ctx context.Context, r Record) context.Context
	InvocationEnd   func(ctx context.Context, r Ended, err error)
	Failed          func(ctx context.Context, name string, items any)

	gate contain.Gate
}

// Told is f for those who know no T, or nil.
func Told[T any](f func(T)) func(any) {
	if f == nil {
		return nil
	}
	return func(v any) { f(v.(T)) }
}

// Start is f for those who know of it another type than the program, or nil.
func Start[T, U any](f func(context.Context, T) context.Context, as func(U) T) func(context.Context, U) context.Context {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, v U) context.Context { return f(ctx, as(v)) }
}

// End is as Start.
func End[T, U any](f func(context.Context, T, error), as func(U) T) func(context.Context, U, error) {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, v U, err error) { f(ctx, as(v), err) }
}

// An Ended is the Record of an invocation that has ended, with what makes its errors those of the program.
type Ended struct {
	Record Record
	Fn     *registry.Function
	Known  *registry.Registry
}

// Observe returns observers with o, in place of one of the same key.
func Observe(observers []*Observer, o *Observer) []*Observer {
	others := slices.DeleteFunc(slices.Clone(observers), func(other *Observer) bool { return other.Key == o.Key })
	return append(others, o)
}

// told calls a function of an observer, and logs what it does instead of returning.
func (e *Executor) told(o *Observer, name, what string, call func()) (returned bool) {
	return e.Complain(name, o.gate.Do(cmp.Or(o.What, "Observer."+what), o.Of, call)) == nil
}

// inPlace reports whether o is called on this goroutine, which is a worker's: one of the program's cannot be replaced
// where it ends.
func (e *Executor) inPlace(o *Observer) bool { return o.Quick && e.inline == nil }

// quickly calls a function of an observer in place. Its panics are contained, since a page must not end a program. If it
// ends the worker, goOn has another one go on.
func (e *Executor) quickly(o *Observer, name, what string, call, goOn func()) {
	fault := contain.Here("Observer."+what, o.Of, func() error { call(); return nil }, func(fault error) {
		_ = e.Complain(name, fault)
		goOn()
	})
	_ = e.Complain(name, fault)
}

// Opened tells that the executor is ready for calls.
func (e *Executor) Opened() {
	for _, o := range e.observers {
		if o.Opened != nil {
			e.told(o, "", "Opened", func() { o.Opened(e.public) })
		}
	}
}

// wasClosed tells that nothing of the executor runs any more.
func (e *Executor) wasClosed() {
	for _, o := range e.observers {
		if o.Closed != nil {
			e.told(o, "", "Closed", func() { o.Closed(e.public) })
		}
	}
}

// An Audience is who hears of a run, or of a call, and as what. Nil is nobody.
type Audience struct {
	e         *Executor
	name      string          // of the function
	ctx       context.Context // as the observers have left it: only its values count
	trace     string          // its traceparent
	observers []*Observer
}

// Audience returns who hears of what is begun with ctx: the executor's observers, and more.
func (e *Executor) Audience(ctx context.Context, name string, more []*Observer) *Audience {
	observers := e.observers
	for _, o := range more {
		observers = Observe(observers, o)
	}
	trace := nested.Trace(ctx)
	if len(observers) == 0 && trace == "" {
		return nil
	}
	return &Audience{e: e, name: name, ctx: ctx, trace: trace, observers: observers}
}

// begins tells o of a beginning, and puts what it makes of the context in the place of ctx and trace.
func (a *Audience) begins(ctx *context.Context, trace *string, o *Observer, what string, start func(context.Context) context.Context) {
	type beginning struct {
		ctx   context.Context
		trace string
	}
	was, made := *ctx, make(chan beginning, 1) // not a variable: it may come too late
	returned := a.e.told(o, a.name, what, func() {
		next := start(was)
		if next == nil {
			next = was
		}
		made <- beginning{next, nested.Trace(next)} // its Value may be the observer's own
	})
	if returned {
		now := <-made
		*ctx, *trace = now.ctx, now.trace //nolint:fatcontext // once for each observer
	}
}

// RunStart tells of a run that begins.
func (a *Audience) RunStart(run any) {
	if a == nil {
		return
	}
	for _, o := range a.observers {
		if o.RunStart != nil {
			a.begins(&a.ctx, &a.trace, o, "RunStart", func(ctx context.Context) context.Context { return o.RunStart(ctx, run) })
		}
	}
}

// RunEnd tells of a run that has ended.
func (a *Audience) RunEnd(run any, err error) {
	if a == nil {
		return
	}
	for _, o := range a.observers {
		if o.RunEnd != nil {
			a.e.told(o, a.name, "RunEnd", func() { o.RunEnd(a.ctx, run, err) })
		}
	}
}

// Failed tells of items that have failed, or of a single call.
func (a *Audience) Failed(items any) {
	if a == nil {
		return
	}
	for _, o := range a.observers {
		if o.Failed != nil {
			a.e.told(o, a.name, "Failed", func() { o.Failed(a.ctx, a.name, items) })
		}
	}
}

// callStart tells of a single call that is accepted.
func (a *Audience) callStart() {
	if a == nil {
		return
	}
	for _, o := range a.observers {
		if o.CallStart != nil {
			a.begins(&a.ctx, &a.trace, o, "CallStart", func(ctx context.Context) context.Context { return o.CallStart(ctx, a.name) })
		}
	}
}

// callEnd tells how a single call has ended.
func (a *Audience) callEnd(stats CallStats, err error) {
	if a == nil {
		return
	}
	for _, o := range a.observers {
		if o.CallEnd != nil {
			a.e.told(o, a.name, "CallEnd", func() { o.CallEnd(a.ctx, a.name, stats, err) })
		}
	}
}

// audience returns who hears of the call's invocations.
func (c *Call) audience() *Audience {
	if l := c.lane(); l != nil {
		return l.Audience
	}
	return c.heard
}

// begins tells of an invocation that is about to be sent.
func (inv *invocation) begins() {
	if inv.record != nil { // all have heard of it, and one has ended the worker that told them
		inv.id = inv.record.ID
		return
	}
	a := inv.call.audience()
	if a == nil {
		return
	}
	inv.heard, inv.trace = a.ctx, a.trace
	if len(a.observers) == 0 {
		return
	}
	inv.record = new(Record)
	inv.describe()
	inv.tellBegin(a, a.observers)
}

// tellBegin tells those observers that an invocation begins. Where one ends the worker, another one tells the rest and
// sends it.
func (inv *invocation) tellBegin(a *Audience, observers []*Observer) {
	for i, o := range observers {
		switch {
		case o.InvocationStart == nil:
		case a.e.inPlace(o):
			a.e.quickly(o, a.name, "InvocationStart", func() {
				if next := o.InvocationStart(inv.heard, *inv.record); next != nil {
					inv.heard = next
				}
			}, func() {
				go a.e.begun(inv, a, observers[i+1:])
			})
		default:
			known := *inv.record
			a.begins(&inv.heard, &inv.trace, o, "InvocationStart", func(ctx context.Context) context.Context { return o.InvocationStart(ctx, known) })
		}
	}
}

// begun goes on for a worker that ended while it told that inv begins: it tells the other observers, and sends it.
func (e *Executor) begun(inv *invocation, a *Audience, others []*Observer) {
	inv.tellBegin(a, others)
	e.work(inv)
}

// An ending is what observers hear of the end of an invocation.
type ending struct {
	record  *Record
	heard   context.Context
	err     error
	every   bool    // only who hears of every one is told
	replies []Reply // where all items have values
}

// ends tells what became of an invocation. every says that only who hears of every one is told.
func (inv *invocation) ends(err error, every bool, replies []Reply) {
	end, a := ending{inv.record, inv.heard, err, every, replies}, inv.call.audience()
	inv.record = nil // an observer may be left behind with it

	if _, ok := err.(*failure.Function); ok { //nolint:errorlint // as the reply was read
		end.err = inv.call.sink.Failed(inv.call.fn, a.e.on.Registry, err)
	}
	if err != nil || end.record.Failed > 0 {
		end.replies = nil
	}
	inv.tellEnd(a, a.observers, end)
}

// tellEnd tells those observers of the end of an invocation: in place where all went well. Otherwise they are given errors,
// whose methods may be the program's, and there are several ways to go on.
func (inv *invocation) tellEnd(a *Audience, observers []*Observer, end ending) {
	told := func() Ended { return Ended{*end.record, inv.call.fn, inv.call.exec.on.Registry} }
	for i, o := range observers {
		switch {
		case o.InvocationEnd == nil || end.every && !o.Every:
		case a.e.inPlace(o) && len(end.replies) > 0:
			a.e.quickly(o, a.name, "InvocationEnd", func() { o.InvocationEnd(end.heard, told(), nil) }, func() {
				replies := slices.Clone(end.replies) // they are lent to the worker that ends
				go a.e.answered(inv, a, observers[i+1:], ending{end.record, end.heard, nil, end.every, replies})
			})
		case o.Quick: // also while another function of its is stuck: what has ended must not seem to run on for ever
			_ = a.e.Complain(a.name, contain.Do("Observer.InvocationEnd", o.Of, func() { o.InvocationEnd(end.heard, told(), end.err) }))
		default:
			ended := told()
			a.e.told(o, a.name, "InvocationEnd", func() { o.InvocationEnd(end.heard, ended, end.err) })
		}
	}
}

// answered goes on for a worker that ended while it told of the end of inv, which all went well: it tells the other
// observers, and ends the call.
func (e *Executor) answered(inv *invocation, a *Audience, others []*Observer, end ending) {
	inv.tellEnd(a, others, end)
	e.work(e.follow(inv, inv.succeeded(end.replies)))
}

// errGivenUp is how an invocation ends for which nobody waits any more.
var errGivenUp = errors.New("given up: its call had ended")
