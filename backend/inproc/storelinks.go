package inproc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/postform"
	"github.com/lambdapool/lambdapool/internal/storelinks"
)

const (
	// storeDomain ends the host of every link, and the store's own name begins it. Nothing outside
	// of this process is called that.
	storeDomain = ".inproc.invalid"

	// formRoom is for what a form has besides its file, in bytes.
	formRoom = 64 << 10
)

// RoundTrip answers as an object store does: what the link does not allow, or not any
// more, is refused.
func (s *store) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if r.URL.Host != s.host {
		return refuse(http.StatusForbidden, "AccessDenied"), nil
	}
	if r.Method == http.MethodPost {
		return s.post(r)
	}
	key, query := strings.TrimPrefix(r.URL.Path, "/"), r.URL.Query()
	condition := query.Get(storelinks.OnlyNew)
	if s.Allowed(r.Method, key, query) != nil || condition != "" && r.Header.Get(storelinks.OnlyNew) != condition {
		return refuse(http.StatusForbidden, "AccessDenied"), nil
	}
	if r.Method == http.MethodPut {
		return s.put(r, key)
	}
	o, ok := s.get(key)
	if !ok {
		return refuse(http.StatusNotFound, "NoSuchKey"), nil
	}
	return o.serve(r), nil
}

// serve answers a GET of o. It does not copy: o may be large. Not http.ServeContent, which would make an
// agent that links this package larger by a fortieth.
func (o object) serve(r *http.Request) *http.Response {
	size := int64(len(o.data))
	first, last, part := int64(0), size-1, r.Header.Get("Range")
	switch match := r.Header.Get("If-Match"); {
	case match != "" && match != o.etag():
		return refuse(http.StatusPreconditionFailed, "PreconditionFailed")
	case part != "":
		from, to, _ := strings.Cut(strings.TrimPrefix(part, "bytes="), "-")
		var failed, again error
		first, failed = strconv.ParseInt(from, 10, 64)
		last, again = strconv.ParseInt(to, 10, 64)
		if failed != nil || again != nil || first < 0 || last < first || first >= size {
			return refuse(http.StatusRequestedRangeNotSatisfiable, "InvalidRange")
		}
		last = min(last, size-1)
	}
	resp := respond(http.StatusOK, o.data[first:last+1])
	resp.Header.Set("ETag", o.etag())
	if part != "" {
		resp.StatusCode = http.StatusPartialContent
		resp.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, size))
	}
	return resp
}

// put stores what a link brings. The length must be known before, as S3 demands.
func (s *store) put(r *http.Request, key string) (*http.Response, error) {
	if r.ContentLength < 0 || r.ContentLength > codec.MaxStored {
		return refuse(http.StatusLengthRequired, "MissingContentLength"), nil
	}
	data := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, data); err != nil {
		return nil, err
	}
	if r.Header.Get(storelinks.OnlyNew) == "" {
		s.set(key, data)
	} else if !s.create(key, data) {
		return refuse(http.StatusPreconditionFailed, "PreconditionFailed"), nil
	}
	return respond(http.StatusOK, nil), nil
}

// post stores what a form brings.
func (s *store) post(r *http.Request) (*http.Response, error) {
	if r.ContentLength < 0 || r.ContentLength > codec.MaxStored+formRoom {
		return refuse(http.StatusLengthRequired, "MissingContentLength"), nil
	}
	form, err := postform.Read(r.Header.Get("Content-Type"), r.Body)
	var bad *postform.Error
	if errors.As(err, &bad) {
		return refuse(bad.Status, bad.Code), nil
	}
	if err != nil {
		return nil, err
	}
	if s.AllowedForm(form.Fields) == nil {
		return s.fill(form, r.ContentLength)
	}
	return refuse(http.StatusForbidden, "AccessDenied"), nil
}

// fill stores the file of a form, which has so many bytes at most.
func (s *store) fill(form *postform.Form, most int64) (*http.Response, error) {
	var data bytes.Buffer
	data.Grow(int(most))
	if _, err := data.ReadFrom(form.File); err != nil {
		return nil, err
	}
	s.set(form.Fields["key"], data.Bytes())
	return respond(http.StatusNoContent, nil), nil
}

// refuse answers as S3 does when it refuses: agents read the code.
func refuse(status int, code string) *http.Response {
	return respond(status, []byte("<Error><Code>"+code+"</Code></Error>"))
}

func respond(status int, body []byte) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body))}
}
