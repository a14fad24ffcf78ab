package lambdapool

import (
	"context"
	"errors"
	"fmt"

	"github.com/lambdapool/lambdapool/codec"
)

// open reads the reply to inv and returns the encoded result, or the error
// that it carries.
func (e *Executor) open(inv *invocation, response *Response) ([]byte, error) {
	c := inv.call
	reply, err := codec.DecodeReply(response.Payload)
	switch {
	case err != nil:
	case reply.ID != inv.id:
		err = fmt.Errorf("the reply is to request %.40q, not to %q", reply.ID, inv.id)
	case reply.Err == nil && len(reply.Items) != 1:
		err = fmt.Errorf("the reply has %d items, the request had 1", len(reply.Items))
	}
	if err != nil {
		// The agent may well have run the function before its answer was spoilt.
		return nil, &InvokeError{
			Outcome: OutcomeUnknown, Kind: ErrDecode, Err: err, RequestID: response.RequestID,
			Hint: "is the Lambda function a lambdapool agent, and nothing on the way changes replies?",
		}
	}
	e.measure(c, response, reply)
	if reply.Err != nil {
		return nil, refusal(c.fn, reply.Err, response.RequestID)
	}
	item := reply.Items[0]
	if item.Err != nil {
		return nil, e.itemError(c.fn, item.Err, response.RequestID)
	}
	return item.Value, nil
}

// measure files what platform and agent measured.
func (e *Executor) measure(c *call, response *Response, reply *codec.Reply) {
	run := reply.Agent.Run
	if len(reply.Items) == 1 {
		run = reply.Items[0].Run
	}
	c.mu.Lock()
	if !c.done {
		stats := c.measured()
		stats.Run = run
		stats.Billed = response.Billed
		stats.ColdStart = reply.Agent.Cold
		stats.MemoryPeak = max(response.MemoryPeak, reply.Agent.PeakMemory)
		stats.Received = len(response.Payload)
		stats.RequestID = response.RequestID
	}
	c.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	if reply.Agent.Cold {
		e.stats.ColdStarts++
	}
	e.stats.Received += int64(len(response.Payload))
	e.stats.Run += run
	e.stats.Billed += response.Billed
}

// refusal is the error of a request of which no item ran.
func refusal(f *Function, wire *codec.Error, requestID string) error {
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
		err.Kind, err.Outcome = ErrTooLarge, OutcomeRan
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
		err.Kind = ErrTooLarge
	case codec.KindBadRequest:
		err.Outcome = OutcomeNotRun
	}
	return err
}
