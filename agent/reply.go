package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lambdapool/lambdapool/codec"
)

// What a reply takes beside results and errors, generously, in bytes.
const (
	replyRoom    = 512
	itemRoom     = 24  // of an item
	notBegunRoom = 8   // of an item that was not begun
	errorRoom    = 640 // of an item's error, which can be shortened to that
)

// A room is what a reply can still hold.
type room struct {
	limit  int
	used   int
	expect int // of one more item
}

// roomFor is that of the reply to req.
func (h *Handler) roomFor(req *codec.Request) room {
	if req.Spill != nil || req.Detached != nil {
		return room{limit: codec.MaxStored, expect: req.Expect}
	}
	return room{limit: h.MaxReply - replyRoom, expect: req.Expect}
}

// took takes in the reply of an item. The next one may be as large as the largest, but not as
// one that has no room anywhere and becomes an error.
func (r *room) took(reply *codec.ItemReply) {
	n := size(reply)
	if reply.Err != nil || n > r.limit {
		n = min(n, errorRoom)
	}
	r.used += n + itemRoom
	r.expect = max(r.expect, n)
}

// holds reports whether there is room for another item beside those that run. fresh are the
// items that are not begun, this one among them.
func (r *room) holds(running, fresh int) bool {
	return r.used+(running+1)*(r.expect+itemRoom)+(fresh-1)*notBegunRoom <= r.limit
}

// answer turns the reply to req into bytes: all of it, or, where it is large and
// req says where to store it, what stands for it.
func (h *Handler) answer(ctx context.Context, req *codec.Request, reply *codec.Reply) ([]byte, error) {
	total := 0 // what the reply takes at least
	for i := range reply.Items {
		total += size(&reply.Items[i])
	}
	var opts []codec.FrameOption
	if req.Compress && total >= codec.CompressFrom {
		opts = append(opts, codec.Compress())
	}
	limit := h.MaxReply
	if req.Spill == nil {
		return h.encode(reply, total, nil, opts)
	}
	if req.Spill.Above > 0 {
		limit = min(limit, req.Spill.Above)
	}
	if total <= limit/2 { // it fits, whatever surrounds it
		return h.encode(reply, total, nil, opts)
	}
	frame, err := codec.FrameReply(reply, opts...)
	if err == nil {
		if frame.Size()+codec.SealSize <= int64(limit) {
			return frame.Sealed(), nil
		}
		if err = h.spill(ctx, req.Spill, frame); err == nil {
			return codec.EncodeReply(&codec.Reply{ID: reply.ID, Agent: reply.Agent, Stored: frame.Stored(codec.Link{})})
		}
	}
	return h.encode(reply, total, err, opts)
}

// encode turns the reply into bytes, at most MaxReply of them. Above its limit
// the platform would drop the whole reply and aws-lambda-go end the process; so
// long errors are shortened, and then the largest results make room for the others and say why. total is what the
// items take at least; notStored is why they could not be stored, if that was tried.
func (h *Handler) encode(reply *codec.Reply, total int, notStored error, opts []codec.FrameOption) ([]byte, error) {
	if len(opts) > 0 && total > h.MaxReply {
		if data, err := codec.EncodeReply(reply, opts...); err != nil || len(data) <= h.MaxReply {
			return data, err
		}
	}
	var bySize []int
	if total+len(reply.Items)*itemRoom > h.MaxReply/2 { // else all have room, whatever surrounds them
		bySize = make([]int, len(reply.Items))
		for i := range reply.Items {
			bySize[i] = i
		}
		slices.SortStableFunc(bySize, func(a, b int) int { return givesWay(&reply.Items[a], &reply.Items[b]) })
	}
	for {
		for excess := total - h.MaxReply; excess > 0 && len(bySize) > 0; bySize = bySize[1:] {
			item := &reply.Items[bySize[0]]
			before := size(item)
			item.Err, item.Value = h.tooLarge(item, len(reply.Items), total, notStored), nil
			excess -= before - size(item)
		}
		data, err := codec.EncodeReply(reply, opts...)
		if err == nil && len(data) > h.MaxReply && dropLogs(reply) {
			data, err = codec.EncodeReply(reply, opts...)
		}
		if err != nil || len(data) <= h.MaxReply {
			return data, err
		}
		total = len(data)
		if len(bySize) == 0 {
			break
		}
	}
	reply.Err = &codec.Error{
		Kind:    codec.KindTooLarge,
		Message: fmt.Sprintf("the reply is %d bytes, the limit is %d", total, h.MaxReply),
		Hint:    "send fewer items per invocation",
	}
	reply.Items, reply.Functions = nil, nil
	return codec.EncodeReply(reply)
}

// givesWay orders items by who makes room first: long errors, which keep what matters, then
// results, the largest first.
func givesWay(a, b *codec.ItemReply) int {
	rank := func(item *codec.ItemReply) int {
		switch {
		case item.Err == nil:
			return 1
		case size(item) > errorRoom:
			return 0
		}
		return 2
	}
	return cmp.Or(rank(a)-rank(b), size(b)-size(a))
}

// tooLarge replaces an item that has no room in the reply to n items, which
// would be total bytes. A function's error keeps what fits.
func (h *Handler) tooLarge(item *codec.ItemReply, n, total int, notStored error) *codec.Error {
	if e := item.Err; e != nil {
		const enough = 256
		return &codec.Error{Kind: e.Kind, Type: clip(e.Type, enough), Message: clip(e.Message, enough), Codes: e.Codes}
	}
	if notStored != nil {
		return &codec.Error{
			Kind:    codec.KindStore,
			Message: fmt.Sprintf("the result of %d bytes does not fit into a reply and could not be stored: %v", len(item.Value), notStored),
			Hint:    storeHint(notStored),
			Final:   errors.As(notStored, new(finalError)),
		}
	}
	e := &codec.Error{
		Kind:    codec.KindTooLarge,
		Message: fmt.Sprintf("the result is %d bytes, which makes a reply of %d; the limit is %d", len(item.Value), total, h.MaxReply),
		Hint:    "return less, or store it and return where it is",
	}
	if len(item.Value) < h.MaxReply && n > 1 {
		e.Message = fmt.Sprintf("the result is %d bytes, with those of the %d items of its invocation a reply of %d; the limit is %d",
			len(item.Value), n, total, h.MaxReply)
		e.Hint = "send fewer items per invocation"
	}
	return e
}

// size estimates what an item takes of a reply, in bytes.
func size(item *codec.ItemReply) int {
	n := len(item.Value)
	if e := item.Err; e != nil {
		n += len(e.Type) + len(e.Message) + len(e.Hint) + len(e.Stack)
		for _, link := range e.Chain {
			n += len(link.Type) + len(link.Message)
		}
		for _, code := range e.Codes {
			n += len(code)
		}
		for i := range e.Values {
			n += len(e.Values[i].Code) + len(e.Values[i].Data)
		}
	}
	return n
}
