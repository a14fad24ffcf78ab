package engine

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/contain"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/lazyctx"
	"github.com/lambdapool/lambdapool/internal/payload"
	"github.com/lambdapool/lambdapool/internal/relief"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// An invocation is one attempt of a call, in flight.
type invocation struct {
	call    *Call
	bytes   int    // of the request, once it is sent
	id      string // comes back in the reply, so that no answer goes astray
	started time.Time
	ctx     lazyctx.Bounded // ends when nobody waits for the answer any more
	within  markedContext   // the same, for the backend
	record  *Record         // what observers hear; nil: there are none, or they were told
	heard   context.Context // as the observers have left it
	trace   string          // its traceparent
	way     time.Duration   // kept for there and back
	wait    time.Duration   // for an answer that has been sent in time
	expect  int             // bytes of an item's result at most, as far as is known

	cold   bool          // the agent had just been started
	memory int64         // bytes that the platform gives the agent
	billed time.Duration // by the platform

	lent bool // it takes no slot of the limiter's, but one of a function that waits; guarded by e.mu
	room int  // workers that are kept for the calls of its functions

	nested codec.Spent // what its functions have called, as its reply says
	below  codec.Spent // what they have called in this process; guarded by e.mu

	// Room for what mostly is a single one.
	alone [1]*invocation // the call's flights: this one
	args  [1][]byte      // of the call
	reply [1]Reply

	attempt  context.Context    // that the backend was given
	end      context.CancelFunc // of that
	relieved atomic.Bool        // another goroutine has the outcome

	reserved float64 // GB-seconds of the run's budget; guarded by e.mu
	answered bool    // the platform has said what it was
	refused  bool    // certainly not run

	hedge   bool // a duplicate of one that is in flight already
	failed  bool // without a value; guarded by e.mu
	landed  bool // its worker is free; guarded by e.mu
	tallied bool // counted in its run's tally; guarded by e.mu
	waits   int  // of its functions for calls of the executor; guarded by e.mu
	asking  int  // its place in hedges.watched, counted from 1; 0: not in; guarded by e.mu
}

// next is what to do after an attempt.
type next struct {
	verdict    schedule.Verdict // what it says about the platform's limits
	retryAfter time.Duration    // the platform's wish
	again      bool             // send the call again
	relieved   bool             // another goroutine goes on with the invocation: nothing is to be done, nor touched
	after      time.Duration    // this much later
}

// attempt sends a call once and ends it, or says when to try again. It holds
// no lock while it waits.
func (e *Executor) attempt(inv *invocation) next {
	c := inv.call
	inv.id = e.NewID()
	inv.begins()
	request, err := e.request(inv)
	if err != nil && inv.ctx.Err() != nil {
		return next{} // abandoned while its arguments were stored
	}
	if err != nil {
		e.unsent(inv, err)
		return e.judge(inv, err)
	}
	inv.bytes = len(request.Payload)
	if !c.sent(inv) {
		inv.bytes = 0
		return next{} // canceled since a worker took it
	}

	response, err := e.invoke(inv, request)
	if err == relief.ErrRelieved { //nolint:errorlint // it is no error
		return next{relieved: true}
	}
	return e.received(inv, response, err)
}

// received ends the call by what an invocation brought, or says when to try again.
func (e *Executor) received(inv *invocation, response *driver.Response, err error) next {
	c := inv.call
	received := time.Now()
	if err != nil && inv.ctx.Err() != nil {
		return next{} // abandoned: the call has ended already
	}
	var replies []Reply
	if err == nil {
		replies, err = e.open(inv, response, received)
	}
	if len(replies) > 1 { // a defer would keep a single one, which may be large
		defer replyScratch.giveBack(replies)
	}
	if err == nil && (c.chunk == nil || noneBegun(replies)) {
		err = replies[0].Err
	}
	e.record(inv, received, replies, err)
	if err != nil {
		return e.judge(inv, err)
	}
	return inv.succeeded(replies)
}

// succeeded ends the call with what an invocation brought, of which every item has an answer.
func (inv *invocation) succeeded(replies []Reply) next {
	if c := inv.call; c.chunk != nil {
		c.chunk.answered(replies)
	} else {
		c.finish(replies[0].Value, replies[0].Own, nil)
	}
	inv.reply[0] = Reply{} // it may be large, and who keeps the context of a function keeps the invocation
	return next{verdict: schedule.Admitted}
}

// noneBegun reports whether an invocation has begun no item: then it is as good as refused.
func noneBegun(replies []Reply) bool {
	for i := range replies {
		if !replies[i].notBegun {
			return false
		}
	}
	return true
}

// envelopes lends what a request is until it is encoded.
var envelopes = sync.Pool{New: func() any { return new(codec.Request) }}

