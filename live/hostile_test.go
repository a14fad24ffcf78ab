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
