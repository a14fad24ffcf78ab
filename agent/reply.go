package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lambdapool/lambdapool/codec"
)

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
// the largest items make room for the others, and say why. total is what the
// items take at least; notStored is why they could not be stored, if that was tried.
func (h *Handler) encode(reply *codec.Reply, total int, notStored error, opts []codec.FrameOption) ([]byte, error) {
	if len(opts) > 0 && total > h.MaxReply {
		if data, err := codec.EncodeReply(reply, opts...); err != nil || len(data) <= h.MaxReply {
			return data, err
		}
	}
	var bySize []int
	if total > h.MaxReply/2 { // else all have room, whatever surrounds them
		bySize = make([]int, len(reply.Items))
		for i := range reply.Items {
			bySize[i] = i
		}
		slices.SortStableFunc(bySize, func(a, b int) int { return size(&reply.Items[b]) - size(&reply.Items[a]) })
	}
	for {
		for excess := total - h.MaxReply; excess > 0 && len(bySize) > 0; bySize = bySize[1:] {
			item := &reply.Items[bySize[0]]
			before := size(item)
			item.Err, item.Value = h.tooLarge(item, len(reply.Items), total, notStored), nil
			excess -= before - size(item)
		}
		data, err := codec.EncodeReply(reply, opts...)
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
	}
	return n
}