// request encodes the call's next invocation. What does not fit is not sent.
func (e *Executor) request(inv *invocation) (*driver.Request, error) {
	c := inv.call
	envelope := envelopes.Get().(*codec.Request)
	*envelope = codec.Request{
		ID:        inv.id,
		Func:      c.fn.Name(),
		Shape:     c.fn.Fingerprint(),
		Remaining: inv.given(),
		Nested:    e.nestedIn(inv),
		Trace:     inv.trace,
	}
	c.mu.Lock()
	envelope.Logs = e.logsOf(c)
	if c.chunk == nil {
		inv.args[0] = c.args
		envelope.Items = inv.args[:]
	} else {
		envelope.Items = c.chunk.arguments()
		l := c.chunk.lane
		envelope.Parallel, envelope.Chunk = l.Parallel, c.chunk.number
		envelope.Last = !l.deadline.IsZero() && !c.due.Before(l.deadline)
		envelope.Stop, envelope.Expect = l.Fails != FailNot && c.policy().Retry.Wanted == nil, inv.expect
	}
	c.mu.Unlock()
	body, err := e.on.Payloads.Pack(&inv.ctx, envelope, c.fn, &c.parcel, c.remaining())
	argumentScratch.giveBack(envelope.Items)
	inv.args[0] = nil
	*envelope = codec.Request{}
	if err != nil {
		return nil, err
	}
	envelopes.Put(envelope)                                           // otherwise a method of the store's may have been left behind, and with it the envelope
	if c.parcel.Load() != nil && c.release() >= payload.CollectFrom { // later attempts find them in the store
		runtime.GC()
	}
	return &driver.Request{Payload: body, Registry: (*driver.Registry)(e.on.Registry)}, nil
}

// invoke calls the backend and contains what it does: a third party's bug must not
// take the program down, and nobody knows whether the function ran. If the backend
// ends this goroutine, another one goes on with the invocation: a goroutine of its own
// for each would cost a call a twentieth of its time. So does one that relieves it.
func (e *Executor) invoke(inv *invocation, request *driver.Request) (response *driver.Response, err error) {
	inv.attempt, inv.end = inv.bounded()
	if e.inline != nil { // this goroutine is the program's
		response, err = contain.Value(inv.attempt, "Invoke", e.on.Backend, func() (*driver.Response, error) { return e.on.Backend.Invoke(inv.attempt, request) })
		return e.outcome(inv, response, err)
	}
	inv.within.mark.Backend, inv.within.mark.Relief = e.on.Backend, inv
	err = contain.Here("Invoke", e.on.Backend, func() (failed error) {
		response, failed = e.on.Backend.Invoke(inv.attempt, request)
		return failed
	}, func(fault error) {
		if !inv.relieved.Load() {
			inv.end()
			go e.resume(inv, nil, e.Complain(inv.call.fn.Name(), fault))
		}
	})
	if err == relief.ErrRelieved || inv.relieved.Load() { //nolint:errorlint // it is no error; a fault after that is nobody's
		return nil, relief.ErrRelieved
	}
	return e.outcome(inv, response, err)
}

// outcome ends the context of an attempt, and returns what the backend's answer means.
func (e *Executor) outcome(inv *invocation, response *driver.Response, err error) (*driver.Response, error) {
	overdue := inv.attempt.Err() != nil && inv.ctx.Err() == nil
	inv.end()
	switch {
	case err != nil && overdue:
		return nil, inv.overdue()
	case err != nil:
		return nil, failure.Tame(e.Complain(inv.call.fn.Name(), err))
	case response == nil:
		return nil, fmt.Errorf("backend %T returned neither a response nor an error", e.on.Backend)
	default:
		return response, nil
	}
}

// Relieve implements relief.Relief: a function of this process holds up the worker.
func (inv *invocation) Relieve(response *driver.Response, err error) {
	e := inv.call.exec
	inv.relieved.Store(true)
	go func() {
		response, err := e.outcome(inv, response, err)
		e.resume(inv, response, err)
	}()
}

// judge decides about a failed attempt: the call ends with err, or goes on.
func (e *Executor) judge(inv *invocation, err error) next {
	c := inv.call
	a, refusal := Classify(err)
	var fault error
	retry := c.policy().Retry
	a.Wanted, fault = retry.wants(&inv.ctx, c.fn, e.on.Registry, err)
	fault = e.Complain(c.fn.Name(), fault)
	if a.Outcome == schedule.NotRun {
		inv.refused = true
		e.on.Payloads.Unsent(inv.id)
	}
	if e.outrun(inv, a) {
		return next{verdict: verdictOf(a), retryAfter: a.Believed()}
	}
	a = c.failed(a, refusal)
	d := retry.Decide(a, e.random)
	n := next{verdict: verdictOf(a), retryAfter: a.Believed(), again: d.Retry(), after: d.After}
	e.mu.Lock()
	n.again = n.again && !e.drained
	l := c.lane()
	e.counted(inv)
	switch {
	case a.Throttled:
		e.stats.Throttles++
		if l != nil {
			l.tally.throttled++
		}
	case n.again:
		e.stats.Retries += int64(c.size())
		if l != nil {
			l.tally.retried += c.size()
		}
	}
	e.mu.Unlock()
	if !n.again {
		c.finish(nil, false, cmp.Or(fault, c.finalError(err, d.Reason)))
	}
	return n
}

// outrun notes that an attempt has failed, and reports whether a duplicate of
// it is still in flight: then that one decides. An answer of the function's own
// is as good from either.
func (e *Executor) outrun(inv *invocation, a schedule.Attempt) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	inv.failed = true
	if a.Outcome == schedule.Answered && !a.Wanted {
		return false
	}
	for _, other := range inv.call.flights {
		if !other.failed {
			if a.Throttled {
				e.stats.Throttles++
			} else if a.Outcome != schedule.NotRun {
				inv.call.hasRun()
			}
			return true
		}
	}
	return false
}
