package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
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
	storeLastWord = 100 * time.Millisecond // before the kill, for the answer that storing took too long
)

// newStoreTransport returns the transport that a Handler uses unless it is given
// another one.
func newStoreTransport() http.RoundTripper {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
		// Connections do not survive a frozen sandbox.
		IdleConnTimeout:     5 * time.Second,
		MaxIdleConnsPerHost: 16,
		DisableCompression:  true, // the bytes are what was stored, exactly
		ReadBufferSize:      64 << 10,
		WriteBufferSize:     64 << 10,
		Protocols:           new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	return t
}

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
	if end, _ := deadlines(began, kill, req.Remaining); !end.IsZero() {
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

// get reads a stored request.
func (h *Handler) get(ctx context.Context, s *codec.Stored) (req *codec.Request, err error) {
	err = h.exchange(ctx, http.MethodGet, s.From, nil, func(resp *http.Response) error {
		if resp.ContentLength >= 0 && resp.ContentLength != s.Size {
			return final(fmt.Errorf("the object has %d bytes, %d were stored", resp.ContentLength, s.Size))
		}
		req, err = codec.ReadRequest(resp.Body, s)
		if wrong := (*codec.FrameError)(nil); errors.As(err, &wrong) {
			return final(err)
		}
		return err
	})
	return req, err
}

// put stores a reply. It gives up shortly before ctx's deadline.
func (h *Handler) put(ctx context.Context, to codec.Link, frame *codec.Frame) error {
	if kill, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, kill.Add(-storeLastWord))
		defer cancel()
	}
	return h.exchange(ctx, http.MethodPut, to, frame, func(*http.Response) error { return nil })
}

// exchange makes a request until it succeeds, cannot succeed any more, or was tried
// often enough. done reads what a good answer holds.
func (h *Handler) exchange(ctx context.Context, method string, link codec.Link, frame *codec.Frame, done func(*http.Response) error) error {
	for try := 1; ; try++ {
		err := h.exchangeOnce(ctx, method, link, frame, done)
		if err == nil {
			return nil
		}
		err = &storeError{method: method, link: link, tries: try, err: err}
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", err, ctx.Err())
		}
		if errors.As(err, new(finalError)) || try == storeTries {
			return err
		}
		pause := storePause << (try - 1)
		timer := time.NewTimer(pause/2 + rand.N(pause/2)) //nolint:gosec // spreads load
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w: %w", err, ctx.Err())
		}
	}
}

func (h *Handler) exchangeOnce(ctx context.Context, method string, link codec.Link, frame *codec.Frame, done func(*http.Response) error) error {
	r, err := storeRequest(ctx, method, link)
	if err != nil {
		return final(err)
	}
	if frame != nil {
		r.ContentLength = frame.Size()
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(frame.Reader()), nil }
		r.Body, _ = r.GetBody() // never fails
	}
	// Not an http.Client: a redirect would take the credential elsewhere, and its
	// errors contain the URL.
	resp, err := h.transport().RoundTrip(r)
	if err != nil {
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refused(resp)
	}
	return done(resp)
}

// storeRequest makes the request that the link allows.
func storeRequest(ctx context.Context, method string, link codec.Link) (*http.Request, error) {
	u, err := url.Parse(link.URL)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the link is not one to an object store") // url.Parse's error quotes it
	}
	r, err := http.NewRequestWithContext(ctx, method, "", http.NoBody)
	if err != nil {
		return nil, err
	}
	r.URL, r.Host = u, u.Host
	for name, value := range link.Header {
		r.Header.Set(name, value)
	}
	return r, nil
}

// A storeError says what was tried, without the secret part of the link.
type storeError struct {
	method string
	link   codec.Link
	tries  int
	err    error
}

func (e *storeError) Error() string {
	text := fmt.Sprintf("%s %v: %v", e.method, e.link, e.err)
	if e.tries > 1 {
		text += fmt.Sprintf(" (tried %d times)", e.tries)
	}
	return text
}

func (e *storeError) Unwrap() error { return e.err }

// A finalError is not worth another try.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

func final(err error) error { return finalError{err} }

// A refusal is what a store answered instead of OK.
type refusal struct {
	status int
	code   string // S3's, such as AccessDenied
}

func (e *refusal) Error() string {
	text := fmt.Sprintf("HTTP %d", e.status)
	if e.code != "" {
		text += " " + e.code
	}
	return text
}

// errorCode returns what an S3 error says it is. The rest of it is not repeated: it
// may hold what was to be signed, and the key's id.
func errorCode(body []byte) string {
	const longest = 64
	_, rest, _ := bytes.Cut(body, []byte("<Code>"))
	code, _, ok := bytes.Cut(rest, []byte("</Code>"))
	strange := func(r rune) bool {
		return r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}
	if !ok || len(code) > longest || bytes.ContainsFunc(code, strange) {
		return ""
	}
	return string(code)
}

func refused(resp *http.Response) error {
	const enough = 4 << 10
	body, _ := io.ReadAll(io.LimitReader(resp.Body, enough)) // what can be read of it
	e := &refusal{status: resp.StatusCode, code: errorCode(body)}
	switch {
	case e.status >= 500, e.status == http.StatusTooManyRequests, e.status == http.StatusRequestTimeout, e.code == "RequestTimeout":
		return e
	default:
		return final(e)
	}
}

// storeHint says what to do about an exchange that failed.
func storeHint(err error) string {
	var no *refusal
	switch {
	case errors.Is(err, codec.ErrDamaged):
		return "something changed the object after it was stored; does anything else write to the bucket?"
	case errors.Is(err, context.DeadlineExceeded):
		return "allow the call, or the function, more time"
	case !errors.As(err, &no):
		return "can the function reach the object store? in a VPC it needs an endpoint for it"
	case no.status == http.StatusForbidden:
		return "the link has expired, or who signed it may not do this: see the client's rights on the bucket, and how long its credentials last"
	case no.status == http.StatusNotFound:
		return "the object is gone: was it deleted, or does a lifecycle rule expire it too early?"
	case no.status/100 == 3:
		return "redirects are not followed: set the bucket's region"
	default:
		return ""
	}
}
