package runs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/detached"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// read is what is being done when a result is opened.
const read = "read result of"

// Open returns the result of call i as a stream, which the caller closes. Where there is none, because the
// result is in parts or the call has failed, it is in outcome, at place k. Errors are failures of this module, those of
// reading too.
func (f *Follower) Open(ctx context.Context, i int) (stream io.ReadCloser, outcome Outcome, k int, failed *failure.Pool) {
	if failed := f.has(i); failed != nil {
		return nil, outcome, 0, failed
	}
	name := f.fn.Name()
	if !registry.ReturnsBytes(f.fn) {
		return nil, outcome, 0, failure.NotRun(read, name, driver.ErrBadArguments, errors.New("only a []byte or a string can be read as a stream"), "")
	}
	chunk := i / f.m.Chunk
	first, _ := f.m.Span(chunk)
	body, size, err := f.store.Open(ctx, detached.ChunkKey(f.m.ID, chunk, detached.Result))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, outcome, 0, failure.NotRun(read, name, ErrRunNotFound, fmt.Errorf("call %d of run %s has not ended: %w", i, f.m.ID, err), "")
	}
	if err != nil {
		return nil, outcome, 0, failure.NotRun(read, name, driver.ErrStore, err, "")
	}
	parts, err := f.inParts(ctx, chunk)
	if err != nil {
		_ = body.Close() // nothing was read of it
		return nil, outcome, 0, failure.NotRun(read, name, driver.ErrStore, err, "")
	}
	if parts {
		_ = body.Close() // it is read again, with the others
		return nil, f.Fetch(ctx, chunk), i - first, nil
	}
	value, wrong := codec.OpenValue(body, size, i-first)
	if wrong == nil {
		return &resultReader{value: value, body: body, name: name}, outcome, 0, nil
	}
	_ = body.Close() // wrong says what is the matter
	outcome, failed = f.instead(ctx, chunk, i-first, wrong)
	return nil, outcome, i - first, failed
}

// instead returns what became of call k of a chunk, which is not to be had as a stream, for the reason why. One that has
// a value is spoilt then.
func (f *Follower) instead(ctx context.Context, chunk, k int, why error) (outcome Outcome, failed *failure.Pool) {
	if errors.Is(why, codec.ErrNotStreamable) {
		if outcome = f.Fetch(ctx, chunk); outcome.failed(k) {
			return outcome, nil
		}
	}
	return outcome, spoilt(f.fn.Name(), why)
}

// failed reports whether call k of the chunk has no value.
func (o *Outcome) failed(k int) bool { return o.Err != nil || o.Replies[k].Err != nil }

// inParts reports whether several agents have recorded parts of a chunk.
func (f *Follower) inParts(ctx context.Context, chunk int) (bool, error) {
	if f.m.Chunk == 1 {
		return false, nil
	}
	there, err := f.store.List(ctx, detached.ChunkKey(f.m.ID, chunk, detached.TurnName(detached.Rest, 1)), "")
	return len(there.Objects) > 0, err
}

// spoilt is the failure of a result that is not as it was recorded.
func spoilt(name string, err error) *failure.Pool {
	return &failure.Pool{Op: read, Func: name, Kind: driver.ErrDecode, Err: err, Outcome: driver.OutcomeRan, Hint: "was the object changed after it was recorded?"}
}

// A resultReader reads a value out of an object.
type resultReader struct {
	value *codec.ValueReader
	body  io.Closer
	name  string
}

func (r *resultReader) Read(p []byte) (int, error) {
	n, err := r.value.Read(p)
	var wrong *codec.FrameError
	if errors.As(err, &wrong) {
		err = spoilt(r.name, err)
	}
	return n, err
}

func (r *resultReader) Close() error {
	return errors.Join(r.value.Close(), r.body.Close())
}
