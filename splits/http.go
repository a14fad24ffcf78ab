package splits

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/linked"
)

// network follows links that lead out of this process.
var network http.RoundTripper = linked.Network()

// A distant object is read by its link.
type distant struct {
	link    driver.Link
	size    int64
	version string
}

// opener is what the split's bytes come from.
func (s Split) opener() opener {
	if s.Path != "" {
		return file{path: s.Path, size: s.Size, version: s.Version}
	}
	return distant{link: s.Link, size: s.Size, version: s.Version}
}

func (l distant) open(ctx context.Context, from, to int64) (io.ReadCloser, error) {
	resp, err := l.ask(ctx, http.MethodGet, fmt.Sprintf("bytes=%d-%d", from, to-1))
	if err != nil {
		return nil, err
	}
	if err := l.verify(resp, from, to); err != nil {
		_ = resp.Body.Close() // there is an error to report already
		return nil, err
	}
	return resp.Body, nil
}

// ask makes a request that the link allows. A redirect is not followed: it would take the
// credential elsewhere.
func (l distant) ask(ctx context.Context, method, part string) (*http.Response, error) {
	u, err := url.Parse(l.link.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, final(errors.New("the link is not one to an object store")) // url.Parse's error quotes it
	}
	r, err := http.NewRequestWithContext(ctx, method, "", http.NoBody)
	if err != nil {
		return nil, final(err)
	}
	r.URL, r.Host = u, u.Host
	for name, value := range l.link.Header {
		r.Header.Set(name, value)
	}
	r.Header.Set("Accept-Encoding", "identity") // bytes have to be the object's
	if part != "" {
		r.Header.Set("Range", part)
		if strings.HasPrefix(l.version, `"`) { // a weak one never matches
			r.Header.Set("If-Match", l.version)
		}
	}
	transport := linked.Transport(u.Host)
	if transport == nil {
		transport = network
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, err
	}
	return resp, nil
}

// verify says whether an answer has the bytes [from, to) of the version that is wanted.
func (l distant) verify(resp *http.Response, from, to int64) error {
	switch status := resp.StatusCode; {
	case status == http.StatusOK || status == http.StatusPartialContent:
	case status == http.StatusPreconditionFailed, status == http.StatusRequestedRangeNotSatisfiable:
		return final(ErrChanged)
	case status == http.StatusNotFound, status == http.StatusGone:
		return final(fmt.Errorf("the object is gone: %w", fs.ErrNotExist))
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		return final(fmt.Errorf("HTTP %d from %v: the link has expired, or whoever signed it may not read the object", status, l.link))
	case status >= 500, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return fmt.Errorf("HTTP %d from %v", status, l.link)
	default:
		return final(fmt.Errorf("HTTP %d from %v", status, l.link))
	}
	if got := version(resp.Header); l.version != "" && got != "" && got != l.version {
		return final(ErrChanged)
	}
	if resp.StatusCode == http.StatusOK { // it knows no ranges, or the range is everything
		switch {
		case resp.ContentLength >= 0 && resp.ContentLength != l.size:
			return final(ErrChanged)
		case from > 0 || to < l.size:
			return final(ErrNoRanges)
		default:
			return nil
		}
	}
	first, size, ok := contentRange(resp.Header.Get("Content-Range"))
	switch {
	case !ok || first != from:
		return final(fmt.Errorf("asked for byte %d and got %.100q", from, resp.Header.Get("Content-Range")))
	case size >= 0 && size != l.size:
		return final(ErrChanged)
	default:
		return nil
	}
}

// version is what changes with an object.
func version(h http.Header) string {
	if etag := h.Get("ETag"); etag != "" {
		return etag
	}
	return h.Get("Last-Modified")
}

// contentRange reads "bytes 0-99/1000". The size is -1 where it is "*". Source: RFC 9110, 14.4.
func contentRange(s string) (first, size int64, ok bool) {
	span, total, ok := strings.Cut(strings.TrimPrefix(s, "bytes "), "/")
	if !ok || !strings.HasPrefix(s, "bytes ") {
		return 0, 0, false
	}
	begin, _, ok := strings.Cut(span, "-")
	first, err := strconv.ParseInt(begin, 10, 64)
	if !ok || err != nil {
		return 0, 0, false
	}
	if total == "*" {
		return first, -1, true
	}
	size, err = strconv.ParseInt(total, 10, 64)
	return first, size, err == nil
}
