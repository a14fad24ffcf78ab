package local

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool"
)

const (
	storePath = "/store/"

	// longestLink is the longest life of a link, as on S3.
	longestLink = 7 * 24 * time.Hour

	// maxForm is how many bytes the fields of a form have before its file, as on S3. Source:
	// docs.aws.amazon.com/AmazonS3/latest/userguide/HTTPPOSTForms.html, 2026-11.
	maxForm = 20 << 10

	// formBuffer is for a reader of forms that asks for 4 KiB at a time.
	formBuffer = 64 << 10

	// refusedBody is how much of a body that is refused is read all the same: whoever is cut
	// off while sending may never read why.
	refusedBody = 64 << 20

	// ifNoneMatch is the header by which a PUT changes nothing that exists.
	ifNoneMatch = "If-None-Match"
)

func (s *store) LinkGet(_ context.Context, key string, life time.Duration) (lambdapool.Link, error) {
	return s.link(http.MethodGet, key, life, nil), nil
}

func (s *store) LinkPut(_ context.Context, key string, life time.Duration) (lambdapool.Link, error) {
	return s.link(http.MethodPut, key, life, nil), nil
}

func (s *store) LinkCreate(_ context.Context, key string, life time.Duration) (lambdapool.Link, error) {
	return s.link(http.MethodPut, key, life, map[string]string{ifNoneMatch: "*"}), nil
}

func (s *store) LinkUnder(_ context.Context, prefix string, life time.Duration) (lambdapool.Link, error) {
	expires := s.now().Add(min(life, longestLink))
	at := strconv.FormatInt(expires.UnixMilli(), 10)
	return lambdapool.Link{
		URL: s.endpoint + storePath, Under: prefix, Expires: expires,
		Form: map[string]string{"prefix": prefix, "expires": at, "signature": s.sign(http.MethodPost, prefix, at, "")},
	}, nil
}

func (s *store) LinkedUntil(context.Context) (time.Time, error) {
	return s.now().Add(longestLink), nil
}

// link signs the right to do one thing with one object for a time. What is secret about
// it is in the query, as in S3's links. The header has to be sent along.
func (s *store) link(method, key string, life time.Duration, header map[string]string) lambdapool.Link {
	expires := s.now().Add(min(life, longestLink))
	at := strconv.FormatInt(expires.UnixMilli(), 10)
	query := url.Values{"expires": {at}, "signature": {s.sign(method, key, at, header[ifNoneMatch])}}
	if header != nil {
		query.Set(ifNoneMatch, header[ifNoneMatch])
	}
	path := (&url.URL{Path: storePath + key}).EscapedPath()
	return lambdapool.Link{URL: s.endpoint + path + "?" + query.Encode(), Header: header, Expires: expires}
}

func (s *store) sign(method, key, expires, condition string) string {
	mac := hmac.New(sha256.New, s.secret)
	fmt.Fprintf(mac, "%s\n%s\n%s\n%s", method, expires, condition, key)
	return hex.EncodeToString(mac.Sum(nil))
}

// route adds the store to mux.
func (s *store) route(mux *http.ServeMux) {
	mux.HandleFunc("GET "+storePath+"{key...}", s.allowed(s.serveGet))
	mux.HandleFunc("PUT "+storePath+"{key...}", s.allowed(s.servePut))
	mux.HandleFunc("POST "+storePath+"{$}", s.servePost)
}

// allowed lets serve see only what a valid link allows.
func (s *store) allowed(serve func(w http.ResponseWriter, r *http.Request, key string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key, query := r.PathValue("key"), r.URL.Query()
		condition := query.Get(ifNoneMatch)
		if condition != "" && r.Header.Get(ifNoneMatch) != condition {
			storeError(w, http.StatusForbidden, "AccessDenied", "There were headers signed that were not in the request.")
			return
		}
		if s.signed(w, r.Method, key, condition, query.Get) {
			serve(w, r, key)
		}
	}
}

