package lambdapool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"reflect"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/detached"
)

// Open returns the result of call i as a stream, which the caller closes: that of a function
// which returns a []byte or a string, of any size, in the memory of a buffer. It does not wait: the
// error is [ErrRunNotFound] while the call has not ended, the call's own if it failed, and
// [ErrBadArguments] for other results. Bytes are certain at io.EOF; one that was changed in the store is found
// there, with [ErrDecode].
func (r *Run[R]) Open(ctx context.Context, i int) (io.ReadCloser, error) {
	if err := r.checkCall(i); err != nil {
		return nil, err
	}
	if !streamable(r.fn) {
		return nil, callError("read result of", r.fn.name, ErrBadArguments, errors.New("only a []byte or a string can be read as a stream"), "")
	}
	chunk := i / r.m.Chunk
	body, size, err := r.store.Open(ctx, detached.ChunkKey(r.m.ID, chunk, detached.Result))
	if err != nil {
		kind := ErrStore
		if errors.Is(err, fs.ErrNotExist) {
			kind, err = ErrRunNotFound, fmt.Errorf("call %d of run %s has not ended: %w", i, r.m.ID, err)
		}
		return nil, callError("read result of", r.fn.name, kind, err, "")
	}
	first, _ := r.m.Span(chunk)
	value, err := codec.OpenValue(body, size, i-first)
	if err == nil {
		return &resultReader{value: value, body: body, name: r.fn.name}, nil
	}
	_ = body.Close() // the error is what was wrong
	if errors.Is(err, codec.ErrNotStreamable) {
		if result := r.result(i, r.fetch(ctx, chunk), i-first); result.Err != nil {
			return nil, result.Err
		}
	}
	return nil, decodeFailure(r.fn.name, err)
}

// streamable reports whether f returns bytes.
func streamable(f *Function) bool {
	if len(f.results) == 0 {
		return false
	}
	t := f.results[0].Go()
	return t.Kind() == reflect.String || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}

func decodeFailure(name string, err error) *PoolError {
	return &PoolError{Op: "read result of", Func: name, Kind: ErrDecode, Err: err, Outcome: OutcomeRan, Hint: "was the object changed after it was recorded?"}
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
		err = decodeFailure(r.name, err)
	}
	return n, err
}

func (r *resultReader) Close() error {
	return errors.Join(r.value.Close(), r.body.Close())
}
