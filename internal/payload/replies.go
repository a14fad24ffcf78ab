package payload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
)

// Unpack returns the whole of a reply to the request id. Its second result says that
// the values lie in a buffer of their own. Where it
// fails, the functions ran, but their results are lost.
func (p *Payloads) Unpack(ctx context.Context, id string, reply *codec.Reply) (*codec.Reply, bool, *driver.InvokeError) {
	var key string
	if p.Store != nil {
		key = p.replied(id)
	}
	if reply.Stored == nil {
		if key != "" && !notStored(reply) {
			p.keys.forget(key)
		}
		return reply, false, nil
	}
	if key == "" {
		return nil, false, Failure("take the result", driver.OutcomeRan, errors.New("the agent stored it, but nobody said where"))
	}
	full, err := p.open(ctx, key, reply.Stored)
	if err != nil {
		return nil, false, Failure(fmt.Sprintf("fetch the result of %d bytes", reply.Stored.Size), driver.OutcomeRan, err)
	}
	p.keys.drop(key)
	full.ID, full.Agent = reply.ID, reply.Agent
	return full, true, nil
}

// notStored reports that an agent tried to store its reply; who knows what it left.
func notStored(reply *codec.Reply) bool {
	return slices.ContainsFunc(reply.Items, func(item codec.ItemReply) bool {
		return item.Err != nil && item.Err.Kind == codec.KindStore
	})
}

// open reads a stored reply, again where the connection was lost.
func (p *Payloads) open(ctx context.Context, key string, s *codec.Stored) (*codec.Reply, error) {
	for try := 1; ; try++ {
		reply, err := p.openOnce(ctx, key, s)
		var wrong *codec.FrameError
		var known *driver.InvokeError
		if err == nil || try == openTries || ctx.Err() != nil || errors.As(err, &wrong) || errors.As(err, &known) {
			return reply, err
		}
	}
}

func (p *Payloads) openOnce(ctx context.Context, key string, s *codec.Stored) (*codec.Reply, error) {
	body, size, err := p.Store.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if size != s.Size {
		return nil, &codec.FrameError{
			Reason: fmt.Sprintf("the object has %d bytes, the agent stored %d", size, s.Size), Err: codec.ErrDamaged,
		}
	}
	reply, err := codec.ReadReply(body, s)
	if err == nil {
		p.got.Add(size)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("connection lost: %w", err)
	}
	return reply, err
}
