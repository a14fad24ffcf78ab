package lambdapool

import (
	"bytes"
	"context"
	"io"
	"reflect"
	"strings"
	"time"
)

// A RunState is how many calls of a detached run stand where. Their sum is that of its calls.
// It is what the store said at the time At; calls may have gone on since.
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

	// Chunks are the invocations, in order. From the 65,537th on, those of which nothing is recorded are
	// left out.
	Chunks []ChunkState
}

// A ChunkState is where one invocation of a detached run stands. Times are the store's, and may
// count in seconds.
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

// State looks how far the run has come, with one listing of its objects, however many there are
// to a page. So it costs a request per thousand objects on S3, and reads no result. Use it for
// an overview; [Run.Results] waits, and [Progress] tells while it does.
//
// What is recorded as failed is counted by a mark beside the result; a result is the truth
// where the two differ. Calls that nobody will bring to an end any more count as ended,
// although that is recorded only when somebody asks for results. The error is a [PoolError],
// of [ErrStore] or [ErrAccessDenied] for instance, or says why ctx has ended.
func (r *Run[R]) State(ctx context.Context) (RunState, error) {
	s, failed := r.f.State(ctx)
	state := RunState{
		At: s.At, Sent: s.Sent, Queued: s.Queued, Running: s.Running,
		Succeeded: s.Succeeded, Failed: s.Failed, Expired: s.Expired, Canceled: s.Canceled,
		Deliveries: s.Deliveries, Duplicates: s.Duplicates, Bytes: s.Bytes,
	}
	if failed != nil {
		return state, (*PoolError)(failed)
	}
	for _, chunk := range s.Chunks {
		state.Chunks = append(state.Chunks, ChunkState(chunk))
	}
	return state, nil
}

// A Place is where a call runs, or ran: what to look for in the platform's logs.
type Place struct {
	Instance  string    // names the agent process; "" where a client ended the call without one
	RequestID string    // the platform's
	LogStream string    // of the function's log
	At        time.Time // when it began, by the agent's clock
}

// Place returns where the first delivery of call i runs, or ran, counted from 0. It reads one
// object. The error is [ErrRunNotFound] where nobody has begun the call, [ErrBadArguments]
// where the run has no such call.
func (r *Run[R]) Place(ctx context.Context, i int) (Place, error) {
	claim, failed := r.f.Claim(ctx, i)
	if failed != nil {
		return Place{}, (*PoolError)(failed)
	}
	return Place{Instance: claim.Instance, RequestID: claim.RequestID, LogStream: claim.LogStream, At: claim.At}, nil
}

// Open returns the result of call i as a stream, which the caller closes: that of a function
// which returns a []byte or a string, of any size, in the memory of a buffer. It does not wait: the
// error is [ErrRunNotFound] while the call has not ended, the call's own if it failed, and
// [ErrBadArguments] for other results. Bytes are certain at io.EOF; one that was changed in the store is found
// there, with [ErrDecode].
func (r *Run[R]) Open(ctx context.Context, i int) (io.ReadCloser, error) {
	stream, outcome, k, failed := r.f.Open(ctx, i)
	switch {
	case failed != nil:
		return nil, (*PoolError)(failed)
	case stream != nil:
		return &publicReader{stream, r}, nil
	}
	return bytesOf(r.result(i, outcome, k))
}

// bytesOf returns a reader of a result that is bytes and in memory.
func bytesOf[R any](result Result[R]) (io.ReadCloser, error) {
	if result.Err != nil {
		return nil, result.Err
	}
	v := reflect.ValueOf(&result.Value).Elem()
	if v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if v.Kind() == reflect.String {
		return io.NopCloser(strings.NewReader(v.String())), nil
	}
	return io.NopCloser(bytes.NewReader(v.Bytes())), nil
}

// A publicReader is a result whose errors are those that programs see.
type publicReader struct {
	io.ReadCloser
	of interface{ public(error) error }
}

func (r *publicReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	return n, r.of.public(err)
}
