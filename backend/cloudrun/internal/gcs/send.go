package gcs

import (
	"cmp"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/lambdapool/lambdapool/internal/once"
)

const (
	// A request is tried so often where another try may help, with pauses that double, jittered.
	tries    = 4
	pause    = 200 * time.Millisecond
	pauseMax = 5 * time.Second

	// maxError is how much is read of what says why a request was refused.
	maxError = 64 << 10
)

// A caller makes requests with access tokens, again where that may help.
type caller struct {
	transport http.RoundTripper
	tokens    oauth2.TokenSource
}

// A call is a request and its tries.
type call struct {
	method string
	url    *url.URL
	header http.Header
	body   io.ReadSeeker // nil: none
	size   int64         // of body, in bytes
}

// send makes a request until it is answered with success, cannot be any more, or was tried often enough. The
// caller closes the answer's body. The error may be a *refusal.
func (c *caller) send(ctx context.Context, x *call) (*http.Response, error) {
	for try := 1; ; try++ {
		resp, err := c.once(ctx, x)
		if err == nil || try == tries || ctx.Err() != nil || !transient(err) {
			return resp, err
		}
		if err := c.wait(ctx, try, err); err != nil {
			return nil, err
		}
	}
}

// wait lets time pass before another try. after is why there is one.
func (c *caller) wait(ctx context.Context, try int, after error) error {
	d := min(pause<<(try-1), pauseMax)
	d = d/2 + rand.N(d/2) //nolint:gosec // spreads load
	var no *refusal
	if errors.As(after, &no) && no.after > 0 {
		d = min(no.after, pauseMax)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", after, ctx.Err())
	}
}

// once makes a request once.
func (c *caller) once(ctx context.Context, x *call) (*http.Response, error) {
	token, err := c.token(ctx)
	if err != nil {
		return nil, err
	}
	r := (&http.Request{Method: x.method, URL: x.url, Host: x.url.Host, Header: x.header.Clone(), Body: http.NoBody}).WithContext(ctx)
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("User-Agent", "lambdapool")
	token.SetAuthHeader(r)
	if x.body != nil {
		if _, err := x.body.Seek(0, io.SeekStart); err != nil {
			return nil, &fatalError{err}
		}
	}
	if x.body != nil && x.size > 0 {
		b := &lending{body: x.body}
		defer b.revoke()
		r.ContentLength, r.GetBody = x.size, b.again
		r.Body = b.lend()
	}
	// Not an http.Client: a redirect would take the token elsewhere.
	resp, err := c.transport.RoundTrip(r)
	if err != nil {
		return nil, once.Unquoted(err)
	}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusNoContent:
		return resp, nil
	default:
		return nil, refused(resp)
	}
}

// token returns one. It does not wait longer than ctx, though its source may go on.
func (c *caller) token(ctx context.Context) (*oauth2.Token, error) {
	type answer struct {
		token *oauth2.Token
		err   error
	}
	got := make(chan answer, 1)
	go func() {
		token, err := c.tokens.Token()
		got <- answer{token, err}
	}()
	select {
	case a := <-got:
		if a.err != nil {
			return nil, &credentialsError{a.err}
		}
		return a.token, nil
	case <-ctx.Done():
		return nil, &credentialsError{ctx.Err()}
	}
}

// A lending lends a body to a transport, which may go on reading for a moment after it has given up. The body is
// its owner's again after revoke.
type lending struct {
	mu   sync.Mutex
	body io.ReadSeeker
	now  *lent
}

// A lent is a body in the transport's hands.
type lent struct{ by *lending }

var errRevoked = errors.New("the request has ended")

func (l *lent) Read(p []byte) (int, error) {
	l.by.mu.Lock()
	defer l.by.mu.Unlock()
	if l.by.now != l {
		return 0, errRevoked
	}
	return l.by.body.Read(p)
}

func (l *lent) Close() error { return nil }

func (b *lending) lend() io.ReadCloser {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = &lent{b}
	return b.now
}

// again is http.Request.GetBody: the transport wants to begin again.
func (b *lending) again() (io.ReadCloser, error) {
	b.revoke()
	if _, err := b.body.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return b.lend(), nil
}

func (b *lending) revoke() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = nil
}

// A refusal is what was answered instead of success. Source:
// cloud.google.com/storage/docs/xml-api/reference-status, 2026-11.
type refusal struct {
	status  int
	code    string // such as AccessDenied
	details string // for people
	after   time.Duration
}

func (e *refusal) Error() string {
	text := fmt.Sprintf("HTTP %d", e.status)
	if e.code != "" {
		text += " " + e.code
	}
	if e.details != "" {
		text += ": " + e.details
	}
	return text
}

// refused reads why. It closes the answer's body.
func refused(resp *http.Response) error {
	defer resp.Body.Close()
	e := &refusal{status: resp.StatusCode, after: once.RetryAfter(resp.Header, time.Now())}
	var document struct {
		XMLName xml.Name `xml:"Error"`
		Code    string   `xml:"Code"`
		Message string   `xml:"Message"`
		Details string   `xml:"Details"`
	}
	var other struct { // of the APIs that speak JSON
		Error struct {
			Message string `json:"message"`
			Status  string `json:"status"`
		} `json:"error"`
	}
	// What cannot be read says nothing.
	data, _ := io.ReadAll(io.LimitReader(resp.Body, maxError))
	switch {
	case xml.Unmarshal(data, &document) == nil:
		e.code, e.details = once.Clip(document.Code), once.Clip(cmp.Or(document.Details, document.Message))
	case json.Unmarshal(data, &other) == nil:
		e.code, e.details = once.Clip(other.Error.Status), once.Clip(other.Error.Message)
	}
	return e
}

// A credentialsError is of a request that was not sent for lack of a token.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return "no access token: " + e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// A fatalError is not worth another try.
type fatalError struct{ err error }

func (e *fatalError) Error() string { return e.err.Error() }
func (e *fatalError) Unwrap() error { return e.err }

// transient reports whether another try may help. Source: cloud.google.com/storage/docs/retry-strategy, 2026-11.
func transient(err error) bool {
	var no *refusal
	switch {
	case errors.As(err, &no):
		return no.status == http.StatusRequestTimeout || no.status == http.StatusTooManyRequests || no.status >= http.StatusInternalServerError
	case errors.As(err, new(*fatalError)), errors.As(err, new(*credentialsError)): // whose source has tried
		return false
	}
	return true // on its way
}
