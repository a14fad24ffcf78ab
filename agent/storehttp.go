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
	"github.com/lambdapool/lambdapool/internal/postform"
)

// An exchange is a request to an object store that a link allows, and its tries.
type exchange struct {
	method string
	link   codec.Link
	key    string                     // of the object, where the link is a form
	body   content                    // nil: none
	header map[string]string          // besides the link's
	done   func(*http.Response) error // reads what a good answer holds; nil: nothing

	patience time.Duration // for how long it is tried, however often; 0: storeTries times

	unsure bool // a try failed that may have done what it should
}

// A content is what an object will hold. A *codec.Frame is one.
type content interface {
	Size() int64
	Reader() io.ReadSeeker
}

// A text is content in memory.
type text []byte

func (t text) Size() int64           { return int64(len(t)) }
func (t text) Reader() io.ReadSeeker { return bytes.NewReader(t) }

// exchange makes a request until it succeeds, cannot succeed any more, or was tried
// often enough.
func (h *Handler) exchange(ctx context.Context, x *exchange) error {
	began := time.Now()
	for try := 1; ; try++ {
		err := h.exchangeOnce(ctx, x)
		if err == nil {
			return nil
		}
		x.unsure = x.unsure || mayHaveDone(err)
		err = &storeError{method: x.method, link: x.link, key: x.key, tries: try, err: err}
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", err, ctx.Err())
		}
		if errors.As(err, new(finalError)) || x.patience == 0 && try == storeTries || x.patience > 0 && time.Since(began) > x.patience {
			return err
		}
		pause := min(storePause<<min(try-1, 10), storePauseMax)
		timer := time.NewTimer(pause/2 + rand.N(pause/2)) //nolint:gosec // spreads load
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w: %w", err, ctx.Err())
		}
	}
}

// exchangeOnce makes one try. Redirects are not followed.
func (h *Handler) exchangeOnce(ctx context.Context, x *exchange) error {
	r, err := storeRequest(ctx, x)
	if err != nil {
		return final(err)
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
	if !x.accepts(resp.StatusCode) {
		return refused(resp)
	}
	if x.done == nil {
		return nil
	}
	return x.done(resp)
}

// accepts says whether an answer means that the request was carried out.
func (x *exchange) accepts(status int) bool {
	switch status {
	case http.StatusOK:
		return true
	case http.StatusCreated, http.StatusNoContent: // which of them a form is answered with is the store's choice
		return x.method == http.MethodPost
	case http.StatusPartialContent:
		return x.header["Range"] != ""
	default:
		return false
	}
}

// mayHaveDone says whether a request that failed so may have been carried out.
func mayHaveDone(err error) bool {
	var no *refusal
	if errors.As(err, &no) {
		return no.status >= http.StatusInternalServerError || no.status == http.StatusRequestTimeout
	}
	var op *net.OpError
	return !errors.As(err, &op) || op.Op != "dial"
}

// storeRequest makes the request that the link allows.
func storeRequest(ctx context.Context, x *exchange) (*http.Request, error) {
	u, err := url.Parse(x.link.URL)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the link is not one to an object store") // url.Parse's error quotes it
	}
	r, err := http.NewRequestWithContext(ctx, x.method, "", http.NoBody)
	if err != nil {
		return nil, err
	}
	r.URL, r.Host = u, u.Host
	for _, header := range []map[string]string{x.link.Header, x.header} {
		for name, value := range header {
			r.Header.Set(name, value)
		}
	}
	switch {
	case x.body == nil:
	case x.key != "":
		return r, postform.Fill(r, x.link.Form, x.key, x.body.Size(), func() io.Reader { return x.body.Reader() })
	default:
		r.ContentLength = x.body.Size()
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(x.body.Reader()), nil }
		r.Body, _ = r.GetBody() // never fails
	}
	return r, nil
}

// A storeError says what was tried, without the secret part of the link.
type storeError struct {
	method string
	link   codec.Link
	key    string
	tries  int
	err    error
}

func (e *storeError) Error() string {
	text := fmt.Sprintf("%s %v", e.method, e.link)
	if e.key != "" {
		text += " of " + e.key
	}
	text += fmt.Sprintf(": %v", e.err)
	if e.tries > 1 {
		text += fmt.Sprintf(" (tried %d times)", e.tries)
	}
	return text
}

func (e *storeError) Unwrap() error { return e.err }

// A finalError is not worth another try.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// final marks an error that no other try would mend.
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

// refused reads what a store answers instead of OK, and says by finalError whether another try is
// of any use. It is for 5xx, 429, 408 and for 409, which S3 answers while somebody else stores the
// same object; not for what would be answered alike each time.
func refused(resp *http.Response) error {
	const enough = 4 << 10
	body, _ := io.ReadAll(io.LimitReader(resp.Body, enough)) // what can be read of it
	e := &refusal{status: resp.StatusCode, code: errorCode(body)}
	switch {
	case e.status == http.StatusInsufficientStorage && e.code == "DiskFull": // the embedded store's: nobody makes room by waiting
		return final(e)
	case e.status >= 500, e.status == http.StatusTooManyRequests, e.status == http.StatusRequestTimeout, e.code == "RequestTimeout",
		e.status == http.StatusConflict: // somebody else stores the same object just now
		return e
	default:
		return final(e)
	}
}

// expiredToken is what Google Cloud Storage says of a link that has expired. Amazon S3 has no word of its own for it.
const expiredToken = "ExpiredToken"

// hasExpired reports whether a store has said that a link has expired: it says nothing else any more.
func hasExpired(err error) bool {
	var no *refusal
	return errors.As(err, &no) && no.code == expiredToken
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
	case no.status == http.StatusForbidden, no.code == expiredToken: // 400, as Google has it
		return "the link has expired, or who signed it may not do this: see the client's rights on the bucket, and how long its credentials last"
	case no.status == http.StatusNotFound:
		return "the object is gone: was it deleted, or does a lifecycle rule expire it too early?"
	case no.status/100 == 3:
		return "redirects are not followed: set the bucket's region"
	default:
		return ""
	}
}
