package runs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/detached"
	"github.com/lambdapool/lambdapool/internal/engine"
	"github.com/lambdapool/lambdapool/internal/payload"
)

// An Outcome is what became of a chunk.
type Outcome struct {
	Chunk   int
	Replies []engine.Reply // one for each of its calls
	Agent   codec.AgentStats
	Size    int   // bytes of the result
	Err     error // it cannot be had
}

// Outcomes yields what became of each chunk, as they end, a few fetched ahead. When the run
// cannot be followed any longer, or ctx ends, an outcome of chunk -1 says why, and is the last.
// report is called meanwhile, by the consumer's goroutine.
func (f *Follower) Outcomes(ctx context.Context, report func(sent int, final bool)) iter.Seq[Outcome] {
	return func(yield func(Outcome) bool) {
		ctx, cancel := context.WithCancel(ctx)
		out := make(chan Outcome)
		var fetchers errgroup.Group
		fetchers.SetLimit(fetchParallel)
		done := f.use()
		defer done()
		go func() {
			defer close(out)
			deliver := func(o Outcome) {
				select {
				case out <- o:
				case <-ctx.Done():
				}
			}
			var last error
			for seen := 0; ; {
				chunks, err := f.next(ctx, seen)
				if last = err; err != nil || len(chunks) == 0 {
					break
				}
				for _, n := range chunks {
					fetchers.Go(func() error {
						deliver(f.Fetch(ctx, n))
						return nil
					})
				}
				seen += len(chunks)
			}
			_ = fetchers.Wait() // they return no errors
			if last != nil {
				deliver(Outcome{Chunk: -1, Err: last})
			}
		}()
		defer func() {
			cancel()
			for range out { // until nothing runs any more
			}
		}()
		report(-1, false)
		defer report(-1, true)
		ticker := time.NewTicker(engine.ReportInterval)
		defer ticker.Stop()
		for open := true; open; {
			var o Outcome
			select {
			case <-ticker.C:
				report(-1, false)
				continue
			case o, open = <-out:
			}
			if open && !yield(o) {
				return
			}
		}
		if err := context.Cause(ctx); err != nil {
			yield(Outcome{Chunk: -1, Err: err})
		}
	}
}

// Fetch reads what became of a chunk. It waits for a store that does not answer.
func (f *Follower) Fetch(ctx context.Context, chunk int) Outcome {
	o := Outcome{Chunk: chunk}
	for pause := fetchPause; ; pause = min(2*pause, fetchPauseMax) {
		parts, size, err := f.parts(ctx, chunk)
		if err == nil {
			o.Agent, o.Size = parts[len(parts)-1].Agent, size
			o.Replies, o.Err = f.replies(chunk, parts)
			return o
		}
		var wrong *codec.FrameError
		switch {
		case errors.As(err, &wrong):
			o.Err = &driver.InvokeError{Outcome: driver.OutcomeRan, Kind: driver.ErrDecode, Err: err, Hint: "was the object changed, or made by a newer version of lambdapool?"}
		case errors.Is(err, fs.ErrNotExist), permanent(err), ctx.Err() != nil:
			o.Err = payload.Failure("fetch the result", driver.OutcomeRan, err)
		default:
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			continue
		}
		return o
	}
}

// open reads a reply that is recorded of a chunk.
func (f *Follower) open(ctx context.Context, chunk int, name string) (*codec.Reply, int, error) {
	body, size, err := f.store.Open(ctx, detached.ChunkKey(f.m.ID, chunk, name))
	if err != nil {
		return nil, 0, err
	}
	defer body.Close()
	if size > codec.MaxStored {
		return nil, 0, &codec.FrameError{Reason: fmt.Sprintf("the result has %d bytes, at most %d are read", size, codec.MaxStored)}
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(body, data); err != nil {
		return nil, 0, err
	}
	reply, err := codec.DecodeReply(data)
	return reply, len(data), err
}
