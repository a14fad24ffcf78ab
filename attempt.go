package lambdapool

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// An invocation is one attempt of a call, in flight.
type invocation struct {
	call    *call
	bytes   int    // of the request, once it is sent
	id      string // comes back in the reply, so that no answer goes astray
	started time.Time
	ctx     context.Context // ends when nobody waits for the answer any more
	cancel  context.CancelFunc
	record  Record

	hedge  bool // a duplicate of one that is in flight already
	failed bool // without a value; guarded by e.mu
	landed bool // guarded by e.mu
}

// next is what to do after an attempt.
type next struct {
	verdict    schedule.Verdict // what it says about the platform's limits
	retryAfter time.Duration    // the platform's wish
	again      bool             // send the call again
	after      time.Duration    // this much later
}

// attempt sends a call once and ends it, or says when to try again. It holds
// no lock while it waits.
func (e *Executor) attempt(inv *invocation) (n next) {
	c := inv.call
	inv.id = e.prefix + strconv.FormatUint(e.sequence.Add(1), 36)
	request, err := e.request(inv)
	if err != nil && inv.ctx.Err() != nil {
		return next{} // abandoned while its arguments were stored
	}
	if err != nil {
		return e.judge(inv, err)
	}
	inv.bytes = len(request.Payload)
	c.sent(inv)

	response, err := e.invoke(inv.ctx, request)
	received := time.Now()
	if err != nil && inv.ctx.Err() != nil {
		return next{} // abandoned: the call has ended already
	}
	var replies []itemReply
	if err == nil {
		replies, err = e.open(inv, response, received)
	}
	if len(replies) > 1 { // a defer would keep a single one, which may be large
		defer replyScratch.giveBack(replies)
	}
	if err == nil && c.chunk == nil {
		err = replies[0].err
	}
	e.record(inv, received, replies, err)
	switch {
	case err != nil:
		return e.judge(inv, err)
	case c.chunk != nil:
		c.chunk.answered(replies)
	default:
		c.finish(replies[0].value, replies[0].own, nil)
	}
	return next{verdict: schedule.Admitted}
}

// request encodes the call's next invocation. What does not fit is not sent.
func (e *Executor) request(inv *invocation) (*Request, error) {
	c := inv.call
	envelope := codec.Request{
		ID:        inv.id,
		Func:      c.fn.name,
		Shape:     c.fn.fingerprint,
		Remaining: c.remaining(),
	}
	c.mu.Lock()
	if c.chunk == nil {
		envelope.Items = [][]byte{c.args}
	} else {
		envelope.Items = c.chunk.arguments()
		envelope.Parallel, envelope.Chunk = c.chunk.lane.parallel, c.chunk.number
	}
	c.mu.Unlock()
	payload, err := e.payloads.pack(inv.ctx, &envelope, c.fn, &c.parcel, c.remaining())
	argumentScratch.giveBack(envelope.Items)
	envelope.Items = nil
	if err != nil {
		return nil, err
	}
	if c.parcel.Load() != nil && c.release() >= collectFrom { // later attempts find them in the store
		runtime.GC()
	}
	return &Request{Payload: payload, Registry: e.registry}, nil
}

// invoke calls the backend and contains its panics: a third party's bug must
// not take the program down, and nobody knows whether the function ran.
func (e *Executor) invoke(ctx context.Context, request *Request) (response *Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			response, err = nil, fmt.Errorf("panic in backend %T: %v", e.backend, p)
		} else if response == nil && err == nil {
			err = fmt.Errorf("backend %T returned neither a response nor an error", e.backend)
		}
	}()
	return e.backend.Invoke(ctx, request)
}

// judge decides about a failed attempt: the call ends with err, or goes on.
func (e *Executor) judge(inv *invocation, err error) next {
	c := inv.call
	a, refusal := e.retry.classify(err)
	if a.Outcome == schedule.NotRun {
		e.payloads.unsent(inv.id)
	}
	if e.outrun(inv, a) {
		return next{verdict: verdictOf(a, refusal), retryAfter: a.RetryAfter}
	}
	a = c.failed(a, refusal)
	d := e.retry.Decide(a, e.random)
	n := next{verdict: verdictOf(a, refusal), retryAfter: a.RetryAfter, again: d.Retry(), after: d.After}
	e.mu.Lock()
	l := c.lane()
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
		c.finish(nil, false, c.finalError(err, d.Reason))
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

// finalError is what the caller sees of an attempt that was the last. That it
// did not run says nothing of those before it.
func (c *call) finalError(err error, reason schedule.Reason) error {
	var function *FunctionError
	if errors.As(err, &function) {
		return function
	}
	pool := &PoolError{Op: "call", Func: c.fn.name, Kind: ErrUnknownOutcome, Err: err}
	var invoke *InvokeError
	if errors.As(err, &invoke) {
		pool.Outcome, pool.RequestID = invoke.Outcome, invoke.RequestID
		pool.Hint, pool.LogTail = invoke.Hint, invoke.LogTail
		switch {
		case invoke.Outcome == OutcomeUnknown:
		case invoke.Kind != nil:
			pool.Kind, pool.Err = invoke.Kind, invoke.Err
		case invoke.Outcome == OutcomeNotRun:
			pool.Kind, pool.Err = ErrUnreachable, invoke.Err
		}
	}
	if reason == schedule.OutOfTime && pool.Outcome == OutcomeNotRun {
		// The platform wants to be left alone for longer than the call has.
		pool.Kind, pool.Err = ErrTimeout, fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	}
	c.mu.Lock()
	if c.ran && pool.Outcome == OutcomeNotRun {
		pool.Outcome = OutcomeUnknown
	}
	c.mu.Unlock()
	if pool.Hint == "" && reason == schedule.MayHaveRun {
		pool.Hint = "it may have run; register it as Idempotent to have it run again"
	}
	return pool
}

// record tells the recorder of an invocation, and keeps what the tally needs.
func (e *Executor) record(inv *invocation, received time.Time, replies []itemReply, err error) {
	c := inv.call
	var invoke *InvokeError
	if errors.As(err, &invoke) && invoke.Response != nil {
		inv.record.measured(invoke.Response)
	}
	if e.recorder == nil {
		return
	}
	r := &inv.record
	r.ID, r.Func, r.Items, r.Hedge = inv.id, c.fn.name, c.size(), inv.hedge
	r.Queued, r.Sent, r.Received = c.accepted, inv.started, received
	r.BytesOut = inv.bytes
	r.Won = !c.claimed.Load()
	c.mu.Lock()
	r.Attempt = c.tries + 1
	c.mu.Unlock()
	for _, reply := range replies {
		if reply.err != nil {
			r.Failed++
		}
	}
	r.Outcome = OutcomeRan
	if err != nil && replies == nil {
		r.Failed, r.Err, r.Outcome = c.size(), err.Error(), OutcomeUnknown
		if invoke != nil {
			r.Outcome, r.Throttle, r.RequestID = invoke.Outcome, invoke.Reason, invoke.RequestID
		}
	}
	e.recorder.Record(*r)
}

// newPrefix returns what this executor's invocation ids begin with.
func newPrefix() string { return rand.Text()[:8] + "-" }