// signed says whether values, a query or a form, hold the signature of what they allow
// and have not expired; otherwise it answers.
func (s *store) signed(w http.ResponseWriter, method, key, condition string, values func(string) string) bool {
	want := s.sign(method, key, values("expires"), condition)
	if !hmac.Equal([]byte(want), []byte(values("signature"))) {
		storeError(w, http.StatusForbidden, "SignatureDoesNotMatch", "The link was not signed by this store for this request.")
		return false
	}
	expires, err := strconv.ParseInt(values("expires"), 10, 64)
	if err != nil || s.now().UnixMilli() > expires {
		storeError(w, http.StatusForbidden, "AccessDenied", "Request has expired")
		return false
	}
	return true
}

func (s *store) serveGet(w http.ResponseWriter, r *http.Request, key string) {
	o := s.use(key)
	if o == nil {
		storeError(w, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
		return
	}
	defer o.release()
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", o.modified, o.reader())
}

func (s *store) servePut(w http.ResponseWriter, r *http.Request, key string) {
	if r.ContentLength < 0 {
		withoutLength(w, r)
		return
	}
	err := s.add(key, &upload{body: r.Body, size: r.ContentLength, onlyNew: r.Header.Get(ifNoneMatch) == "*"})
	if err != nil {
		notStored(w, r, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// servePost stores what a form brings: its fields first, then the key, and the file at last.
func (s *store) servePost(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength < 0 {
		withoutLength(w, r)
		return
	}
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		storeError(w, http.StatusPreconditionFailed, "PreconditionFailed", "The body of a POST must be multipart/form-data.")
		return
	}
	form := multipart.NewReader(bufio.NewReaderSize(r.Body, formBuffer), params["boundary"])
	fields := map[string]string{}
	for room := int64(maxForm); ; {
		part, err := form.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			storeError(w, http.StatusBadRequest, "InvalidArgument", "POST requires exactly one file upload per request.")
			return
		case err != nil:
			storeError(w, http.StatusBadRequest, "MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")
			return
		case part.FormName() == "file":
			s.storeFile(w, r, part, fields)
			return
		}
		value, err := io.ReadAll(io.LimitReader(part, room+1))
		if room -= int64(len(value)); err != nil || room < 0 {
			storeError(w, http.StatusBadRequest, "MaxPostPreDataLengthExceeded", "Your POST request fields preceding the upload file were too large.")
			return
		}
		fields[part.FormName()] = string(value)
	}
}

// storeFile stores the file of r's form.
func (s *store) storeFile(w http.ResponseWriter, r *http.Request, file io.Reader, fields map[string]string) {
	key := fields["key"]
	if !strings.HasPrefix(key, fields["prefix"]) {
		storeError(w, http.StatusForbidden, "AccessDenied", "Invalid according to Policy: Policy Condition failed: [starts-with, $key]")
		return
	}
	if !s.signed(w, http.MethodPost, fields["prefix"], "", func(name string) string { return fields[name] }) {
		return
	}
	if err := s.add(key, &upload{body: file, size: r.ContentLength, atMost: true}); err != nil {
		notStored(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func withoutLength(w http.ResponseWriter, r *http.Request) {
	_, _ = io.CopyN(io.Discard, r.Body, refusedBody)
	storeError(w, http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header.")
}

// notStored answers why add has failed.
func notStored(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, fs.ErrExist):
		storeError(w, http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
	case errors.Is(err, errStoreFull):
		_, _ = io.CopyN(io.Discard, r.Body, refusedBody)
		w.Header().Set("Connection", "close")
		storeError(w, http.StatusInsufficientStorage, "QuotaExceeded", err.Error())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		storeError(w, http.StatusBadRequest, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header.")
	default:
		storeError(w, http.StatusInternalServerError, "InternalError", "The object could not be stored.")
	}
}

// storeError answers as S3 does.
func storeError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, escape.Replace(message))
}
