package store

import (
	"bufio"
	"bytes"
	"context"
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
	"syscall"
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/keep"
	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/storelinks"
)

const (
	// inMemory is the size up to which an object is no file.
	inMemory = 256 << 10

	// fileBuffer is how much is written to a file at once.
	fileBuffer = 64 << 10

	// pageSize is how many objects a listing holds at most, as S3's do.
	pageSize = 1000
)

// A Store keeps large payloads and detached runs, as S3 does on AWS: whoever has a link
// that the store has signed may do with objects what it says, by plain HTTP. Objects are temporary
// files without a name, which the system removes when this process ends, however
// it does. It is safe for concurrent use.
type Store struct {
	*storelinks.Signer

	keep      *keep.Dir // where objects have names; nil: nowhere
	threshold int
	limit     int64
	secret    []byte // that links are signed with
	began     time.Time

	mu      sync.Mutex
	objects map[string]*object
	used    int64
	closed  bool
}

var _ driver.Store = (*Store)(nil)

// A Config is what a store is told.
type Config struct {
	Endpoint  string    // the URL that its links begin with
	Threshold int       // bytes from which a payload is stored
	Limit     int64     // of all objects together, bytes
	Dir       *keep.Dir // where objects outlive the process; nil: nowhere
}

// New makes a store; with a directory, one that holds what another process has left
// there, and whose links stay valid in the next.
func New(cfg Config) (*Store, error) {
	s := &Store{
		threshold: cfg.Threshold, limit: cfg.Limit, keep: cfg.Dir,
		secret: storelinks.Secret(), began: time.Now(), objects: map[string]*object{},
	}
	if err := s.restore(); err != nil {
		return nil, err
	}
	s.Signer = storelinks.New(cfg.Endpoint+pathPrefix, s.secret, s.now)
	return s, nil
}

// restore takes over what another process has left in the directory, if there is one.
func (s *Store) restore() error {
	if s.keep == nil {
		return nil
	}
	if err := s.keep.Make(objectsDir); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if err := s.restoreSecret(); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if err := s.load(); err != nil {
		return err
	}
	if err := s.keepSecret(); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	return nil
}

// Ephemeral reports whether all that is stored is gone with this process.
func (s *Store) Ephemeral() bool { return s.keep == nil }

// now is the store's clock. It follows no leap of the machine's.
func (s *Store) now() time.Time { return s.began.Add(time.Since(s.began)) }

// An object is its bytes, in memory or in a file, for as long as someone reads them.
type object struct {
	size     int64
	data     []byte
	file     *os.File // nil: in memory
	offset   int64    // in the file
	modified time.Time

	mu   sync.Mutex
	uses int
}

// etag tells versions of an object apart: the store's clock does not stand still between two.
func (o *object) etag() string { return fmt.Sprintf(`"%x-%x"`, o.modified.UnixNano(), o.size) }

func (o *object) reader() io.ReadSeeker {
	if o.file == nil {
		return bytes.NewReader(o.data)
	}
	return io.NewSectionReader(o.file, o.offset, o.size)
}

// release ends a use; the last one frees the file.
func (o *object) release() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.uses--; o.uses == 0 && o.file != nil {
		_ = o.file.Close() // nobody needs it any more
	}
}

var errFull = errors.New("the store is full")

// An upload is what becomes an object.
type upload struct {
	body    io.Reader
	size    int64                 // bytes
	atMost  bool                  // it may be less
	check   func(hash.Hash) error // of the SHA-256 of the bytes; nil: they are not summed
	onlyNew bool                  // nothing is to be overwritten
}

// object reads the upload that becomes the object at key. A large one is a file in k's directory, or one
// without a name where nothing is kept.
func (u *upload) object(k *keep.Dir, key string) (*object, error) {
	o := &object{uses: 1}
	var into io.Writer
	var buffer bytes.Buffer
	var file *bufio.Writer
	if u.size <= inMemory {
		buffer.Grow(int(u.size) + bytes.MinRead) // once
		into = &buffer
	} else {
		var err error
		if o.file, err = createObject(k); err != nil {
			return nil, err
		}
		file = bufio.NewWriterSize(o.file, fileBuffer)
		into = file
		if k != nil {
			n, _ := file.Write(objectHeader(key)) // Flush says what went wrong
			o.offset = int64(n)
		}
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
		if k != nil && o.file != nil {
			err = errors.Join(err, os.Remove(o.file.Name()))
		}
		o.release()
		return nil, err
	}
	o.data = buffer.Bytes()
	if u.atMost {
		o.data = bytes.Clone(o.data) // without the room that was not needed
	}
	return o, nil
}

