package lambdapool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool/codec"
)

// An itemReply is what an invocation brought back of one call or item.
type itemReply struct {
	value []byte
	own   bool  // value is most of a buffer that is nobody else's
	again bool  // the item is sent again
	err   error // a *FunctionError or an *InvokeError
}

var replyScratch scratch[itemReply]

// open reads the reply to inv, lent by replyScratch. The error is of the invocation as a
// whole: nothing was answered.
func (e *Executor) open(inv *invocation, response *Response, received time.Time) ([]itemReply, error) {
	c := inv.call
	inv.record.measured(response)
	reply, err := codec.DecodeReply(response.Payload)
	if err == nil && reply.ID != inv.id {
		err = fmt.Errorf("the reply is to request %.40q, not to %q", reply.ID, inv.id)
	}
	private := false
	if err == nil {
		var lost *InvokeError
		if reply, private, lost = e.payloads.unpack(inv.ctx, inv.id, reply); lost != nil {
			lost.RequestID = response.RequestID
			return nil, lost
		}
	}
	switch {
	case err != nil:
	case reply.Err == nil && len(reply.Items) != c.size():
		err = fmt.Errorf("the reply has %d items, the request had %d", len(reply.Items), c.size())
	}
	if err != nil {
		// The agent may well have run the function before its answer was spoilt.
		return nil, &InvokeError{
			Outcome: OutcomeUnknown, Kind: ErrDecode, Err: err, RequestID: response.RequestID,
			Hint: "is the Lambda function a lambdapool agent, and nothing on the way changes replies?",
		}
	}
	e.measure(inv, response, reply, received)
	if reply.Err != nil {
		return nil, e.refusal(c.fn, reply.Err, response.RequestID)
	}
	total := 0
	for i := range reply.Items {
		total += len(reply.Items[i].Value)
	}
	// What is larger than the payload was decompressed, into a buffer that nobody else has.
	private = private || total > len(response.Payload)
	replies := replyScratch.lend(len(reply.Items))
	for i := range reply.Items {
		value := reply.Items[i].Value
		replies[i].value, replies[i].own = value, private && len(value) > total/2
		if wire := reply.Items[i].Err; wire != nil {
			replies[i].err = e.itemError(c.fn, wire, response.RequestID)
		}
	}
	return replies, nil
}

// measured takes the platform's measurements.
func (r *Record) measured(response *Response) {
	r.RequestID, r.Version = response.RequestID, response.ExecutedVersion
	r.Billed, r.Init = response.Billed, response.Init
	r.Memory, r.MemoryPeak = response.MemoryLimit, response.MemoryPeak
	r.BytesIn = len(response.Payload)
}

// measure files what platform and agent measured.
func (e *Executor) measure(inv *invocation, response *Response, reply *codec.Reply, received time.Time) {
	c, r := inv.call, &inv.record
	r.Instance, r.Cold, r.CPU = reply.Agent.Instance, reply.Agent.Cold, reply.Agent.CPU
	r.Run, r.Init = reply.Agent.Run, max(r.Init, reply.Agent.Init)
	r.Memory, r.MemoryPeak = max(r.Memory, reply.Agent.Memory), max(r.MemoryPeak, reply.Agent.PeakMemory)
	var run time.Duration
	for i := range reply.Items {
		run += reply.Items[i].Run
	}
	if c.chunk == nil {
		c.mu.Lock()
		if !c.done {
			stats := c.measured()
			stats.Run = run
			stats.Billed = response.Billed
			stats.ColdStart = r.Cold
			stats.MemoryPeak = r.MemoryPeak
			stats.Received = len(response.Payload)
			stats.RequestID = response.RequestID
		}
		c.mu.Unlock()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if r.Cold {
		e.stats.ColdStarts++
	}
	e.stats.Received += int64(len(response.Payload))
	e.stats.Run += run
	e.stats.Billed += response.Billed
	if reply.Err == nil {
		e.observeRun(inv, received.Sub(inv.started))
	}
	if l := c.lane(); l != nil && !r.Cold && reply.Err == nil {
		l.chunker.Observe(c.size(), received.Sub(inv.started), r.Run, max(reply.Agent.Procs, l.parallel), len(response.Payload))
	}
}

// refusal is the error of a request of which no item ran.
func (e *Executor) refusal(f *Function, wire *codec.Error, requestID string) error {
	err := &InvokeError{
		Outcome: OutcomeNotRun, Kind: ErrDecode, Err: errors.New(wire.Message),
		Permanent: true, RequestID: requestID, Hint: wire.Hint,
	}
	switch wire.Kind {
	case codec.KindNotRegistered:
		err.Kind = ErrNotRegistered
	case codec.KindVersionMismatch:
		err.Kind, err.Err = ErrVersionMismatch, mismatch(f, wire.Message, wire.Hint)
		err.Hint = "build client and agent from the same code; deploy the agent again"
	case codec.KindTooLarge:
		err.Kind, err.Outcome, err.Hint = ErrTooLarge, OutcomeRan, e.payloads.larger(err.Hint)
	case codec.KindStore:
		err.Kind, err.Permanent = ErrStore, wire.Final
	case codec.KindCanceled:
		err.Kind, err.Err = ErrCanceled, fmt.Errorf("%s: %w", wire.Message, context.Canceled)
	case codec.KindExpired:
		err.Kind = ErrExpired
	case codec.KindLost:
		err.Kind, err.Outcome = ErrUnknownOutcome, OutcomeUnknown
	}
	return err
}

// mismatch shows the two shapes of a function; the agent sends its own, short
// and written out. Where the short ones are equal, a struct's fields differ.
func mismatch(f *Function, shape, signature string) error {
	mine := f.shape
	if shape == mine {
		mine, shape = f.signature, signature
	}
	return fmt.Errorf("%s: client %s, agent %s", f.name, mine, shape)
}

// itemError is the error of an item that ran.
func (e *Executor) itemError(f *Function, wire *codec.Error, requestID string) error {
	if wire.Kind == codec.KindFunction || wire.Kind == codec.KindPanic {
		err := &FunctionError{
			Func: f.name, Type: wire.Type, Message: wire.Message, Panic: wire.Kind == codec.KindPanic,
			Stack: wire.Stack, RequestID: requestID, sentinels: e.registry.sentinelsOf(wire.Codes),
		}
		for _, link := range wire.Chain {
			err.Chain = append(err.Chain, ErrorDetail(link))
		}
		return err
	}
	err := &InvokeError{
		Outcome: OutcomeRan, Kind: ErrDecode, Err: errors.New(wire.Message),
		Permanent: true, RequestID: requestID, Hint: wire.Hint,
	}
	switch wire.Kind {
	case codec.KindTimeout:
		err.Kind, err.Err = ErrTimeout, fmt.Errorf("%s: %w", wire.Message, context.DeadlineExceeded)
	case codec.KindEncode:
		err.Kind = ErrEncode
	case codec.KindTooLarge:
		err.Kind, err.Hint = ErrTooLarge, e.payloads.larger(err.Hint)
	case codec.KindStore:
		err.Kind, err.Permanent = ErrStore, wire.Final
	case codec.KindBadRequest:
		err.Outcome = OutcomeNotRun
	}
	return err
}
