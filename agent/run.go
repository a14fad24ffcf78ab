package agent

import (
	"context"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
)

// pending is the Run of an item that is not settled.
const pending = -1

// A run is the items of one invocation on their way through the function.
type run struct {
	h     *Handler
	fn    *lambdapool.Function
	ctx   context.Context // ends when the functions shall
	began time.Time
	chunk int // which chunk of a run the items are, from 1; 0: of none
	items [][]byte

	mu      sync.Mutex
	next    int // first item that was not started
	left    int // items that are not settled
	replies []codec.ItemReply
	closed  bool               // the reply is on its way: what still comes is late
	all     chan struct{}      // closed when every item is settled
	only    [1]codec.ItemReply // the replies of a single item: most invocations have no more
}

// runItems runs fn for each item, up to parallel of them at once, and returns
// when all are settled, when ctx ends (with its cause), or at the time when it
// has to answer for those that ignore their context.
func (h *Handler) runItems(ctx context.Context, fn *lambdapool.Function, req *codec.Request, procs int) ([]codec.ItemReply, error) {
	n := len(req.Items)
	if n == 0 {
		return nil, nil
	}
	kill, _ := ctx.Deadline()
	began := time.Now()
	end, answer := deadlines(began, kill, req.Remaining, req.Detached != nil)
	r := &run{h: h, fn: fn, began: began, chunk: req.Chunk, items: req.Items, left: n, all: make(chan struct{})}
	if r.replies = r.only[:]; n > 1 {
		r.replies = make([]codec.ItemReply, n)
	}
	for i := range r.replies {
		r.replies[i].Run = pending
	}
	var cancel context.CancelFunc
	if end.IsZero() {
		r.ctx, cancel = context.WithCancel(ctx)
	} else {
		r.ctx, cancel = context.WithDeadline(ctx, end)
	}
	defer cancel()
	parallel := procs
	if req.Parallel > 0 {
		parallel = req.Parallel
	}
	for range min(parallel, n) {
		h.running.add()
		go r.work()
	}
	select {
	case <-r.all:
	case <-r.ctx.Done():
		r.wait(ctx, answer)
	}
	return r.close(ctx)
}

// wait gives functions whose context has ended until answer to return, unless
// it was ctx, the caller's, that has ended.
func (r *run) wait(ctx context.Context, answer time.Time) {
	timer := time.NewTimer(time.Until(answer))
	defer timer.Stop()
	select {
	case <-r.all:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// close takes what there is. Items that are not settled have a function that
// ignores its context, unless it is ctx, the caller's, that has ended; then
// nothing but a complete result is worth returning.
func (r *run) close(ctx context.Context) ([]codec.ItemReply, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.expire()
	abandoned := r.h.abandoned.Add(int64(r.left))
	for i := range r.replies {
		if r.replies[i].Run == pending {
			r.replies[i] = codec.ItemReply{Err: r.timedOut(i, ignored(abandoned))}
		}
		if r.replies[i].Err != nil && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return r.replies, nil
}

// work runs items until there are no more. A function that ends its goroutine
// by runtime.Goexit ends this one; another takes over.
func (r *run) work() {
	defer r.h.running.done()
	finished := false
	defer func() {
		if !finished {
			r.h.running.add()
			go r.work()
		}
	}()
	for i := r.take(); i >= 0; i = r.take() {
		r.call(i)
	}
	finished = true
}

// take returns the next item to start, or -1.
func (r *run) take() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return -1
	}
	if r.ctx.Err() != nil {
		r.expire()
	}
	if r.next == len(r.items) {
		return -1
	}
	r.next++
	return r.next - 1
}

// expire settles the items that were not started; there is no time for them.
func (r *run) expire() {
	for ; r.next < len(r.items); r.next++ {
		r.settle(r.next, codec.ItemReply{Err: r.timedOut(r.next, neverStarted())})
	}
}

// settle records an item's reply. The caller holds the lock.
func (r *run) settle(i int, reply codec.ItemReply) {
	r.replies[i] = reply
	if r.left--; r.left == 0 {
		close(r.all)
	}
}

// call runs the function for item i and settles it, whatever the function does.
func (r *run) call(i int) {
	ctx := r.ctx
	if len(r.items) > 1 { // a single item's context is the run's, which ends with it
		item := &itemContext{Context: r.ctx}
		defer item.end()
		ctx = item
	}
	began := time.Now()
	var reply codec.ItemReply
	returned := false
	defer func() {
		if value := recover(); value != nil {
			reply.Err = panicked(r.h.registry, value, panicStack())
		} else if !returned {
			reply.Err = exited()
		}
		reply.Run = time.Since(began)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.closed {
			r.h.abandoned.Add(-1)
			return
		}
		r.settle(i, reply)
	}()
	value, err := r.fn.Call(ctx, r.items[i])
	reply = r.outcome(ctx, i, value, err)
	returned = true
}

// outcome turns what the function returned for item i into its reply.
func (r *run) outcome(ctx context.Context, i int, value []byte, err error) codec.ItemReply {
	switch e := err.(type) {
	case nil:
		return codec.ItemReply{Value: value}
	case *codec.DecodeError:
		return codec.ItemReply{Err: &codec.Error{Kind: codec.KindBadRequest, Message: clip(e.Error(), maxMessage)}}
	case *codec.EncodeError:
		return codec.ItemReply{Err: &codec.Error{Kind: codec.KindEncode, Message: clip(e.Error(), maxMessage)}}
	}
	failed := failure(r.h.registry, err)
	if outOfTime(ctx, err) {
		failed.Kind = codec.KindTimeout
		r.timedOut(i, failed)
	}
	return codec.ItemReply{Err: failed}
}
