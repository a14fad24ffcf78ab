package runs

import (
	"context"
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/detached"
	"github.com/lambdapool/lambdapool/internal/engine"
)

// An agent that has no time to begin all items of its chunk records what it has, and leaves the
// rest. Nobody but a client may send that again: whoever follows the run does. The next agent
// claims it as the first one did the chunk. Clients tell each other that they send it, so that it is not
// sent twice without need.

// restPatience is after how long a rest is sent once more that no agent has claimed: if it was dropped
// and does not wait in a queue.
const restPatience = 5 * time.Minute

// sendRest has the platform queue what is left of a chunk, unless another client does. now is the store's
// clock. The error is the store's; what the platform refuses is sent another time.
func (f *Follower) sendRest(ctx context.Context, chunk int, c *detached.Chunk, now time.Time) error {
	key := detached.ChunkKey(f.m.ID, chunk, detached.TurnName(detached.Asked, c.Rests))
	var err error
	first := true
	if c.Asked.IsZero() {
		first, err = createObject(ctx, f.store, key, nil)
	} else {
		err = putObject(ctx, f.store, key, nil)
	}
	if err != nil || !first {
		return err
	}
	if err := f.queueRest(ctx, chunk, c.Rests, now); err != nil {
		f.e.Ground().Logger.Warn("lambdapool: send again what an agent had no time to begin; it is tried again",
			"run", f.m.ID, "chunk", chunk, "error", err)
		return f.store.Delete(context.WithoutCancel(ctx), key)
	}
	return nil
}

func (f *Follower) queueRest(ctx context.Context, chunk, turns int, now time.Time) error {
	events, ok := f.e.Ground().Backend.(driver.Detacher)
	if !ok {
		return fmt.Errorf("backend %T cannot run what nobody waits for", f.e.Ground().Backend)
	}
	s := &Submission{e: f.e, fn: f.fn, ctx: ctx, store: f.store, events: events, m: f.m, begun: time.Now(), at: now}
	var err error
	if s.limits, err = eventLimits(ctx, events); err != nil {
		return err
	}
	reply, _, err := f.open(ctx, chunk, detached.TurnName(detached.Rest, turns))
	if err != nil {
		return err
	}
	// Each turn ends one call at least: so an agent that lies cannot have itself called for ever.
	if first, end := f.m.Span(chunk); reply.Left == nil || len(reply.Left.Items) == 0 || len(reply.Left.Items) > end-first-turns {
		return &codec.FrameError{Reason: fmt.Sprintf("what %d agents have left of %d calls makes no sense", turns, end-first)}
	}
	s.cfg.Parallel = reply.Left.Parallel
	logs := reply.Left.Logs
	if logs != nil {
		logs.Run = f.m.ID
	}
	body, err := s.payload(ctx, chunk, turns, reply.Left.Items, logs)
	if err != nil {
		return err
	}
	return s.invoke(ctx, &driver.Request{Payload: body, Registry: (*driver.Registry)(f.e.Ground().Registry)})
}

// parts reads what is recorded of a chunk that is over: what each turn has left, and the result. size is that
// of all in bytes.
func (f *Follower) parts(ctx context.Context, chunk int) (parts []*codec.Reply, size int, err error) {
	last, size, err := f.open(ctx, chunk, detached.Result)
	if err != nil {
		return nil, 0, err
	}
	if first, end := f.m.Span(chunk); last.Turn < 0 || last.Turn >= end-first { // each turn begins one at least
		return nil, 0, &codec.FrameError{Reason: fmt.Sprintf("the result of %d calls says that it comes after %d others", end-first, last.Turn)}
	}
	for turn := 1; turn <= last.Turn; turn++ {
		part, n, err := f.open(ctx, chunk, detached.TurnName(detached.Rest, turn))
		if err != nil {
			return nil, 0, err
		}
		part.Left = nil
		parts, size = append(parts, part), size+n
	}
	return append(parts, last), size, nil
}

// replies takes what is recorded of a chunk apart: each part is of the calls that those before have left.
func (f *Follower) replies(chunk int, parts []*codec.Reply) ([]engine.Reply, error) {
	first, end := f.m.Span(chunk)
	replies, left := make([]engine.Reply, end-first), make([]int, end-first)
	for i := range left {
		left[i] = i
	}
	for turn, part := range parts {
		if part.Err != nil {
			err := f.e.Refusal(f.fn, part.Err, part.Agent.RequestID)
			if turn == 0 {
				return nil, err
			}
			for _, i := range left {
				replies[i].Err = err
			}
			return replies, nil
		}
		if len(part.Items) != len(left) {
			return nil, &driver.InvokeError{Outcome: driver.OutcomeRan, Kind: driver.ErrDecode, Err: fmt.Errorf("the result is of %d calls, the invocation had %d", len(part.Items), len(left))}
		}
		open := left[:0]
		for k, i := range left {
			wire := part.Items[k].Err
			if wire != nil && wire.Kind == codec.KindNotBegun && turn+1 < len(parts) {
				open = append(open, i)
				continue
			}
			replies[i].Value, replies[i].Own = part.Items[k].Value, len(part.Items) == 1
			if logs := part.Items[k].Logs; logs != nil {
				f.e.Heard(f.fn, f.m.ID, first+i, 0, logs)
			}
			if wire != nil {
				replies[i].Err = f.e.ItemError(wire, part.Agent.RequestID, "", part.Items[k].Logs)
			}
		}
		left = open
	}
	return replies, nil
}
