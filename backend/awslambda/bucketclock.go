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
type storeClock struct {
	lambda *clock // nil: not known
	seen   atomic.Bool
	ahead  atomic.Int64 // nanoseconds that the store's is ahead
}

// exact is the difference that a clock is taken for right with: answers count seconds, and
// take their time.
const exact = 5 * time.Second

// offset is how far the store's clock is ahead of this machine's.
func (c *storeClock) offset() time.Duration {
	if !c.seen.Load() && c.lambda != nil {
		return time.Duration(c.lambda.ahead.Load())
	}
	return time.Duration(c.ahead.Load())
}

// now is the store's time.
func (c *storeClock) now() time.Time { return time.Now().Add(c.offset()) }

// learn takes the time over from an answer.
func (c *storeClock) learn(h http.Header) {
	at, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	ahead := time.Until(at).Round(time.Second)
	if ahead.Abs() < exact {
		ahead = 0
	}
	c.ahead.Store(int64(ahead))
	c.seen.Store(true)
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
