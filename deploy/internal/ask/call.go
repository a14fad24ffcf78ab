package ask

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/deploy/shared"
	"github.com/lambdapool/lambdapool/internal/suggest"
)

// Call calls a registered function: one invocation asks for its signature, one runs it. An error of the function
// is a *lambdapool.FunctionError.
func (a *Agent) Call(ctx context.Context, call shared.Call) (*shared.Result, error) {
	shape, full, err := a.Signature(ctx, call.Function)
	if err != nil {
		return nil, err
	}
	to, err := NewConverter(lambdapool.Foreign{Name: call.Function, Shape: shape, Signature: full})
	if err != nil {
		return nil, err
	}
	args, err := to.Arguments(call.Args...)
	if err != nil {
		return nil, err
	}
	reply, resp, err := a.exchange(ctx, &codec.Request{
		Func: call.Function, Shape: fingerprint(call.Function, full), Items: [][]byte{args},
	})
	if err != nil {
		return nil, err
	}
	if reply.Err == nil && len(reply.Items) == 1 {
		reply.Err = reply.Items[0].Err
	}
	if reply.Err != nil || len(reply.Items) != 1 {
		return nil, callFailed(call.Function, reply.Err, resp.RequestID)
	}
	r := &shared.Result{
		Shape: shape, Run: reply.Items[0].Run, CPU: reply.Agent.CPU, Billed: resp.Billed,
		PeakMemory: reply.Agent.PeakMemory, Memory: reply.Agent.Memory, Cold: reply.Agent.Cold,
		RequestID: resp.RequestID, Version: resp.ExecutedVersion,
	}
	if r.Value, err = to.Result(reply.Items[0].Value); err != nil {
		return nil, err
	}
	return r, nil
}

// Signature asks for a function with a shape that nobody has: the agent answers with
// its own, as to any client that differs.
func (a *Agent) Signature(ctx context.Context, function string) (shape, full string, err error) {
	reply, _, err := a.exchange(ctx, &codec.Request{Func: function})
	switch {
	case err != nil:
		return "", "", err
	case reply.Err == nil:
		return "", "", &shared.Error{Kind: shared.ErrNotAgent, Err: errors.New("it accepts calls without comparing shapes")}
	case reply.Err.Kind == codec.KindVersionMismatch:
		return reply.Err.Message, reply.Err.Hint, nil
	case reply.Err.Kind == codec.KindNotRegistered:
		hint := "lambdapool show " + a.Name + " lists its functions"
		if r, err := a.Describe(ctx); err == nil {
			names := make([]string, 0, len(r.Functions))
			for _, f := range r.Functions {
				names = append(names, f.Name)
			}
			if near := suggest.Nearest(function, names); len(near) > 0 {
				hint = "did you mean " + near[0] + "? " + hint
			}
		}
		return "", "", &shared.Error{Err: fmt.Errorf("%w: %q", lambdapool.ErrNotRegistered, function), Hint: hint}
	}
	return "", "", callFailed(function, reply.Err, "")
}

// fingerprint is lambdapool.Function.Fingerprint of a function this program has not.
func fingerprint(name, signature string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\n%s", name, signature)
	return h.Sum64()
}

// callFailed is the error of a call that the agent answered.
func callFailed(function string, e *codec.Error, requestID string) error {
	switch {
	case e == nil:
		return errors.New("the agent answered without a result")
	case e.Kind == codec.KindFunction || e.Kind == codec.KindPanic:
		ferr := &lambdapool.FunctionError{Func: function, Type: e.Type, Message: e.Message, Panic: e.Kind == codec.KindPanic, Stack: e.Stack, RequestID: requestID}
		for _, l := range e.Chain {
			ferr.Chain = append(ferr.Chain, lambdapool.ErrorDetail{Type: l.Type, Message: l.Message})
		}
		return ferr
	}
	return &shared.Error{Err: fmt.Errorf("%s: %s", function, e.Message), Hint: e.Hint}
}
