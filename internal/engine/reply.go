package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/funclog"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// A Reply is what an invocation brought back of one call or item.
type Reply struct {
	Value    []byte
	Own      bool  // value is most of a buffer that is nobody else's
	notBegun bool  // no agent has begun the item
	open     bool  // the item has not ended: it is sent again
	Err      error // a *failure.Function or an *InvokeError
}

var replyScratch scratch[Reply]

// open reads the reply to inv, lent by replyScratch or in inv itself. The error is of the invocation as a
// whole: nothing was answered.
func (e *Executor) open(inv *invocation, response *driver.Response, received time.Time) ([]Reply, error) {
	c := inv.call
	inv.answered = true
	inv.measured(response)
	reply, err := codec.DecodeReply(response.Payload)
	if err == nil && reply.ID != inv.id {
		err = fmt.Errorf("the reply is to request %.40q, not to %q", reply.ID, inv.id)
	}
	private := false
	if err == nil {
		var lost *driver.InvokeError
		if reply, private, lost = e.on.Payloads.Unpack(&inv.ctx, inv.id, reply); lost != nil {
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
		return nil, &driver.InvokeError{
			Outcome: driver.OutcomeUnknown, Kind: driver.ErrDecode, Err: err, RequestID: response.RequestID,
			Hint: "is the Lambda function a lambdapool agent, and nothing on the way changes replies?",
		}
	}
	e.measure(inv, response, reply, received)
	if reply.Err != nil {
		return nil, e.Refusal(c.fn, reply.Err, response.RequestID)
	}
	total := 0
	for i := range reply.Items {
		total += len(reply.Items[i].Value)
	}
	// What is larger than the payload was decompressed, into a buffer that nobody else has.
	private = private || total > len(response.Payload)
	replies := inv.reply[:]
	if n := len(reply.Items); n != 1 {
		replies = replyScratch.lend(n)
	}
	for i := range reply.Items {
		value := reply.Items[i].Value
		replies[i].Value, replies[i].Own = value, private && len(value) > total/2
		if wire := reply.Items[i].Err; wire != nil {
			if wire.Kind == codec.KindTimeout && c.overdue(received) { // the agent was first to say so
				wire.Hint = cmp.Or(wire.Hint, e.timeoutHint(c))
			}
			replies[i].Err = e.ItemError(wire, response.RequestID, response.LogTail, reply.Items[i].Logs)
			replies[i].notBegun = wire.Kind == codec.KindNotBegun
		}
	}
	e.heard(inv, reply.Items)
	return replies, nil
}

// measured takes the platform's measurements.
func (inv *invocation) measured(response *driver.Response) {
	inv.memory, inv.billed = response.MemoryLimit, response.Billed
	r := inv.record
	if r == nil {
		return
	}
	r.RequestID, r.Version = response.RequestID, response.ExecutedVersion
	r.Billed, r.Init = response.Billed, response.Init
	r.Memory, r.MemoryPeak = response.MemoryLimit, response.MemoryPeak
	r.BytesIn = len(response.Payload)
}

// reported takes the agent's measurements.
func (inv *invocation) reported(agent *codec.AgentStats) {
	inv.cold, inv.memory = agent.Cold, max(inv.memory, agent.Memory)
	if n := agent.Nested; n != nil && n.Invocations > 0 && n.Billed >= 0 && n.GBSeconds >= 0 && n.Unknown >= 0 {
		inv.nested = *n
	}
	r := inv.record
	if r == nil {
		return
	}
	r.Instance, r.Cold, r.CPU = agent.Instance, agent.Cold, agent.CPU
	r.Run, r.Init = agent.Run, max(r.Init, agent.Init)
	r.Memory, r.MemoryPeak = inv.memory, max(r.MemoryPeak, agent.PeakMemory)
}

// measure files what platform and agent measured.
func (e *Executor) measure(inv *invocation, response *driver.Response, reply *codec.Reply, received time.Time) {
	e.compareBuild(reply.Agent.Build)
	inv.reported(&reply.Agent)
	e.reckon(inv, reply.Agent.Run, received.Sub(inv.started))
	c := inv.call
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
			stats.ColdStart = inv.cold
			stats.MemoryPeak = max(response.MemoryPeak, reply.Agent.PeakMemory)
			stats.Received = len(response.Payload)
			stats.RequestID = response.RequestID
		}
		c.mu.Unlock()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if inv.cold {
		e.stats.ColdStarts++
	}
	e.stats.Received += int64(len(response.Payload))
	e.stats.Run += run
	e.stats.Billed += response.Billed
	if reply.Err == nil {
		e.observeRun(inv, received.Sub(inv.started), reply.Agent.Run)
	}
	e.stats.Invocations += inv.nested.Invocations
	e.stats.Billed += inv.nested.Billed
	e.counted(inv)
	l := c.lane()
	if l != nil {
		l.observeResults(reply) // a cold start makes no result larger
	}
	if reply.Err != nil {
		return
	}
	if !inv.cold {
		e.way.Observe(received.Sub(inv.started), reply.Agent.Run)
	}
	if l != nil {
		l.observe(inv, reply, received, len(response.Payload))
	}
}

