// Package storeclock tells the time that links to a store are signed with: the store's, as of its last answer,
// where this machine's differs from it. A link that is signed early or late is refused or ends too soon.
// It knows no store, and nothing of this module.
package storeclock

import (
	"net/http"
	"sync/atomic"
	"time"
)

// A Clock is the store's. From one answer to the next it goes on by the time that passes, not by this machine's
// clock: somebody may set that in between, and a run would be judged by it. The zero Clock is this machine's
// until it has learned. It is safe for concurrent use.
type Clock struct {
	// Before the first answer, the store's clock is so far ahead of this machine's; nil: it is not known. It is
	// set before the Clock is used.
	Before func() time.Duration

	learned atomic.Pointer[instant]
}

// An instant is when the store's clock was learned.
type instant struct{ store, here time.Time }

// exact is the difference that a clock is taken for right with: answers count seconds, and
// take their time.
const exact = 5 * time.Second

// Offset is how far the store's clock is ahead of this machine's.
func (c *Clock) Offset() time.Duration {
	if at := c.learned.Load(); at != nil {
		return time.Until(at.now()) // which has no monotonic reading
	}
	if c.Before != nil {
		return c.Before()
	}
	return 0
}

// Now is the store's time.
func (c *Clock) Now() time.Time {
	if at := c.learned.Load(); at != nil {
		return at.now()
	}
	return time.Now().Add(c.Offset())
}

func (i *instant) now() time.Time { return i.store.Add(time.Since(i.here)) }

// Learn takes the time over from an answer.
func (c *Clock) Learn(h http.Header) {
	at, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	here := time.Now()
	if at.Sub(here).Abs() < exact {
		at = here.Round(0) // without the monotonic reading
	}
	c.learned.Store(&instant{at, here})
}

// A Transport has a Clock learn from every answer, also from those that refuse a signature.
type Transport struct {
	http.RoundTripper

	Clock *Clock
}

// RoundTrip makes the request.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(r)
	if err == nil {
		t.Clock.Learn(resp.Header)
	}
	return resp, err
}
