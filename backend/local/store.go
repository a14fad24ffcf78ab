package local

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
)

const (
	// storeSize is how much the objects take together, unless WithStoreSize says otherwise.
	storeSize = 4 << 30

	// inMemory is the size up to which an object is no file.
	inMemory = 256 << 10

	// fileBuffer is how much is written to a file at once.
	fileBuffer = 64 << 10

	// storePage is how many objects a listing holds at most, as S3's do.
	storePage = 1000
)

// A store keeps large payloads and detached runs, as S3 does on AWS: whoever has a link
// that the store has signed may do with objects what it says, by plain HTTP. Objects are temporary
// files without a name, which the system removes when this process ends, however
// it does. It is safe for concurrent use.
type store struct {
	endpoint  string
	threshold int
	limit     int64
	secret    []byte // that links are signed with
	began     time.Time

	mu      sync.Mutex
	objects map[string]*object
	used    int64
	closed  bool
}

var _ lambdapool.Store = (*store)(nil)

func newStore(cfg config, endpoint string) *store {
	s := &store{
		endpoint: endpoint, threshold: cfg.storeThreshold, limit: cfg.storeSize,
		secret: make([]byte, sha256.Size), began: time.Now(), objects: map[string]*object{},
	}
	_, _ = rand.Read(s.secret) // never fails: crypto/rand ends the program instead
	return s
}

// now is the store's clock. It follows no leap of the machine's.
func (s *store) now() time.Time { return s.began.Add(time.Since(s.began)) }

// Store returns where payloads above Lambda's limits go: temporary files of this
// machine.
func (b *Backend) Store() lambdapool.Store { return b.store }

// StoreOption returns the option that sets how much is stored.
func (b *Backend) StoreOption() string { return "local.WithStoreSize" }

// An object is its bytes, in memory or in a file, for as long as someone reads them.
type object struct {
	size     int64
	data     []byte
	file     *os.File // nil: in memory
	modified time.Time

	mu   sync.Mutex
	uses int
}

func (o *object) reader() io.ReadSeeker {
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

// An upload is what becomes an object.
type upload struct {
	body    io.Reader
	size    int64                 // bytes
	atMost  bool                  // it may be less
	check   func(hash.Hash) error // of the SHA-256 of the bytes; nil: they are not summed
	onlyNew bool                  // nothing is to be overwritten
}

// object reads the upload.
func (u *upload) object() (*object, error) {
	o := &object{uses: 1}
	var into io.Writer
	var buffer bytes.Buffer
	var file *bufio.Writer
	if u.size <= inMemory {
		buffer.Grow(int(u.size) + bytes.MinRead) // once
		into = &buffer
	} else {
		var err error
		if o.file, err = os.CreateTemp("", "lambdapool-*"); err != nil {
			return nil, err
		}
		if err := os.Remove(o.file.Name()); err != nil { // it lives on as long as it is open
			o.release()
			return nil, err
		}
		file = bufio.NewWriterSize(o.file, fileBuffer)
		into = file
	}
	body, sum := u.body, sha256.New()
	if u.check != nil {
		body = io.TeeReader(body, sum)
	}
	var err error
	o.size, err = io.Copy(into, io.LimitReader(body, u.size))
	if err == nil && o.size < u.size && !u.atMost {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && file != nil {
		err = file.Flush()
	}
	if err == nil && u.check != nil {
		err = u.check(sum)
	}
	if err != nil {
		o.release()
		return nil, err
	}
	o.data = buffer.Bytes()
	if u.atMost {
		o.data = bytes.Clone(o.data) // without the room that was not needed
	}
	return o, nil
}

// add stores an object under key, if there is room for it.
func (s *store) add(key string, u *upload) error {
	if u.size > codec.MaxStored {
		return fmt.Errorf("%w: an object has %d bytes at most, not %d", errStoreFull, codec.MaxStored, u.size)
	}
	s.mu.Lock()
	switch {
	case s.closed:
		s.mu.Unlock()
		return &lambdapool.InvokeError{Kind: lambdapool.ErrClosed, Err: errors.New("the local backend was closed"), Permanent: true}
	case u.size > s.limit-s.used:
		used := s.used
		s.mu.Unlock()
		return &lambdapool.InvokeError{
			Err:  fmt.Errorf("%w: %d bytes and %d more would be above %d", errStoreFull, used, u.size, s.limit),
			Hint: "allow more with local.WithStoreSize, or have fewer calls with large payloads at once",
		}
	}
	s.used += u.size
	s.mu.Unlock()
	o, err := u.object()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used -= u.size
	if err != nil {
		return err
	}
	if s.closed {
		err = os.ErrClosed
	} else if u.onlyNew && s.objects[key] != nil {
		err = fmt.Errorf("create object %s: %w", key, fs.ErrExist)
	}
	if err != nil {
		o.release()
		return err
	}
	s.drop(key)
	s.used += o.size
	o.modified = s.now()
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
	return s.add(key, &upload{body: &interruptible{ctx, body}, size: size, check: equals(sum)})
}

func (s *store) Create(ctx context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	return s.add(key, &upload{body: &interruptible{ctx, body}, size: size, check: equals(sum), onlyNew: true})
}

// equals checks that a hash is sum.
func equals(sum [sha256.Size]byte) func(hash.Hash) error {
	return func(h hash.Hash) error {
		if [sha256.Size]byte(h.Sum(nil)) != sum {
			return fmt.Errorf("%w on its way into the store", codec.ErrDamaged)
		}
		return nil
	}
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
		return nil, 0, fmt.Errorf("there is no object %s: %w", key, fs.ErrNotExist)
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

func (s *store) List(_ context.Context, prefix, after string) (lambdapool.Listing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for key := range s.objects {
		if key > after && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	list := lambdapool.Listing{More: len(keys) > storePage, Time: s.now()}
	for _, key := range keys[:min(storePage, len(keys))] {
		o := s.objects[key]
		list.Objects = append(list.Objects, lambdapool.Object{Key: key, Size: o.size, Modified: o.modified})
	}
	return list, nil
}