// Refusal is the error of a request of which no item ran.
func (e *Executor) Refusal(f *registry.Function, wire *codec.Error, requestID string) error {
	err := &driver.InvokeError{
		Outcome: driver.OutcomeNotRun, Kind: driver.ErrDecode, Err: errors.New(wire.Message),
		Permanent: true, RequestID: requestID, Hint: wire.Hint,
	}
	switch wire.Kind {
	case codec.KindNotRegistered:
		err.Kind = driver.ErrNotRegistered
		if f.Late() {
			err.Hint = "here it was registered after agent.Main was called, where an agent never gets: register it in a package-level variable, in init, or before agent.Main"
		}
	case codec.KindVersionMismatch:
		err.Kind, err.Err = driver.ErrVersionMismatch, mismatch(f, wire.Message, wire.Hint)
		err.Hint = "build client and agent from the same code; deploy the agent again"
	case codec.KindTooLarge:
		err.Kind, err.Outcome, err.Hint = driver.ErrTooLarge, driver.OutcomeRan, e.on.Payloads.Larger(err.Hint)
	case codec.KindStore:
		err.Kind, err.Permanent = driver.ErrStore, wire.Final
	case codec.KindCanceled:
		err.Kind, err.Err = driver.ErrCanceled, &saidError{wire.Message, context.Canceled}
	case codec.KindStart:
		err.Kind = driver.ErrAgentStart
	case codec.KindExpired:
		err.Kind = driver.ErrExpired
	case codec.KindLost:
		err.Kind, err.Outcome = driver.ErrUnknownOutcome, driver.OutcomeUnknown
	}
	return err
}

// mismatch shows the two shapes of a function; the agent sends its own, short
// and written out. Where the short ones are equal, a struct's fields differ.
func mismatch(f *registry.Function, shape, signature string) error {
	mine := f.Shape()
	if shape == mine {
		mine, shape = f.Signature(), signature
	}
	return fmt.Errorf("%s: client %s, agent %s", f.Name(), mine, shape)
}

// ItemError is the error of an item that ran. log is the end of its agent's, if known, and said what the
// function has logged.
func (e *Executor) ItemError(wire *codec.Error, requestID, log string, said *codec.LogLines) error {
	if wire.Kind == codec.KindFunction || wire.Kind == codec.KindPanic {
		return &failure.Function{Wire: wire, RequestID: requestID, LogTail: funclog.Tail(said)}
	}
	err := &driver.InvokeError{
		Outcome: driver.OutcomeRan, Kind: driver.ErrDecode, Err: errors.New(wire.Message),
		Permanent: true, RequestID: requestID, Hint: wire.Hint, LogTail: funclog.Tail(said),
	}
	switch wire.Kind {
	case codec.KindTimeout:
		err.Kind, err.Err = driver.ErrTimeout, &saidError{wire.Message, context.DeadlineExceeded}
		if err.Hint == "" {
			err.Hint = "allow more: the function's timeout, WithTimeout, WithAttemptTimeout and the context's deadline all end a call"
		}
		err.Permanent = false // with all of the time for itself, or another machine's, it may do
	case codec.KindEncode:
		err.Kind = driver.ErrEncode
	case codec.KindTooLarge:
		err.Kind, err.Hint = driver.ErrTooLarge, e.on.Payloads.Larger(err.Hint)
	case codec.KindStore:
		err.Kind, err.Permanent = driver.ErrStore, wire.Final
	case codec.KindBadRequest:
		err.Outcome = driver.OutcomeNotRun
	case codec.KindVersionMismatch: // backend/check says so of a result
		err.Kind = driver.ErrVersionMismatch
	case codec.KindNotBegun:
		err.Kind, err.Outcome, err.Permanent = driver.ErrTimeout, driver.OutcomeNotRun, false
		err.Err = errors.New("the agent has not begun it: the time of its invocation was up")
	case codec.KindCrashed:
		err.Kind, err.Permanent, err.LogTail = driver.ErrAgentCrashed, false, cmp.Or(wire.Stack, log)
	case codec.KindOutOfMemory:
		err.Kind, err.Permanent, err.LogTail = driver.ErrOutOfMemory, false, cmp.Or(wire.Stack, log)
	}
	return err
}

// A saidError is what an agent said, and matches what it means.
type saidError struct {
	text  string
	means error
}

func (e *saidError) Error() string { return e.text }
func (e *saidError) Unwrap() error { return e.means }
