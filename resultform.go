package lambdapool

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// formCalls is for how many of the longest calls, one after the other, a form is made:
// it is renewed that much less often, and lasts an hour with Lambda's 15 minutes.
const formCalls = 4

// A resultForm is the link by which all large results of an executor go: one signature
// serves them until too little is left of it. It is safe for concurrent use.
type resultForm struct {
	store  Store
	prefix string
	life   time.Duration
	form   atomic.Pointer[Link] // nil: none yet
	none   atomic.Bool          // the store makes none
	making chan struct{}        // holds who makes one
}

// link returns a form that is good for life, or for as long as the store can make them.
// The error matches errors.ErrUnsupported if the store has none.
func (f *resultForm) link(ctx context.Context, life time.Duration) (Link, error) {
	if form, known, err := f.known(life); known {
		return form, err
	}
	select {
	case f.making <- struct{}{}:
		defer func() { <-f.making }()
	case <-ctx.Done():
		return Link{}, ctx.Err()
	}
	if form, known, err := f.known(life); known { // from who was here before
		return form, err
	}
	form, err := f.store.LinkUnder(ctx, f.prefix, max(f.life, life))
	if err != nil {
		f.none.Store(errors.Is(err, errors.ErrUnsupported))
		return Link{}, err
	}
	form.Expires = form.Expires.Round(0) // by the wall clock: a machine that slept has none other
	f.form.Store(&form)
	return form, nil
}

// known returns the form that there is, or that there is none.
func (f *resultForm) known(life time.Duration) (form Link, known bool, err error) {
	if f.none.Load() {
		return Link{}, true, errors.ErrUnsupported
	}
	if form := f.form.Load(); form != nil && time.Until(form.Expires) >= life {
		return *form, true, nil
	}
	return Link{}, false, nil
}
