package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/funclog"
)

// A detached request has nobody who waits for its reply, and the platform may deliver
// it more than once. What decides are two objects that can be created only once: the
// claim of whoever begins it, and the result. An error from here has the platform
// deliver the request again, later.

// What a delivery that has begun can lose is worth waiting for a store that is down, until
// its time is up; before it has, the platform can try again later, if not often.
const (
	claimPatience = 30 * time.Second
	untilKilled   = time.Duration(math.MaxInt64)
)

// detached runs a request if this delivery is to, records what became of it and returns what little
// a reply must say. work runs it.
//
// The order matters. The arguments are fetched before the claim, so that a delivery which cannot
// have them leaves the request to another. The claim comes before the work, and the result last. A
// process that dies in between leaves a claim without a result, from which clients find out in time
// that it is lost.
func (h *Handler) detached(ctx context.Context, req *codec.Request, delivery uint64, work func() (*codec.Reply, error)) ([]byte, error) {
	d := &delivered{h: h, req: req, claim: codec.Claim{
		Instance: h.instance, Delivery: delivery, LogStream: lambdacontext.LogStreamName, At: time.Now().UTC(),
	}}
	if platform, ok := lambdacontext.FromContext(ctx); ok {
		d.claim.RequestID = platform.AwsRequestID
	}
	store := ctx // for what must be said before the kill
	if kill, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		store, cancel = context.WithDeadline(ctx, kill.Add(-storeLastWord))
		defer cancel()
	}
	problem, err := h.fetch(store, req) // before the claim: another delivery may have more luck
	if err == nil && problem != nil && !problem.Final {
		err = errors.New(problem.Message)
	}
	if err != nil {
		return d.answer(err)
	}
	if run, err := d.begin(store); err != nil || !run {
		return d.answer(err)
	}
	reply := &codec.Reply{ID: req.ID, Err: problem}
	if problem == nil {
		req.Stored = nil // it is here
		if reply, err = work(); err != nil {
			return d.answer(err)
		}
	}
	reply.Agent.RequestID = d.claim.RequestID
	return d.answer(d.record(store, reply))
}

// delivered is one delivery of a detached request.
type delivered struct {
	h     *Handler
	req   *codec.Request
	claim codec.Claim
}

// word tells this delivery from others in the keys of its marks.
func (d *delivered) word() string {
	return d.claim.Instance + "-" + strconv.FormatUint(d.claim.Delivery, 10)
}

// begin claims the request, and reports whether this delivery is to run it: the first one
// is; a later one is if the function may run twice and nothing is recorded yet, since
// then the first one has most likely died.
func (d *delivered) begin(ctx context.Context) (run bool, err error) {
	body, err := json.Marshal(d.claim)
	if err != nil {
		return false, err
	}
	to := d.req.Detached
	taken, err := d.h.create(ctx, to.Claim, text(body), claimPatience)
	// A process that is gone may have claimed it for this very delivery.
	if errors.Is(err, errPerhapsOurs) || err == nil && taken && recordOf(ctx).resumed() {
		taken, err = d.isTaken(ctx)
	}
	if err != nil {
		return false, fmt.Errorf("claim: %w", err)
	}
	if !taken {
		return true, nil
	}
	done, err := d.h.exists(ctx, to.Done, to.Holder)
	if err != nil {
		return false, fmt.Errorf("see whether it is done: %w", err)
	}
	if done || to.Once {
		d.mark(ctx, codec.MarkDuplicate, d.word())
		return false, nil
	}
	d.mark(ctx, codec.MarkStarted, d.word())
	return true, nil
}

// isTaken reports whether the claim is another delivery's.
func (d *delivered) isTaken(ctx context.Context) (bool, error) {
	body, err := d.h.read(ctx, d.req.Detached.Holder, untilKilled)
	if err != nil {
		return false, err
	}
	var holder codec.Claim
	if err := json.Unmarshal(body, &holder); err != nil {
		return false, err
	}
	return holder.Instance != d.claim.Instance || holder.Delivery != d.claim.Delivery, nil
}

