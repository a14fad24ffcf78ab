package agent

import (
	"context"

	"github.com/lambdapool/lambdapool/codec"
)

// ErrPerhapsOurs is what tests see of errPerhapsOurs.
var ErrPerhapsOurs = errPerhapsOurs

// CreateObject, ObjectExists and PostObject are what detached requests do with an
// object store.
func (h *Handler) CreateObject(ctx context.Context, link codec.Link, body []byte) (bool, error) {
	return h.create(ctx, link, text(body), 0)
}

func (h *Handler) ObjectExists(ctx context.Context, link, beside codec.Link) (bool, error) {
	return h.exists(ctx, link, beside)
}

func (h *Handler) PostObject(ctx context.Context, form codec.Link, name string, body []byte) error {
	return h.post(ctx, form, name, text(body))
}
