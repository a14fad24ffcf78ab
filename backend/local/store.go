package local

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
)

const (
	storePath = "/store/"

	// storeSize is how much the objects take together, unless WithStoreSize says otherwise.
	storeSize = 4 << 30

	// inMemory is the size up to which an object is no file.
	inMemory = 256 << 10
)

// A store keeps large payloads, as S3 does on AWS: whoever has a link that the store
// has signed may GET or PUT one object by plain HTTP. Objects are temporary
// files without a name, which the system removes when this process ends, however
// it does. It is safe for concurrent use.
type store struct {
	endpoint  string
	threshold int
	limit     int64
	secret    []byte // that links are signed with

	mu      sync.Mutex
	objects map[string]*object
	used    int64
	closed  bool
}

var _ lambdapool.Store = (*store)(nil)

func newStore(cfg config, endpoint string) *store {
	s := &store{
		endpoint: endpoint, threshold: cfg.storeThreshold, limit: cfg.storeSize,
		secret: make([]byte, sha256.Size), objects: map[string]*object{},
	}
	_, _ = rand.Read(s.secret) // never fails: crypto/rand ends the program instead
	return s
}

// Store returns where payloads above Lambda's limits go: temporary files of this
// machine.
func (b *Backend) Store() lambdapool.Store { return b.store }

// StoreOption returns the option that sets how much is stored.
func (b *Backend) StoreOption() string { return "local.WithStoreSize" }

// An object is its bytes, in memory or in a file, for as long as someone reads them.
type object struct {
	size int64
	data []byte
	file *os.File // nil: in memory

	mu   sync.Mutex
	uses int
}

func (o *object) reader() io.Reader {
	if o.file == nil {
		return bytes.NewReader(o.data)
	}
	return io.NewSectionReader(o.file, 0, o.size)
}

// release ends a use; the last one frees the file.
func (o *object) release() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.uses--; o.uses == 0 && o.file != nil {
		_ = o.file.Close() // nobody needs it any more
	}
}

var errStoreFull = errors.New("the store is full")

// create reads an object of size bytes.
func create(body io.Reader, size int64) (*object, error) {
	o := &object{size: size, uses: 1}
	if size <= inMemory {
		o.data = make([]byte, size)
		_, err := io.ReadFull(body, o.data)
		return o, err
	}
	var err error
	if o.file, err = os.CreateTemp("", "lambdapool-*"); err != nil {
		return nil, err
	}
	err = os.Remove(o.file.Name()) // it lives on as long as it is open
	if err == nil {
		_, err = io.CopyN(o.file, body, size)
	}
	if err != nil {
		o.release()
		return nil, err
	}
	return o, nil
}

// add stores an object of size bytes under key, if there is room for it.
func (s *store) add(key string, body io.Reader, size int64) error {
	if size > codec.MaxStored {
		return fmt.Errorf("%w: an object has %d bytes at most, not %d", errStoreFull, codec.MaxStored, size)
	}
	s.mu.Lock()
	switch {
	case s.closed:
		s.mu.Unlock()
		return &lambdapool.InvokeError{Kind: lambdapool.ErrClosed, Err: errors.New("the local backend was closed"), Permanent: true}
	case size > s.limit-s.used:
		used := s.used
		s.mu.Unlock()
		return &lambdapool.InvokeError{
			Err:  fmt.Errorf("%w: %d bytes and %d more would be above %d", errStoreFull, used, size, s.limit),
			Hint: "allow more with local.WithStoreSize, or have fewer calls with large payloads at once",
		}
	}
	s.used += size
	s.mu.Unlock()
	o, err := create(body, size)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && s.closed {
		o.release()
		err = os.ErrClosed
	}
	if err != nil {
		s.used -= size
		return err
	}
	s.drop(key)
	s.objects[key] = o
	return nil
}

// drop removes an object, if it is there. s.mu is held.
func (s *store) drop(key string) {
	if o := s.objects[key]; o != nil {
		delete(s.objects, key)
		s.used -= o.size
		o.release()
	}
}

// use returns an object to read from; the caller releases it.
func (s *store) use(key string) *object {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.objects[key]
	if o != nil {
		o.mu.Lock()
		o.uses++
		o.mu.Unlock()
	}
	return o
}