// record stores the reply, unless another delivery's is there: as the result, or as what is
// left to be done where there was no time to begin everything.
func (d *delivered) record(ctx context.Context, reply *codec.Reply) error {
	var opts []codec.FrameOption
	if d.req.Compress {
		opts = append(opts, codec.Compress())
	}
	to := d.req.Detached
	reply.Turn, reply.Left = to.Turn, d.left(reply)
	link := to.Result
	frame, err := codec.FrameReply(reply, opts...)
	if err != nil && reply.Left != nil { // no room for both
		reply.Left = nil
		frame, err = codec.FrameReply(reply, opts...)
	}
	if err != nil {
		return err
	}
	// Marks come before the object: whoever sees that sees how it ended.
	failed := failures(reply, to.Items)
	switch {
	case reply.Left != nil:
		link = to.Rest
		d.mark(ctx, codec.MarkRest, fmt.Sprintf("%d-%d-%s", len(reply.Left.Items), failed-len(reply.Left.Items), d.word()))
	case failed > 0:
		d.mark(ctx, codec.MarkFailed, strconv.Itoa(failed)+"-"+d.word())
	}
	taken, err := d.h.create(ctx, link, frame.Seal(), untilKilled)
	switch {
	case errors.Is(err, errPerhapsOurs): // more likely than another's
	case err != nil:
		return fmt.Errorf("record the result of %d bytes: %w", frame.Size(), err)
	case taken && !recordOf(ctx).resumed(): // else most likely recorded by the process that is gone
		d.mark(ctx, codec.MarkDuplicate, d.word())
	}
	return nil
}

// left is what asks another agent for the items that this one has not begun, or nil: if it has begun
// all, or none, which another one would not do better.
func (d *delivered) left(reply *codec.Reply) *codec.Request {
	if d.req.Detached.Rest.URL == "" || reply.Err != nil {
		return nil
	}
	left := &codec.Request{Parallel: d.req.Parallel, Compress: d.req.Compress, Trace: d.req.Trace}
	var from []int
	for i := range reply.Items {
		if e := reply.Items[i].Err; e != nil && e.Kind == codec.KindNotBegun {
			left.Items, from = append(left.Items, d.req.Items[i]), append(from, i)
		}
	}
	if n := len(left.Items); n == 0 || n == len(reply.Items) {
		return nil
	}
	if d.req.Logs != nil {
		logs := *d.req.Logs
		logs.Items = funclog.Places(len(from), func(i int) int { return funclog.Place(logs.Items, from[i]) })
		left.Logs = &logs
	}
	return left
}

// failures counts the items that failed, of so many.
func failures(reply *codec.Reply, items int) (failed int) {
	if reply.Err != nil {
		return items
	}
	for i := range reply.Items {
		if reply.Items[i].Err != nil {
			failed++
		}
	}
	return failed
}

// mark leaves a mark if it can. A missing one makes a report less exact, no result wrong.
func (d *delivered) mark(ctx context.Context, mark, word string) {
	to := d.req.Detached
	if to.Marks.URL == "" {
		return
	}
	if err := d.h.post(ctx, to.Marks, mark+"."+word, text(nil)); err != nil {
		fmt.Fprintf(os.Stderr, "lambdapool: agent: chunk %d of run %s: mark as %s: %v\n", d.req.Chunk, to.Run, mark, err)
	}
}

// answer is what the platform gets: nobody reads it but the log.
func (d *delivered) answer(err error) ([]byte, error) {
	if err != nil {
		return nil, fmt.Errorf("lambdapool: agent: chunk %d of run %s: %w", d.req.Chunk, d.req.Detached.Run, err)
	}
	return codec.EncodeReply(&codec.Reply{ID: d.req.ID})
}
