package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"syscall"

	"github.com/lambdapool/lambdapool/internal/postform"
	"github.com/lambdapool/lambdapool/internal/storelinks"
)

const (
	pathPrefix = "/store/"

	// refusedBody is how much of a body that is refused is read all the same: whoever is cut
	// off while sending may never read why.
	refusedBody = 64 << 20
)

// Route adds the store to mux.
func (s *Store) Route(mux *http.ServeMux) {
	mux.HandleFunc("GET "+pathPrefix+"{key...}", s.allowed(s.serveGet))
	mux.HandleFunc("PUT "+pathPrefix+"{key...}", s.allowed(s.servePut))
	mux.HandleFunc("POST "+pathPrefix+"{$}", s.servePost)
}

// allowed lets serve see only what a valid link allows.
func (s *Store) allowed(serve func(w http.ResponseWriter, r *http.Request, key string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key, query := r.PathValue("key"), r.URL.Query()
		condition := query.Get(storelinks.OnlyNew)
		if condition != "" && r.Header.Get(storelinks.OnlyNew) != condition {
			writeError(w, http.StatusForbidden, "AccessDenied", "There were headers signed that were not in the request.")
			return
		}
		if err := s.Allowed(r.Method, key, query); err != nil {
			notAllowed(w, err)
			return
		}
		serve(w, r, key)
	}
}

// notAllowed answers a request that what is signed does not allow.
func notAllowed(w http.ResponseWriter, err error) {
	code, message := "SignatureDoesNotMatch", "The link was not signed by this store for this request."
	switch {
	case errors.Is(err, storelinks.ErrExpired):
		code, message = "AccessDenied", "Request has expired"
	case errors.Is(err, storelinks.ErrOutside):
		code, message = "AccessDenied", "Invalid according to Policy: Policy Condition failed: [starts-with, $key]"
	}
	writeError(w, http.StatusForbidden, code, message)
}

func (s *Store) serveGet(w http.ResponseWriter, r *http.Request, key string) {
	o := s.use(key)
	if o == nil {
		writeError(w, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
		return
	}
	defer o.release()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", o.etag())
	http.ServeContent(w, r, "", o.modified, o.reader())
}

func (s *Store) servePut(w http.ResponseWriter, r *http.Request, key string) {
	if r.ContentLength < 0 {
		withoutLength(w, r)
		return
	}
	err := s.add(key, &upload{body: r.Body, size: r.ContentLength, onlyNew: r.Header.Get(storelinks.OnlyNew) == "*"})
	if err != nil {
		notStored(w, r, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// servePost stores what a form brings.
func (s *Store) servePost(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength < 0 {
		withoutLength(w, r)
		return
	}
	// What is refused before it was read is read all the same, and the answer sent after that.
	defer func() { _, _ = io.CopyN(io.Discard, r.Body, refusedBody) }()
	form, err := postform.Read(r.Header.Get("Content-Type"), r.Body)
	var bad *postform.Error
	switch {
	case errors.As(err, &bad):
		writeError(w, bad.Status, bad.Code, bad.Message)
		return
	case err != nil:
		notStored(w, r, err)
		return
	}
	if err := s.AllowedForm(form.Fields); err != nil {
		notAllowed(w, err)
		return
	}
	if err := s.add(form.Fields["key"], &upload{body: form.File, size: r.ContentLength, atMost: true}); err != nil {
		notStored(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func withoutLength(w http.ResponseWriter, r *http.Request) {
	_, _ = io.CopyN(io.Discard, r.Body, refusedBody)
	writeError(w, http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header.")
}

// notStored answers why add has failed.
func notStored(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, fs.ErrExist):
		writeError(w, http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
	case errors.Is(err, errFull):
		_, _ = io.CopyN(io.Discard, r.Body, refusedBody)
		w.Header().Set("Connection", "close")
		code := "QuotaExceeded"
		if errors.Is(err, syscall.ENOSPC) {
			code = "DiskFull" // which no retry helps
		}
		writeError(w, http.StatusInsufficientStorage, code, err.Error())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		writeError(w, http.StatusBadRequest, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header.")
	default:
		writeError(w, http.StatusInternalServerError, "InternalError", "The object could not be stored.")
	}
}

// writeError answers as S3 does.
func writeError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, escape.Replace(message)) //nolint:gosec // escaped
}
