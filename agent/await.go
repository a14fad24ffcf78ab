package agent

import (
	"context"
	"time"

	"github.com/lambdapool/lambdapool/codec"
)

// How a run waits for its functions, and answers for those that ignore their context.

// wake has runItems look again.
func (r *run) wake() {
	select {
	case r.woken <- struct{}{}:
	default: // it will
	}
}

// Ended hears that ctx has ended.
func (r *run) Ended() { r.wake() }

// done reports whether every item is done.
func (r *run) done() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.left == 0
}

// settled returns when an item was settled last: others may be yet, if the caller wants nothing any more.
func (r *run) settled() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// wait gives functions whose context has ended until answer to return, unless
// it was ctx, the caller's, that has ended.
func (r *run) wait(ctx context.Context, answer time.Time) {
	timer := time.NewTimer(time.Until(answer))
	defer timer.Stop()
	for !r.done() {
		select {
		case <-r.woken:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// close takes what there is. An item that is still begun has a function that
// ignores its context. If the caller has canceled ctx, nobody wants anything but a
// complete result; one whose deadline has passed may still be there.
func (r *run) close(ctx context.Context) ([]codec.ItemReply, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.giveBack()
	abandoned := r.h.abandoned.Add(int64(r.left))
	for i := range r.replies {
		if r.states[i] == itemBegun {
			r.settle(i, codec.ItemReply{Err: r.timedOut(i, ignored(abandoned))}, time.Now())
		}
		if r.replies[i].Err != nil && canceled(ctx) {
			return nil, context.Cause(ctx)
		}
	}
	return r.replies, nil
}

// canceled reports whether the caller wants nothing any more. A deadline that has passed is no such
// word.
func canceled(ctx context.Context) bool {
	err := ctx.Err()
	return err != nil && err != context.DeadlineExceeded
}