func (s *store) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for key := range s.objects {
		s.drop(key)
	}
}

func (s *store) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	hash := sha256.New()
	if err := s.add(key, &interruptible{ctx, io.TeeReader(body, hash)}, size); err != nil {
		return err
	}
	if [sha256.Size]byte(hash.Sum(nil)) != sum {
		return fmt.Errorf("%w on its way into the store", codec.ErrDamaged)
	}
	return nil
}

// interruptible reads until ctx ends.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (r *interruptible) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// opened is an object that is being read.
type opened struct {
	io.Reader
	release func()
}

func (o *opened) Close() error {
	o.release()
	return nil
}

func (s *store) Open(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	o := s.use(key)
	if o == nil {
		return nil, 0, fmt.Errorf("there is no object %s", key)
	}
	return &opened{&interruptible{ctx, o.reader()}, sync.OnceFunc(o.release)}, o.size, nil
}

func (s *store) Delete(_ context.Context, keys ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		s.drop(key)
	}
	return nil
}

func (s *store) Threshold() int { return s.threshold }

func (s *store) LinkGet(_ context.Context, key string, life time.Duration) (lambdapool.Link, error) {
	return s.link(http.MethodGet, key, life), nil
}

func (s *store) LinkPut(_ context.Context, key string, life time.Duration) (lambdapool.Link, error) {
	return s.link(http.MethodPut, key, life), nil
}

// link signs the right to do one thing with one object for a time. What is secret about
// it is in the query, as in S3's links.
func (s *store) link(method, key string, life time.Duration) lambdapool.Link {
	expires := time.Now().Add(life)
	at := strconv.FormatInt(expires.UnixMilli(), 10)
	query := url.Values{"expires": {at}, "signature": {s.sign(method, key, at)}}
	path := (&url.URL{Path: storePath + key}).EscapedPath()
	return lambdapool.Link{URL: s.endpoint + path + "?" + query.Encode(), Expires: expires}
}

func (s *store) sign(method, key, expires string) string {
	mac := hmac.New(sha256.New, s.secret)
	fmt.Fprintf(mac, "%s\n%s\n%s", method, expires, key)
	return hex.EncodeToString(mac.Sum(nil))
}

// route adds the store to mux.
func (s *store) route(mux *http.ServeMux) {
	mux.HandleFunc("GET "+storePath+"{key...}", s.allowed(s.serveGet))
	mux.HandleFunc("PUT "+storePath+"{key...}", s.allowed(s.servePut))
}

// allowed lets serve see only what a valid link allows.
func (s *store) allowed(serve func(w http.ResponseWriter, r *http.Request, key string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key, query := r.PathValue("key"), r.URL.Query()
		want := s.sign(r.Method, key, query.Get("expires"))
		if !hmac.Equal([]byte(want), []byte(query.Get("signature"))) {
			storeError(w, http.StatusForbidden, "SignatureDoesNotMatch", "The link was not signed by this store for this request.")
			return
		}
		expires, err := strconv.ParseInt(query.Get("expires"), 10, 64)
		if err != nil || time.Now().UnixMilli() > expires {
			storeError(w, http.StatusForbidden, "AccessDenied", "Request has expired")
			return
		}
		serve(w, r, key)
	}
}

func (s *store) serveGet(w http.ResponseWriter, _ *http.Request, key string) {
	o := s.use(key)
	if o == nil {
		storeError(w, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
		return
	}
	defer o.release()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(o.size, 10))
	_, _ = io.Copy(w, o.reader()) // a reader that has gone needs no answer
}

// refusedBody is how much of a body that is refused is read all the same.
const refusedBody = 64 << 20

func (s *store) servePut(w http.ResponseWriter, r *http.Request, key string) {
	if r.ContentLength < 0 {
		_, _ = io.CopyN(io.Discard, r.Body, refusedBody)
		storeError(w, http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header.")
		return
	}
	err := s.add(key, r.Body, r.ContentLength)
	switch {
	case err == nil:
		w.WriteHeader(http.StatusOK)
	case errors.Is(err, errStoreFull):
		// Whoever is cut off while sending may never read why.
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
	_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, escape.Replace(message)) //nolint:gosec // escaped, and XML
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
