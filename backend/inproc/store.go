package inproc

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
	"weak"

	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/linked"
	"github.com/lambdapool/lambdapool/internal/storelinks"
)

// A store keeps large payloads in memory. It carries out what a link allows without a
// network, as the transport of this backend's agents: they go the same way as on
// Lambda, and copy as much.
type store struct {
	*storelinks.Signer

	threshold int
	host      string // of its links
	began     time.Time

	mu      sync.RWMutex
	objects map[string]object
}

// An object is what was stored, and when.
type object struct {
	data     []byte
	modified time.Time
}

// etag tells versions of an object apart: the clock does not stand still between two.
func (o object) etag() string { return fmt.Sprintf(`"%x-%x"`, o.modified.UnixNano(), len(o.data)) }

// newStore makes a store whose links this process can follow, as long as somebody has the store.
func newStore() *store {
	s := &store{host: strings.ToLower(rand.Text()) + storeDomain, began: time.Now(), objects: map[string]object{}}
	s.Signer = storelinks.New("http://"+s.host+"/", storelinks.Secret(), s.now)
	stop := linked.Serve(s.host, follower{weak.Make(s)})
	runtime.AddCleanup(s, func(stop func()) { stop() }, stop)
	return s
}

// A follower carries out what links allow while the store is there.
type follower struct{ store weak.Pointer[store] }

func (f follower) RoundTrip(r *http.Request) (*http.Response, error) {
	if s := f.store.Value(); s != nil {
		return s.RoundTrip(r)
	}
	return refuse(http.StatusNotFound, "NoSuchBucket"), nil
}

var (
	_ driver.Store      = (*store)(nil)
	_ http.RoundTripper = (*store)(nil)
)

// now is the store's clock. It follows no leap of the machine's.
func (s *store) now() time.Time { return s.began.Add(time.Since(s.began)) }

// Store returns where payloads above Lambda's limits go: this process's memory. It is never nil.
func (b *Backend) Store() driver.Store { return b.store }

// Ephemeral says that all is gone with this process.
func (*store) Ephemeral() bool { return true }

// StoreOption returns the option that has smaller payloads stored too.
func (b *Backend) StoreOption() string { return "inproc.WithStoreThreshold" }

// newHandler makes the agent for a registry.
func (b *Backend) newHandler(r *driver.Registry) *agent.Handler {
	h := agent.NewHandler(r)
	h.Guest = true
	h.Transport = b.store
	return h
}

func (s *store) Put(_ context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	data, err := take(body, size, sum)
	if err == nil {
		s.set(key, data)
	}
	return err
}

func (s *store) Create(_ context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	data, err := take(body, size, sum)
	if err == nil && !s.create(key, data) {
		err = fmt.Errorf("create object %s: %w", key, fs.ErrExist)
	}
	return err
}

// take reads what a client stores.
func take(body io.Reader, size int64, sum [sha256.Size]byte) ([]byte, error) {
	data := make([]byte, size)
	if _, err := io.ReadFull(body, data); err != nil {
		return nil, err
	}
	if sha256.Sum256(data) != sum {
		return nil, fmt.Errorf("%w on its way into memory", codec.ErrDamaged)
	}
	return data, nil
}

// set stores data, which nobody changes from then on: what is read is the same bytes.
func (s *store) set(key string, data []byte) {
	s.mu.Lock()
	s.objects[key] = object{data, s.now()}
	s.mu.Unlock()
}

// create is set unless something is there: then it reports false.
func (s *store) create(key string, data []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, exists := s.objects[key]
	if !exists {
		s.objects[key] = object{data, s.now()}
	}
	return !exists
}

func (s *store) get(key string) (object, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o, ok := s.objects[key]
	return o, ok
}

func (s *store) Open(_ context.Context, key string) (io.ReadCloser, int64, error) {
	o, ok := s.get(key)
	if !ok {
		return nil, 0, fmt.Errorf("there is no object %s: %w", key, fs.ErrNotExist)
	}
	return io.NopCloser(bytes.NewReader(o.data)), int64(len(o.data)), nil
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

// page is how many objects a listing holds at most, as S3's do.
const page = 1000

// List sorts all keys each time. A store of a process has few.
func (s *store) List(_ context.Context, prefix, after string) (driver.Listing, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var keys []string
	for key := range s.objects {
		if key > after && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	list := driver.Listing{More: len(keys) > page, Time: s.now()}
	for _, key := range keys[:min(page, len(keys))] {
		o := s.objects[key]
		list.Objects = append(list.Objects, driver.Object{Key: key, Size: int64(len(o.data)), Modified: o.modified, ETag: o.etag()})
	}
	return list, nil
}
