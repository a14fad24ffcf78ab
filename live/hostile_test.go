package live_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/codec"
)

// boasting is a backend whose agents say of themselves what they like.
type boasting struct {
	*inproc.Backend

	says func(*codec.AgentStats)
}

func (b boasting) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	resp, err := b.Backend.Invoke(ctx, req)
	if err != nil {
		return nil, err
	}
	reply, err := codec.DecodeReply(resp.Payload)
	if err != nil {
		return nil, err
	}
	b.says(&reply.Agent)
	resp.Payload, err = codec.EncodeReply(reply)
	return resp, err
}

// An agent's name is kept, and sent to the page each second: a megabyte of it would be, too.
func TestPageKeepsTheBeginningOfNames(t *testing.T) {
	page := serve(t)
	e, err := lambdapool.New(boasting{inproc.New(), func(a *codec.AgentStats) {
		a.Instance = "\xff<b>" + strings.Repeat("long", 1<<18)
		a.Cold, a.Init, a.Run = true, 1<<62, 1<<62
	}}, page)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := lambdapool.Call(t.Context(), e, half, 2); err != nil {
		t.Fatal(err)
	}
	s := last(t, page, events(t, page))
	if len(s.Agents.Rows) != 1 {
		t.Fatalf("%d agents", len(s.Agents.Rows))
	}
	row := s.Agents.Rows[0]
	if !strings.HasPrefix(row.Name, `\xff<b>longlong`) || len(row.Name) > 110 || row.Parts[0][2] > (24*time.Hour).Milliseconds() {
		t.Errorf("an agent of %d bytes, %.20s, %v", len(row.Name), row.Name, row.Parts)
	}
}

// A busyError does something else with the pool when it is asked what it says.
type busyError struct {
	t    *testing.T
	pool *lambdapool.Executor
}

func (e busyError) Error() string {
	called := make(chan struct{})
	go func() {
		defer close(called)
		if _, err := lambdapool.Call(e.t.Context(), e.pool, half, 2); err != nil {
			e.t.Error(err)
		}
	}()
	select {
	case <-called:
	case <-time.After(5 * time.Second):
		e.t.Error("no call can be made while an error is asked what it says")
	}
	return "the input broke"
}

// The text of an error may be the program's code, which may need a lock that others hold while they make calls.
func TestPageAsksErrorsWithoutItsLock(t *testing.T) {
	page := serve(t)
	e, err := lambdapool.New(inproc.New(inproc.WithConcurrency(4)), page)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for range lambdapool.StreamFrom(t.Context(), e, half, func(yield func(int, error) bool) { yield(0, busyError{t, e}) }) {
	}
	if s := last(t, page, events(t, page)); len(s.Runs) != 1 || !strings.Contains(s.Runs[0].Problem, "the input broke") {
		t.Errorf("runs %+v", s.Runs)
	}
}
