package agent

import (
	"context"
	"time"

	"github.com/lambdapool/lambdapool/codec"
)

// How a run waits for its functions, and answers for those that ignore their context.

// wake has whoever waits look again.
func (r *run) wake() {
	select {
	case r.woken <- struct{}{}:
	default: // it will, or nobody waits
	}
}

// Ended hears that ctx has ended.
func (r *run) Ended() {
	if r.stays != nil {
		r.stays.watch()
		return
	}
	r.wake()
}

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

// wait gives functions whose context has ended until r.late to return, unless
// it was the invoker's that has ended.
func (r *run) wait() {
	timer := time.NewTimer(time.Until(r.late))
	defer timer.Stop()
	for !r.done() {
		select {
		case <-r.woken:
		case <-timer.C:
			return
		case <-r.from.Done():
			return
		}
	}
}

// close has nothing be begun any more, and answers for the items that are: their functions ignore their context. It
// reports whether it is the first to do so, who has the replies.
func (r *run) close() (first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.closed = true
	r.giveBack()
	if r.left == 0 {
		return true
	}
	abandoned := r.h.abandoned.Add(int64(r.left))
	for i := range r.replies {
		if r.states[i] == itemBegun {
			r.settle(i, codec.ItemReply{Err: r.timedOut(i, ignored(abandoned))}, time.Now())
		}
	}
	return true
}

// answers returns the replies of a run that was closed. If the invoker has canceled its context, nobody wants anything but a
// complete result; one whose deadline has passed may still be there.
func (r *run) answers() ([]codec.ItemReply, error) {
	for i := range r.replies {
		if r.replies[i].Err != nil && canceled(r.from) {
			return nil, context.Cause(r.from)
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
