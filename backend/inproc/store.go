package inproc

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/codec"
)

// A store keeps large payloads in memory. It carries out what a link allows without a
// network, as the transport of this backend's agents: they go the same way as on
// Lambda, and copy as much.
type store struct {
	threshold int
	secret    []byte // that links are signed with

	mu      sync.RWMutex
	objects map[string][]byte
}

var (
	_ lambdapool.Store  = (*store)(nil)
	_ http.RoundTripper = (*store)(nil)
)

// storeHost is in every link. Nothing outside of this process is called that.
const storeHost = "inproc.invalid"

// Store returns where payloads above Lambda's limits go: this process's memory.
func (b *Backend) Store() lambdapool.Store { return b.store }

// StoreOption returns the option that has smaller payloads stored too.
func (b *Backend) StoreOption() string { return "inproc.WithStoreThreshold" }

// newHandler makes the agent for a registry.
func (b *Backend) newHandler(r *lambdapool.Registry) *agent.Handler {
	h := agent.NewHandler(r)
	h.Guest = true
	h.Transport = b.store
	return h
}

func (s *store) Put(_ context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	data := make([]byte, size)
	if _, err := io.ReadFull(body, data); err != nil {
		return err
	}
	if sha256.Sum256(data) != sum {
		return fmt.Errorf("%w on its way into memory", codec.ErrDamaged)
	}
	s.set(key, data)
	return nil
}

func (s *store) set(key string, data []byte) {
	s.mu.Lock()
	s.objects[key] = data
	s.mu.Unlock()
}

func (s *store) get(key string) ([]byte, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	data, ok := s.objects[key]
	return data, ok
}

func (s *store) LinkGet(_ context.Context, key string, life time.Duration) (lambdapool.Link, error) {
	return s.link(http.MethodGet, key, life), nil
}

func (s *store) LinkPut(_ context.Context, key string, life time.Duration) (lambdapool.Link, error) {
	return s.link(http.MethodPut, key, life), nil
}

func (s *store) link(method, key string, life time.Duration) lambdapool.Link {
	expires := time.Now().Add(life)
	at := strconv.FormatInt(expires.UnixNano(), 10)
	query := url.Values{"expires": {at}, "signature": {s.sign(method, key, at)}}
	u := url.URL{Scheme: "http", Host: storeHost, Path: "/" + key, RawQuery: query.Encode()}
	return lambdapool.Link{URL: u.String(), Expires: expires}
}

// sign keeps a link to what it was made for: mistakes show here as they do on S3.
func (s *store) sign(method, key, expires string) string {
	mac := hmac.New(sha256.New, s.secret)
	fmt.Fprintf(mac, "%s\n%s\n%s", method, expires, key)
	return hex.EncodeToString(mac.Sum(nil))
}

func (s *store) Open(_ context.Context, key string) (io.ReadCloser, int64, error) {
	data, ok := s.get(key)
	if !ok {
		return nil, 0, fmt.Errorf("there is no object %s", key)
	}
	return io.NopCloser(bytes.NewReader(data)), int64(len(data)), nil
}

func (s *store) Delete(_ context.Context, keys ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		delete(s.objects, key)
	}
	return nil
}

func (s *store) Threshold() int { return s.threshold }

// RoundTrip answers as an object store does: what the link does not allow, or not any
// more, is refused.
func (s *store) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	key, query := strings.TrimPrefix(r.URL.Path, "/"), r.URL.Query()
	want := s.sign(r.Method, key, query.Get("expires"))
	expires, err := strconv.ParseInt(query.Get("expires"), 10, 64)
	if err != nil || r.URL.Host != storeHost || time.Now().UnixNano() > expires ||
		!hmac.Equal([]byte(want), []byte(query.Get("signature"))) {
		return respond(http.StatusForbidden, []byte("<Code>AccessDenied</Code>")), nil
	}
	if r.Method == http.MethodPut {
		if r.ContentLength < 0 || r.ContentLength > codec.MaxStored {
			return respond(http.StatusLengthRequired, []byte("<Code>MissingContentLength</Code>")), nil
		}
		data := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, data); err != nil {
			return nil, err
		}
		s.set(key, data)
		return respond(http.StatusOK, nil), nil
	}
	data, ok := s.get(key)
	if !ok {
		return respond(http.StatusNotFound, []byte("<Code>NoSuchKey</Code>")), nil
	}
	return respond(http.StatusOK, data), nil
}

func respond(status int, body []byte) *http.Response {
	return &http.Response{StatusCode: status, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body))}
}
func (s *store) Create(context.Context, string, io.ReadSeeker, int64, [sha256.Size]byte) error {
	return errors.ErrUnsupported
}

func (s *store) LinkCreate(context.Context, string, time.Duration) (lambdapool.Link, error) {
	return lambdapool.Link{}, errors.ErrUnsupported
}

func (s *store) LinkUnder(context.Context, string, time.Duration) (lambdapool.Link, error) {
	return lambdapool.Link{}, errors.ErrUnsupported
}

func (s *store) LinkedUntil(context.Context) (time.Time, error) {
	return time.Time{}, errors.ErrUnsupported
}

func (s *store) List(context.Context, string, string) (lambdapool.Listing, error) {
	return lambdapool.Listing{}, errors.ErrUnsupported
}
