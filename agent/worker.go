package agent

import (
	"context"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/stack"
)

// A worker runs items of a run, one after the other, on a goroutine of its own. Functions run on the small stack
// that a goroutine begins with, and growing that takes longer than all the rest of a short call. So what a worker needs
// for an item lies here and not in a frame below the function.
type worker struct {
	run *run

	// Of the item that it runs.
	item     int
	ctx      context.Context
	own      *itemContext // ctx, if it is the item's alone
	began    time.Time
	ended    time.Time
	reply    codec.ItemReply
	returned bool // the function has returned, whatever that was
}

// replace starts a worker: at first, and for one that is held up or has ended.
func (r *run) replace() {
	w := &r.only.worker
	if len(r.items) > 1 || w.run != nil {
		w = new(worker)
	}
	w.run = r
	r.h.running.add()
	go w.work()
}

// work runs items until there are none to begin. A function that ends its goroutine
// by runtime.Goexit ends this one; another takes over.
func (w *worker) work() {
	defer w.run.h.running.done()
	finished := false
	defer func() {
		if !finished {
			w.run.replace()
		}
	}()
	now := w.run.began
	if w.run.stays == nil { // the goroutine has had to be started
		stack.Grow4()
		now = time.Now()
	}
	for ; ; now = w.ended {
		if w.item = w.run.take(now); w.item < 0 {
			break
		}
		w.began = now
		w.call()
	}
	finished = true
}

// call runs the function for the item, and settles it, whatever the function does.
func (w *worker) call() {
	w.begin()
	defer w.settle()
	w.finish(w.run.fn.Call(w.ctx, w.run.items[w.item]))
}

// begin forgets the last item.
func (w *worker) begin() {
	w.ctx, w.own, w.reply, w.returned = w.run.ctx, nil, codec.ItemReply{}, false
	if len(w.run.items) > 1 { // a single item's context is the run's, which ends with it
		w.own = &itemContext{of: w.run.ctx, index: w.item}
		w.own.Start(w.run.ctx)
		w.ctx = w.own
	}
}

// finish turns what the function returned into the item's reply.
func (w *worker) finish(value []byte, err error) {
	switch e := err.(type) {
	case nil:
		w.reply.Value = value
	case *codec.DecodeError:
		w.reply.Err = &codec.Error{Kind: codec.KindBadRequest, Message: clip(e.Error(), maxMessage)}
	case *codec.EncodeError:
		w.reply.Err = &codec.Error{Kind: codec.KindEncode, Message: clip(e.Error(), maxMessage)}
	default:
		w.reply.Err = failure(w.run.h.registry, err)
		if outOfTime(w.ctx, err) {
			w.reply.Err.Kind = codec.KindTimeout
			w.run.timedOut(w.item, w.reply.Err)
		}
	}
	w.returned = true
}

// settle recovers a panic of the function, hands the item's reply over, and ends its context.
func (w *worker) settle() {
	if value := recover(); value != nil {
		w.reply.Err = panicked(w.run.h.registry, value, panicStack())
	} else if !w.returned {
		w.reply.Err = exited()
	}
	w.ended = time.Now()
	w.reply.Run = w.ended.Sub(w.began)
	if w.own != nil {
		defer w.own.EndAt(w.ended)
	}
	r := w.run
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.states[w.item] == itemDone { // answered for
		r.h.abandoned.Add(-1)
		return
	}
	r.record.end(w.item, &w.reply)
	r.settle(w.item, w.reply, w.ended)
}