// createObject makes the file of an object: one to be kept, or one that lives as long as it is open.
func createObject(k *keep.Dir) (*os.File, error) {
	if k != nil {
		return k.Create()
	}
	file, err := os.CreateTemp("", "lambdapool-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// add stores an object under key, if there is room for it.
func (s *Store) add(key string, u *upload) error {
	if len(key) > maxKey {
		return &driver.InvokeError{Err: fmt.Errorf("a key has %d bytes at most, not %d", maxKey, len(key)), Permanent: true}
	}
	if u.size > codec.MaxStored {
		return fmt.Errorf("%w: an object has %d bytes at most, not %d", errFull, codec.MaxStored, u.size)
	}
	s.mu.Lock()
	switch {
	case s.closed:
		s.mu.Unlock()
		return &driver.InvokeError{Kind: driver.ErrClosed, Err: errors.New("the local backend was closed"), Permanent: true}
	case u.size > s.limit-s.used:
		used := s.used
		s.mu.Unlock()
		return &driver.InvokeError{
			Err:  fmt.Errorf("%w: %d bytes and %d more would be above %d", errFull, used, u.size, s.limit),
			Hint: "allow more with local.WithStoreSize, or have fewer calls with large payloads at once",
		}
	}
	s.used += u.size
	s.mu.Unlock()
	o, err := u.object(s.keep, key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used -= u.size
	if err != nil {
		return fullDisk(err)
	}
	if s.closed {
		err = os.ErrClosed
	} else if u.onlyNew && s.objects[key] != nil {
		err = fmt.Errorf("create object %s: %w", key, fs.ErrExist)
	}
	o.modified = s.now()
	if err == nil {
		err = s.place(key, o)
	}
	if err != nil {
		if s.keep != nil && o.file != nil {
			_ = os.Remove(o.file.Name()) // else the next process does
		}
		o.release()
		return fullDisk(err)
	}
	s.drop(key)
	s.used += o.size
	s.objects[key] = o
	return nil
}

// fullDisk names the way out where there is no space: trying again is none.
func fullDisk(err error) error {
	if !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return &driver.InvokeError{
		Kind: driver.ErrStore, Err: fmt.Errorf("%w: %w", errFull, err), Permanent: true,
		Hint: "free space on the disk, or choose another with TMPDIR or local.WithData",
	}
}

// drop removes an object, if it is there. s.mu is held.
func (s *Store) drop(key string) {
	if o := s.objects[key]; o != nil {
		delete(s.objects, key)
		s.used -= o.size
		o.release()
	}
}

// use returns an object to read from; the caller releases it.
func (s *Store) use(key string) *object {
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

// Close drops all objects; those that are kept stay on disk. What is being read can be read on.
func (s *Store) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for key := range s.objects {
		s.drop(key)
	}
}

// Put stores an object, or another in its place. Its bytes must be of that size and SHA-256.
func (s *Store) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	return s.add(key, &upload{body: &interruptible{ctx, body}, size: size, check: equals(sum)})
}

// Create is Put, unless there is an object of that key: then it changes nothing, and the
// error is fs.ErrExist.
func (s *Store) Create(ctx context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
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

// Open reads an object, as it is now, until ctx ends. One that is not there is fs.ErrNotExist.
func (s *Store) Open(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	o := s.use(key)
	if o == nil {
		return nil, 0, fmt.Errorf("there is no object %s: %w", key, fs.ErrNotExist)
	}
	return &opened{&interruptible{ctx, o.reader()}, sync.OnceFunc(o.release)}, o.size, nil
}

// Delete removes objects. One that is not there is no error.
func (s *Store) Delete(_ context.Context, keys ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		if s.objects[key] == nil {
			continue
		}
		if err := s.remove(key); err != nil {
			return fmt.Errorf("delete object %s: %w", key, err)
		}
		s.drop(key)
	}
	return nil
}

// Threshold is above how many bytes payloads are stored although an invocation could carry
// them. 0: only those that it cannot carry are.
func (s *Store) Threshold() int { return s.threshold }

// List returns the objects whose keys begin with prefix and come after one, in order and a page
// at a time, with the time of the store.
func (s *Store) List(_ context.Context, prefix, after string) (driver.Listing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for key := range s.objects {
		if key > after && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	list := driver.Listing{More: len(keys) > pageSize, Time: s.now()}
	for _, key := range keys[:min(pageSize, len(keys))] {
		o := s.objects[key]
		list.Objects = append(list.Objects, driver.Object{Key: key, Size: o.size, Modified: o.modified, ETag: o.etag()})
	}
	return list, nil
}
