package runs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/detached"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/payload"
)

// A State is how many calls of a run stand where: lambdapool.RunState by another name, which has the docs.
type State struct {
	At time.Time

	Sent, Queued, Running, Succeeded, Failed, Expired, Canceled int // calls

	Deliveries, Duplicates int // invocations
	Bytes                  int64
	Chunks                 []ChunkState
}

// A ChunkState is where one invocation of a run stands. A pointer to one converts to a pointer to lambdapool.ChunkState.
type ChunkState struct {
	First, Calls int
	State        string
	Started      time.Time
	Ended        time.Time
	Failed       int
	Deliveries   int
	Duplicates   int
	Bytes        int64
}

// look is what is being done when a run's state is looked at.
const look = "look at run of"

// State looks how far the run has come, with one listing.
func (f *Follower) State(ctx context.Context) (State, *failure.Pool) {
	view := detached.NewView(f.m)
	now, err := listRun(ctx, f.store, view, 0)
	state := State{At: now}
	if err == nil && view.SentSize > 0 {
		state.Sent, err = f.sent(ctx)
	}
	if err != nil {
		return state, failure.Invoke(look, f.fn.Name(), payload.Failure("list", driver.OutcomeUnknown, err))
	}
	for n := range view.Len() {
		first, end := f.m.Span(n)
		c, shown := view.Chunk(n), ChunkState{}
		state.add(&shown, c, first, end-first, f.m.Judge(c, now))
		if n < stateChunks || *c != (detached.Chunk{}) {
			state.Chunks = append(state.Chunks, shown)
		}
	}
	return state, nil
}

// stateChunks is how many invocations a State has although nothing is recorded of them: how many
// there are is what the manifest claims.
const stateChunks = 1 << 16

// sent is how many calls the platform has accepted.
func (f *Follower) sent(ctx context.Context) (calls int, err error) {
	body, err := readObject(ctx, f.store, detached.SentKey(f.m.ID))
	if err != nil {
		return 0, err
	}
	sent, err := detached.DecodeSent(body, f.m.Chunks())
	if err != nil {
		return 0, err
	}
	for _, span := range sent.Ranges {
		first, _ := f.m.Span(span[0])
		_, end := f.m.Span(span[1])
		calls += end - first
	}
	return calls, nil
}

func (s *State) add(to *ChunkState, c *detached.Chunk, first, calls int, verdict detached.Verdict) {
	all := calls
	calls, before := c.Left(all) // what follows is of those that no earlier agent has brought to an end
	failed := failedOf(c, calls)
	s.Failed, s.Succeeded = s.Failed+before, s.Succeeded+all-calls-before
	*to = ChunkState{
		First: first, Calls: all, Started: c.Started, Ended: c.Ended, Failed: failed,
		Deliveries: c.Deliveries, Duplicates: c.Duplicates, Bytes: c.Size,
	}
	switch {
	case !c.Over() && verdict == detached.Late:
		to.State, to.Failed = "expired", calls
		s.Expired += calls
	case !c.Over() && verdict == detached.Lost:
		to.State, to.Failed = "ended", calls
		s.Failed += calls
	case !c.Over() && c.State == detached.Running:
		to.State = "running"
		s.Running += calls
	case !c.Over():
		to.State = "queued"
		s.Queued += calls
	case c.State == detached.Expired:
		to.State = "expired"
		s.Expired += calls
	case c.State == detached.Canceled:
		to.State = "canceled"
		s.Canceled += calls
	default:
		to.State = "ended"
		s.Failed += failed
		s.Succeeded += calls - failed
	}
	if c.State == detached.Expired || c.State == detached.Canceled { // begun by who ended it
		if to.Deliveries = max(0, c.Deliveries-1); to.Deliveries == 0 {
			to.Started = time.Time{}
		}
	}
	to.Failed += before
	s.Deliveries += to.Deliveries
	s.Duplicates += c.Duplicates
	s.Bytes += c.Size
}

// Claim returns what the first agent that began call i has said of itself.
func (f *Follower) Claim(ctx context.Context, i int) (claim codec.Claim, failed *failure.Pool) {
	if failed := f.has(i); failed != nil {
		return claim, failed
	}
	body, err := readObject(ctx, f.store, detached.ChunkKey(f.m.ID, i/f.m.Chunk, detached.Claim))
	if err == nil {
		err = json.Unmarshal(body, &claim)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return claim, failure.NotRun(look, f.fn.Name(), ErrRunNotFound, fmt.Errorf("nobody has begun call %d of run %s: %w", i, f.m.ID, err), "")
	case err != nil:
		return claim, failure.Invoke(look, f.fn.Name(), payload.Failure(fmt.Sprintf("see where call %d runs", i), driver.OutcomeUnknown, err))
	}
	return claim, nil
}

// has refuses a call that the run has not.
func (f *Follower) has(i int) *failure.Pool {
	if i < 0 || i >= f.m.Items {
		return failure.NotRun(look, f.fn.Name(), driver.ErrBadArguments, fmt.Errorf("there is no call %d, the run has %d", i, f.m.Items), "")
	}
	return nil
}
