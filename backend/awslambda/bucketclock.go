package awslambda

import (
	"net/http"
	"sync/atomic"
	"time"
)

// A storeClock tells the time that links are signed with: the store's, as of its last
// answer, where this machine's differs from it. The SDK corrects only requests
// of its own, and a link that is signed early or late is refused or ends too soon.
// Before the first answer it is Lambda's, if that is known.
//
// From one answer to the next it goes on by the time that passes, not by this machine's clock:
// somebody may set that in between, and a run would be judged by it.
type storeClock struct {
	lambda  *clock // nil: not known
	learned atomic.Pointer[instant]
}

// An instant is when the store's clock was learned.
type instant struct{ store, here time.Time }

// exact is the difference that a clock is taken for right with: answers count seconds, and
// take their time.
const exact = 5 * time.Second

// offset is how far the store's clock is ahead of this machine's.
func (c *storeClock) offset() time.Duration {
	if at := c.learned.Load(); at != nil {
		return time.Until(at.now()) // which has no monotonic reading
	}
	if c.lambda != nil {
		return time.Duration(c.lambda.ahead.Load())
	}
	return 0
}

// now is the store's time.
func (c *storeClock) now() time.Time {
	if at := c.learned.Load(); at != nil {
		return at.now()
	}
	return time.Now().Add(c.offset())
}

func (i *instant) now() time.Time { return i.store.Add(time.Since(i.here)) }

// learn takes the time over from an answer.
func (c *storeClock) learn(h http.Header) {
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

// timed has a clock learn from every answer, also from those that refuse a signature.
type timed struct {
	http.RoundTripper

	clock *storeClock
}

func (t *timed) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(r)
	if err == nil {
		t.clock.learn(resp.Header)
	}
	return resp, err
}
