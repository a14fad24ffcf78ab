package lambdapool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/detached"
)

// A RunState is how many calls of a detached run stand where. Their sum is that of its calls.
type RunState struct {
	At        time.Time // the store's clock
	Sent      int       // calls that the platform has accepted; the rest is being sent, or its client died
	Queued    int       // no agent has begun them
	Running   int       // an agent has begun them
	Succeeded int
	Failed    int // ended in an error of the function or the pool, other than the two below
	Expired   int // not begun in time
	Canceled  int

	Deliveries int   // invocations that ran calls
	Duplicates int   // deliveries that did not, or whose result came second: the platform delivers at least once
	Bytes      int64 // of results
	Chunks     []ChunkState
}

// A ChunkState is where one invocation of a detached run stands. Times are the store's.
type ChunkState struct {
	First, Calls int       // its calls: the position of the first in the input, and how many
	State        string    // "queued", "running", "ended", "expired" or "canceled"
	Started      time.Time // zero: not begun
	Ended        time.Time // zero: not ended
	Failed       int       // calls that ended in an error
	Deliveries   int
	Duplicates   int
	Bytes        int64 // of its result
}

// State looks how far the run has come: one listing of its objects, however many there are to
// a page. What is recorded as failed is counted by a mark beside the result; a result is
// the truth where the two differ. Calls that nobody will bring to an end any more count as
// ended, although that is recorded only when somebody asks for results.
func (r *Run[R]) State(ctx context.Context) (RunState, error) {
	view := detached.NewView(r.m)
	now, err := listRun(ctx, r.store, view, 0)
	state := RunState{At: now}
	if err == nil && view.SentSize > 0 {
		var body []byte
		if body, err = readObject(ctx, r.store, detached.SentKey(r.m.ID)); err == nil {
			var sent *detached.Sent
			if sent, err = detached.DecodeSent(body, r.m.Chunks()); err == nil {
				for _, span := range sent.Ranges {
					first, _ := r.m.Span(span[0])
					_, end := r.m.Span(span[1])
					state.Sent += end - first
				}
			}
		}
	}
	if err != nil {
		return state, runFailure("look at run of", r.fn.name, storeFailure("list", OutcomeUnknown, err))
	}
	state.Chunks = make([]ChunkState, len(view.Chunks))
	for n := range view.Chunks {
		first, end := r.m.Span(n)
		state.add(&state.Chunks[n], &view.Chunks[n], first, end-first, r.m.Judge(&view.Chunks[n], now))
	}
	return state, nil
}

func (s *RunState) add(to *ChunkState, c *detached.Chunk, first, calls int, verdict detached.Verdict) {
	failed := failedOf(c, calls)
	*to = ChunkState{
		First: first, Calls: calls, Started: c.Started, Ended: c.Ended, Failed: failed,
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
		to.Started, to.Deliveries = time.Time{}, max(0, c.Deliveries-1)
	}
	s.Deliveries += to.Deliveries
	s.Duplicates += c.Duplicates
	s.Bytes += c.Size
}

// A Place is where a call runs, or ran.
type Place struct {
	Instance  string    // names the agent process; "" where a client ended the call without one
	RequestID string    // the platform's
	LogStream string    // of the function's log
	At        time.Time // when it began, by the agent's clock
}

// Place returns where the first delivery of call i runs, or ran. It reads one object. The error is
// an [ErrRunNotFound] where nobody has begun the call.
func (r *Run[R]) Place(ctx context.Context, i int) (Place, error) {
	if err := r.checkCall(i); err != nil {
		return Place{}, err
	}
	body, err := readObject(ctx, r.store, detached.ChunkKey(r.m.ID, i/r.m.Chunk, detached.Claim))
	var claim codec.Claim
	if err == nil {
		err = json.Unmarshal(body, &claim)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return Place{}, callError("look at run of", r.fn.name, ErrRunNotFound, fmt.Errorf("nobody has begun call %d of run %s: %w", i, r.m.ID, err), "")
	}
	if err != nil {
		return Place{}, runFailure("look at run of", r.fn.name, storeFailure(fmt.Sprintf("see where call %d runs", i), OutcomeUnknown, err))
	}
	return Place{Instance: claim.Instance, RequestID: claim.RequestID, LogStream: claim.LogStream, At: claim.At}, nil
}

// checkCall refuses a call that the run has not.
func (r *Run[R]) checkCall(i int) error {
	if i < 0 || i >= r.m.Items {
		return callError("look at run of", r.fn.name, ErrBadArguments, fmt.Errorf("there is no call %d, the run has %d", i, r.m.Items), "")
	}
	return nil
}
