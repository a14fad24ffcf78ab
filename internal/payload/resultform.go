package payload

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool/driver"
)

// formCalls is for how many of the longest calls, one after the other, a form is made:
// it is renewed that much less often, and lasts an hour with Lambda's 15 minutes.
const formCalls = 4

// A resultForm is the link by which all large results of an executor go: one signature
// serves them until too little is left of it. It is safe for concurrent use.
type resultForm struct {
	store  driver.Store
	prefix string
	life   time.Duration
	form   atomic.Pointer[driver.Link] // nil: none yet
	none   atomic.Bool                 // the store makes none
	making chan struct{}               // holds who makes one
}

// link returns a form that is good for life, or for as long as the store can make them.
// The error matches errors.ErrUnsupported if the store has none.
func (f *resultForm) link(ctx context.Context, life time.Duration) (driver.Link, error) {
	if form, known, err := f.known(life); known {
		return form, err
	}
	select {
	case f.making <- struct{}{}:
		defer func() { <-f.making }()
	case <-ctx.Done():
		return driver.Link{}, ctx.Err()
	}
	if form, known, err := f.known(life); known { // from who was here before
		return form, err
	}
	form, err := f.store.LinkUnder(ctx, f.prefix, max(f.life, life))
	if err != nil {
		f.none.Store(errors.Is(err, errors.ErrUnsupported))
		return driver.Link{}, err
	}
	form.Expires = form.Expires.Round(0) // by the wall clock: a machine that slept has none other
	f.form.Store(&form)
	return form, nil
}

// known returns the form that there is, or that there is none.
func (f *resultForm) known(life time.Duration) (form driver.Link, known bool, err error) {
	if f.none.Load() {
		return driver.Link{}, true, errors.ErrUnsupported
	}
	if form := f.form.Load(); form != nil && time.Until(form.Expires) >= life {
		return *form, true, nil
	}
	return driver.Link{}, false, nil
}
