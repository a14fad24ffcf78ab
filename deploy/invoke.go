package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/suggest"
)

// A Call is one call of a registered function, with JSON instead of Go values.
type Call struct {
	Function  string   // registered name
	Args      []string // one JSON value each; for a string parameter, text without quotes is taken as it is
	Qualifier string   // version or alias; "": the newest code
}

// A Result is what a call returned, and what the run took.
type Result struct {
	Value      json.RawMessage `json:"value"` // null for a function without a result
	Shape      string          `json:"shape"`
	Run        time.Duration   `json:"run_ns"`
	CPU        time.Duration   `json:"cpu_ns"`
	Billed     time.Duration   `json:"billed_ns"`
	PeakMemory int64           `json:"peak_memory_bytes"`
	Memory     int64           `json:"memory_bytes"`
	Cold       bool            `json:"cold"`
	RequestID  string          `json:"request_id"`
	Version    string          `json:"version"`
}

// Call calls a registered function of a deployed agent. Arguments are converted
// as encoding/json does: numbers must fit, unknown fields are errors, []byte is
// base64, time.Time is RFC 3339. Functions whose parameters or result are complex
// numbers, contain themselves, or have maps with keys other than strings and
// integers cannot be called this way.
//
// It makes two invocations: one asks for the signature, one runs. An error of the
// function is a *lambdapool.FunctionError; one that matches [ErrInvalid] is about the arguments.
func (c *Client) Call(ctx context.Context, name string, call Call) (*Result, error) {
	if err := checkName(name); err != nil {
		return nil, fail("invoke", name, err)
	}
	r, err := c.call(ctx, name, call)
	if ferr, ok := errors.AsType[*lambdapool.FunctionError](err); ok {
		return nil, ferr
	}
	return r, fail("invoke", name, err)
}

func (c *Client) call(ctx context.Context, name string, call Call) (*Result, error) {
	shape, full, err := c.signature(ctx, name, call)
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
	reply, resp, err := c.ask(ctx, name, call.Qualifier, &codec.Request{
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
	r := &Result{
		Shape: shape, Run: reply.Items[0].Run, CPU: reply.Agent.CPU, Billed: resp.Billed,
		PeakMemory: reply.Agent.PeakMemory, Memory: reply.Agent.Memory, Cold: reply.Agent.Cold,
		RequestID: resp.RequestID, Version: resp.ExecutedVersion,
	}
	if r.Value, err = to.Result(reply.Items[0].Value); err != nil {
		return nil, err
	}
	return r, nil
}

// signature asks for a function with a shape that nobody has: the agent answers with
// its own, as to any client that differs.
func (c *Client) signature(ctx context.Context, name string, call Call) (shape, full string, err error) {
	reply, _, err := c.ask(ctx, name, call.Qualifier, &codec.Request{Func: call.Function})
	switch {
	case err != nil:
		return "", "", err
	case reply.Err == nil:
		return "", "", &Error{Kind: ErrNotAgent, Err: errors.New("it accepts calls without comparing shapes")}
	case reply.Err.Kind == codec.KindVersionMismatch:
		return reply.Err.Message, reply.Err.Hint, nil
	case reply.Err.Kind == codec.KindNotRegistered:
		hint := "lambdapool show " + name + " lists its functions"
		if r, err := c.Describe(ctx, name, call.Qualifier); err == nil {
			names := make([]string, 0, len(r.Functions))
			for _, f := range r.Functions {
				names = append(names, f.Name)
			}
			if near := suggest.Nearest(call.Function, names); len(near) > 0 {
				hint = "did you mean " + near[0] + "? " + hint
			}
		}
		return "", "", &Error{Err: fmt.Errorf("%w: %q", lambdapool.ErrNotRegistered, call.Function), Hint: hint}
	}
	return "", "", callFailed(call.Function, reply.Err, "")
}

// fingerprint is lambdapool.Function.Fingerprint of a function this program has not.
func fingerprint(name, signature string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\n%s", name, signature)
	return h.Sum64()
}

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
	return &Error{Err: fmt.Errorf("%s: %s", function, e.Message), Hint: e.Hint}
}

// encode turns JSON texts into the bytes of one call's arguments.
func (s *signature) encode(args []string) ([]byte, error) {
	fixed := len(s.args)
	if s.variadic {
		fixed--
	}
	if len(args) < fixed || len(args) > fixed && !s.variadic {
		return nil, fmt.Errorf("%d arguments where %d belong", len(args), fixed)
	}
	var types []*codec.Type
	var values []reflect.Value
	for i, t := range s.args {
		v := reflect.New(t).Elem()
		if i < fixed {
			if err := fromJSON(args[i], v.Addr()); err != nil {
				return nil, fmt.Errorf("argument %d: %w", i+1, err)
			}
		} else {
			for j, arg := range args[fixed:] {
				elem := reflect.New(t.Elem())
				if err := fromJSON(arg, elem); err != nil {
					return nil, fmt.Errorf("argument %d: %w", fixed+j+1, err)
				}
				v.Set(reflect.Append(v, elem.Elem()))
			}
		}
		ct, err := codec.TypeOf(t)
		if err != nil {
			return nil, err
		}
		types, values = append(types, ct), append(values, v)
	}
	return codec.Marshal(types, values)
}

// fromJSON decodes text into what ptr points to.
func fromJSON(text string, ptr reflect.Value) error {
	if ptr.Elem().Kind() == reflect.String && (!strings.HasPrefix(text, `"`) || !json.Valid([]byte(text))) {
		ptr.Elem().SetString(text)
		return nil
	}
	switch ptr.Elem().Kind() {
	case reflect.Complex64, reflect.Complex128:
		return errors.New("a complex number has no JSON")
	case reflect.Pointer, reflect.Slice, reflect.Map:
	default:
		if strings.TrimSpace(text) == "null" {
			return fmt.Errorf("null is not a %v", ptr.Elem().Type())
		}
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(ptr.Interface()); err != nil {
		if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			at := ""
			if t.Field != "" {
				at = " at " + t.Field
			}
			return fmt.Errorf("%s is a JSON %s, not a %v%s", text, t.Value, t.Type, at)
		}
		return fmt.Errorf("%s: %w", text, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: more than one JSON value", text)
	}
	return nil
}

// decode turns the bytes of a result into JSON.
func (s *signature) decode(data []byte) (json.RawMessage, error) {
	if s.result == nil {
		return json.RawMessage("null"), nil
	}
	t, err := codec.TypeOf(s.result)
	if err != nil {
		return nil, err
	}
	v := reflect.New(s.result)
	if err := codec.Unmarshal(data, []*codec.Type{t}, []reflect.Value{v.Elem()}); err != nil {
		return nil, err
	}
	text, err := json.Marshal(v.Interface())
	if err != nil {
		return nil, fmt.Errorf("JSON cannot show it: %w", err)
	}
	return text, nil
}
