package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/lambdapool/lambdapool/codec"
)

// What does not fit into a request or a reply lies in an object store. The client
// has signed the links to it, so plain HTTP will do here: no SDK, no credentials.
// A link is a credential itself: no message contains more of it than its path.

// Connection errors and what a store says of itself (5xx, 429) are met with another
// try, within the time that there is.
const (
	storeTries    = 5
	storePause    = 100 * time.Millisecond // doubled each time, jittered
	storePauseMax = 2 * time.Second
	storeLastWord = 100 * time.Millisecond // before the kill, for the answer that storing took too long
)

// fetch gets the items of a request that are stored, and takes the time that it took
// off the request's. It returns what to answer when they cannot be had; the error
// is ctx's.
func (h *Handler) fetch(ctx context.Context, req *codec.Request) (*codec.Error, error) {
	if req.Stored == nil {
		return nil, nil //nolint:nilnil // no problem and no error
	}
	began := time.Now()
	kill, _ := ctx.Deadline()
	within := ctx
	if end, _ := deadlines(began, kill, req.Remaining, req.Detached != nil); !end.IsZero() {
		var cancel context.CancelFunc
		within, cancel = context.WithDeadline(ctx, end)
		defer cancel()
	}
	stored, err := h.get(within, req.Stored)
	if err == nil && len(req.Items) > 0 {
		err = errors.New("the request has items of its own, too")
	}
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, context.Cause(ctx)
		}
		return &codec.Error{
			Kind:    codec.KindStore,
			Message: fmt.Sprintf("the arguments, %d bytes in the object store, cannot be fetched: %v", req.Stored.Size, err),
			Hint:    storeHint(err),
			Final:   errors.As(err, new(finalError)),
		}, nil
	}
	req.Items = stored.Items
	if req.Remaining > 0 {
		req.Remaining = max(req.Remaining-time.Since(began), 1)
	}
	return nil, nil //nolint:nilnil // no problem and no error
}

// get reads a stored request. Size and sum are compared while it is read; an object that does not
// fit them is a final error, since asking again would bring the same one.
func (h *Handler) get(ctx context.Context, s *codec.Stored) (req *codec.Request, err error) {
	err = h.exchange(ctx, &exchange{method: http.MethodGet, link: s.From, done: func(resp *http.Response) error {
		if resp.ContentLength >= 0 && resp.ContentLength != s.Size {
			return final(fmt.Errorf("the object has %d bytes, %d were stored", resp.ContentLength, s.Size))
		}
		req, err = codec.ReadRequest(resp.Body, s)
		if wrong := (*codec.FrameError)(nil); errors.As(err, &wrong) {
			return final(err)
		}
		return err
	}})
	return req, err
}

// spill stores a reply. It gives up shortly before ctx's deadline.
func (h *Handler) spill(ctx context.Context, s *codec.Spill, frame *codec.Frame) error {
	if kill, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, kill.Add(-storeLastWord))
		defer cancel()
	}
	if s.To.Under != "" {
		return h.post(ctx, s.To, s.Name, frame)
	}
	return h.exchange(ctx, &exchange{method: http.MethodPut, link: s.To, body: frame})
}

// post stores an object below what form allows; name is the rest of its key.
func (h *Handler) post(ctx context.Context, form codec.Link, name string, body content) error {
	return h.exchange(ctx, &exchange{method: http.MethodPost, link: form, key: form.Under + name, body: body})
}

// errPerhapsOurs says that there is an object, and that an earlier try to create it,
// whose answer was lost, may be why.
var errPerhapsOurs = errors.New("it is there, perhaps by an earlier try whose answer was lost")

// create stores an object by a link for one that is not there yet, and reports whether
// it was. It tries for as long as patience says. The error may match errPerhapsOurs.
func (h *Handler) create(ctx context.Context, link codec.Link, body content, patience time.Duration) (existed bool, err error) {
	x := &exchange{method: http.MethodPut, link: link, body: body, patience: patience}
	err = h.exchange(ctx, x)
	if !answeredWith(err, http.StatusPreconditionFailed) {
		return false, err
	}
	if x.unsure {
		return true, fmt.Errorf("%w: %w", err, errPerhapsOurs)
	}
	return true, nil
}

// exists reports whether there is an object at a link to get it. S3 says that there is none
// only to who may list it, and refuses others; it might judge a right that is limited to a
// prefix either way. So where it refuses link, but not beside, a link of the same kind to an
// object that is there, link's object is not.
func (h *Handler) exists(ctx context.Context, link, beside codec.Link) (bool, error) {
	there, err := h.look(ctx, link)
	if answeredWith(err, http.StatusForbidden) {
		if known, other := h.look(ctx, beside); known && other == nil {
			return false, nil
		}
	}
	return there, err
}

// look asks for the first byte of an object.
func (h *Handler) look(ctx context.Context, link codec.Link) (bool, error) {
	err := h.exchange(ctx, &exchange{
		method: http.MethodGet, link: link, header: map[string]string{"Range": "bytes=0-0"},
		done: func(resp *http.Response) error {
			if resp.StatusCode == http.StatusPartialContent {
				_, _ = io.CopyN(io.Discard, resp.Body, 2) // to its end: then the connection serves again
			}
			return nil
		},
	})
	switch {
	case answeredWith(err, http.StatusNotFound):
		return false, nil
	case answeredWith(err, http.StatusRequestedRangeNotSatisfiable): // it is empty
		return true, nil
	default:
		return err == nil, err
	}
}

// read returns a small object. It tries for as long as patience says.
func (h *Handler) read(ctx context.Context, link codec.Link, patience time.Duration) (body []byte, err error) {
	const enough = 64 << 10
	err = h.exchange(ctx, &exchange{method: http.MethodGet, link: link, patience: patience, done: func(resp *http.Response) error {
		body, err = io.ReadAll(io.LimitReader(resp.Body, enough))
		return err
	}})
	return body, err
}

// answeredWith says whether the store answered so in the end.
func answeredWith(err error, status int) bool {
	var no *refusal
	return errors.As(err, &no) && no.status == status
}
