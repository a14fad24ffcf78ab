package inproc

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
)

const (
	// storeHost is in every link. Nothing outside of this process is called that.
	storeHost = "inproc.invalid"

	// longestLink is the longest life of a link, as on S3.
	longestLink = 7 * 24 * time.Hour

	// maxForm is how many bytes the fields of a form have before its file, as on S3. Source:
	// docs.aws.amazon.com/AmazonS3/latest/userguide/HTTPPOSTForms.html, 2026-11.
	maxForm = 20 << 10

	// formBuffer is for a reader of forms that asks for 4 KiB at a time.
	formBuffer = 64 << 10
)

// onlyNew is the header by which a PUT changes nothing that exists.
const onlyNew = "If-None-Match"

func (s *store) LinkGet(_ context.Context, key string, life time.Duration) (lambdapool.Link, error) {
	return s.link(http.MethodGet, key, life, nil), nil
}

func (s *store) LinkPut(_ context.Context, key string, life time.Duration) (lambdapool.Link, error) {
	return s.link(http.MethodPut, key, life, nil), nil
}

func (s *store) LinkCreate(_ context.Context, key string, life time.Duration) (lambdapool.Link, error) {
	return s.link(http.MethodPut, key, life, map[string]string{onlyNew: "*"}), nil
}

func (s *store) LinkUnder(_ context.Context, prefix string, life time.Duration) (lambdapool.Link, error) {
	expires := s.now().Add(min(life, longestLink))
	at := strconv.FormatInt(expires.UnixNano(), 10)
	return lambdapool.Link{
		URL: "http://" + storeHost + "/", Under: prefix, Expires: expires,
		Form: map[string]string{"prefix": prefix, "expires": at, "signature": s.sign(http.MethodPost, prefix, at, "")},
	}, nil
}

func (s *store) LinkedUntil(context.Context) (time.Time, error) {
	return s.now().Add(longestLink), nil
}

// link signs the right to do one thing with one object for a time. The header has to
// be sent along.
func (s *store) link(method, key string, life time.Duration, header map[string]string) lambdapool.Link {
	expires := s.now().Add(min(life, longestLink))
	at := strconv.FormatInt(expires.UnixNano(), 10)
	query := url.Values{"expires": {at}, "signature": {s.sign(method, key, at, header[onlyNew])}}
	if header != nil {
		query.Set(onlyNew, header[onlyNew])
	}
	u := url.URL{Scheme: "http", Host: storeHost, Path: "/" + key, RawQuery: query.Encode()}
	return lambdapool.Link{URL: u.String(), Header: header, Expires: expires}
}

// sign keeps a link to what it was made for: mistakes show here as they do on S3.
func (s *store) sign(method, key, expires, condition string) string {
	mac := hmac.New(sha256.New, s.secret)
	fmt.Fprintf(mac, "%s\n%s\n%s\n%s", method, expires, condition, key)
	return hex.EncodeToString(mac.Sum(nil))
}

// signed says whether values, a query or a form, hold the signature of what they allow
// and have not expired.
func (s *store) signed(method, key, condition string, values func(string) string) bool {
	expires, err := strconv.ParseInt(values("expires"), 10, 64)
	want := s.sign(method, key, values("expires"), condition)
	return err == nil && s.now().UnixNano() <= expires && hmac.Equal([]byte(want), []byte(values("signature")))
}

// RoundTrip answers as an object store does: what the link does not allow, or not any
// more, is refused.
func (s *store) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if r.URL.Host != storeHost {
		return refuse(http.StatusForbidden, "AccessDenied"), nil
	}
	if r.Method == http.MethodPost {
		return s.post(r)
	}
	key, query := strings.TrimPrefix(r.URL.Path, "/"), r.URL.Query()
	condition := query.Get(onlyNew)
	if !s.signed(r.Method, key, condition, query.Get) || condition != "" && r.Header.Get(onlyNew) != condition {
		return refuse(http.StatusForbidden, "AccessDenied"), nil
	}
	if r.Method == http.MethodPut {
		return s.put(r, key)
	}
	data, ok := s.get(key)
	if !ok {
		return refuse(http.StatusNotFound, "NoSuchKey"), nil
	}
	return respond(http.StatusOK, data), nil
}

func (s *store) put(r *http.Request, key string) (*http.Response, error) {
	if r.ContentLength < 0 || r.ContentLength > codec.MaxStored {
		return refuse(http.StatusLengthRequired, "MissingContentLength"), nil
	}
	data := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, data); err != nil {
		return nil, err
	}
	if r.Header.Get(onlyNew) == "" {
		s.set(key, data)
	} else if !s.create(key, data) {
		return refuse(http.StatusPreconditionFailed, "PreconditionFailed"), nil
	}
	return respond(http.StatusOK, nil), nil
}

// post stores what a form brings: its fields first, then the key, and the file at last.
func (s *store) post(r *http.Request) (*http.Response, error) {
	_, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // a boundary says all
	if params["boundary"] == "" {
		return refuse(http.StatusPreconditionFailed, "PreconditionFailed"), nil
	}
	if r.ContentLength < 0 || r.ContentLength > codec.MaxStored+2*maxForm {
		return refuse(http.StatusLengthRequired, "MissingContentLength"), nil
	}
	body := bufio.NewReaderSize(r.Body, formBuffer)
	form, fields := multipart.NewReader(body, params["boundary"]), map[string]string{}
	for room := int64(maxForm); ; {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return refuse(http.StatusBadRequest, "InvalidArgument"), nil // there is no file
		}
		if err != nil {
			return nil, err
		}
		if part.FormName() == "file" {
			return s.postFile(part, fields, r.ContentLength)
		}
		value, err := io.ReadAll(io.LimitReader(part, room+1))
		if err != nil {
			return nil, err
		}
		if room -= int64(len(value)); room < 0 {
			return refuse(http.StatusBadRequest, "MaxPostPreDataLengthExceeded"), nil
		}
		fields[part.FormName()] = string(value)
	}
}

func (s *store) postFile(file io.Reader, fields map[string]string, most int64) (*http.Response, error) {
	prefix, key := fields["prefix"], fields["key"]
	if !s.signed(http.MethodPost, prefix, "", func(name string) string { return fields[name] }) || !strings.HasPrefix(key, prefix) {
		return refuse(http.StatusForbidden, "AccessDenied"), nil
	}
	var data bytes.Buffer
	data.Grow(int(most))
	if _, err := data.ReadFrom(file); err != nil {
		return nil, err
	}
	s.set(key, data.Bytes())
	return respond(http.StatusNoContent, nil), nil
}

func refuse(status int, code string) *http.Response {
	return respond(status, []byte("<Error><Code>"+code+"</Code></Error>"))
}

func respond(status int, body []byte) *http.Response {
	return &http.Response{StatusCode: status, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body))}
}
