package runs_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/detached"
	"github.com/lambdapool/lambdapool/internal/engine"
	"github.com/lambdapool/lambdapool/internal/noleak"
	"github.com/lambdapool/lambdapool/internal/payload"
	"github.com/lambdapool/lambdapool/internal/registry"
	"github.com/lambdapool/lambdapool/internal/runs"
)

func TestMain(m *testing.M) { noleak.Main(m) }

// A shelf is a store in memory, whose pages are small. Its links are the keys.
type shelf struct {
	mu      sync.Mutex
	objects map[string]driver.Object
	bodies  map[string][]byte
	down    error // what it says to everything, if anything
	lists   int
}

func newShelf() *shelf {
	return &shelf{objects: map[string]driver.Object{}, bodies: map[string][]byte{}}
}

func (s *shelf) Put(_ context.Context, key string, body io.ReadSeeker, _ int64, _ [sha256.Size]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	data, err := io.ReadAll(body)
	s.bodies[key], s.objects[key] = data, driver.Object{Key: key, Size: int64(len(data)), Modified: time.Now()}
	return err
}

func (s *shelf) Create(ctx context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	if s.has(key) {
		return fmt.Errorf("%s: %w", key, fs.ErrExist)
	}
	return s.Put(ctx, key, body, size, sum)
}

func (s *shelf) Open(_ context.Context, key string) (io.ReadCloser, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, there := s.bodies[key]
	switch {
	case s.down != nil:
		return nil, 0, s.down
	case !there:
		return nil, 0, fmt.Errorf("%s: %w", key, fs.ErrNotExist)
	}
	return io.NopCloser(bytes.NewReader(data)), int64(len(data)), nil
}

func (s *shelf) List(_ context.Context, prefix, after string) (driver.Listing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	const page = 3
	s.lists++
	there := driver.Listing{Time: time.Now()}
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		switch {
		case !strings.HasPrefix(key, prefix) || key <= after:
		case len(there.Objects) == page:
			there.More = true
		default:
			there.Objects = append(there.Objects, s.objects[key])
		}
	}
	return there, s.down
}

func (s *shelf) Delete(_ context.Context, keys ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		delete(s.objects, key)
		delete(s.bodies, key)
	}
	return s.down
}

func (s *shelf) Threshold() int { return 0 }

func (s *shelf) link(key string) (driver.Link, error) { return driver.Link{URL: key}, nil }

func (s *shelf) LinkGet(_ context.Context, key string, _ time.Duration) (driver.Link, error) {
	return s.link(key)
}

func (s *shelf) LinkPut(_ context.Context, key string, _ time.Duration) (driver.Link, error) {
	return s.link(key)
}

func (s *shelf) LinkCreate(_ context.Context, key string, _ time.Duration) (driver.Link, error) {
	return s.link(key)
}

func (s *shelf) LinkUnder(context.Context, string, time.Duration) (driver.Link, error) {
	return driver.Link{}, errors.ErrUnsupported
}

func (s *shelf) LinkedUntil(context.Context) (time.Time, error) { return time.Time{}, nil }

func (s *shelf) has(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, there := s.objects[key]
	return there
}

func (s *shelf) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.objects))
}

// A platform queues requests, and does nothing with them until it is told to.
type platform struct {
	mu     sync.Mutex
	queued []*codec.Request
	refuse func(chunk int) error
}

func (p *platform) Limits() driver.Limits { return driver.Limits{Workers: 4, Timeout: time.Minute} }

func (p *platform) Invoke(context.Context, *driver.Request) (*driver.Response, error) {
	return nil, &driver.InvokeError{Kind: driver.ErrAccessDenied, Err: errors.New("nobody waits here"), Permanent: true}
}

func (p *platform) EventLimits() driver.EventLimits {
	return driver.EventLimits{Age: time.Hour, Retries: 2}
}

func (p *platform) InvokeEvent(_ context.Context, r *driver.Request) (string, error) {
	request, err := codec.DecodeRequest(r.Payload)
	if err != nil {
		return "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse != nil {
		if err := p.refuse(request.Chunk - 1); err != nil {
			return "", err
		}
	}
	p.queued = append(p.queued, request)
	return "event-1", nil
}

// sent returns how many requests were accepted.
func (p *platform) sent() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queued)
}

// A place is what runs of these tests are sent and followed from.
type place struct {
	t     *testing.T
	store *shelf
	cloud *platform
	e     *engine.Executor
	fn    *registry.Function
}

// newPlace returns one whose function returns bytes.
func newPlace(t *testing.T) *place {
	t.Helper()
	fn, err := registry.NewTyped("f", func(context.Context, int) ([]byte, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	p := &place{t: t, store: newShelf(), cloud: &platform{}, fn: fn}
	cfg := engine.Config{Registry: registry.New(nil), Logger: slog.New(slog.DiscardHandler), Workers: -1}
	p.e = engine.New(p.cloud, p.cloud.Limits(), payload.Storage{Store: p.store}, cfg)
	t.Cleanup(func() { _ = p.e.Close() })
	return p
}

// args encodes numbers, from 0 on.
func args(n int) func(yield func([]byte, error) bool) {
	return func(yield func([]byte, error) bool) {
		for i := range n {
			if !yield([]byte{byte(i)}, nil) {
				return
			}
		}
	}
}

// start sends a run of n calls, so many in an invocation.
func (p *place) start(n int, cfg runs.Config) (*detached.Manifest, error) {
	s, failed := runs.NewSubmission(p.t.Context(), p.e, p.fn, p.store, cfg)
	if failed != nil {
		p.t.Fatal(failed)
	}
	m, sent, err := s.Prepare(n, args(n))
	if err == nil && !sent {
		err = s.Send(args(n), func(int, bool) {})
	}
	return m, err
}

// sent returns a place from which a run of n calls was sent, and its manifest.
func sent(t *testing.T, n int, cfg runs.Config) (*place, *detached.Manifest) {
	t.Helper()
	p := newPlace(t)
	m, err := p.start(n, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p, m
}

// follow returns a follower of m.
func (p *place) follow(m *detached.Manifest) *runs.Follower {
	return runs.NewFollower(p.t.Context(), p.e, p.fn, m, p.store)
}

// claim begins the request that was queued i-th, as an agent would.
func (p *place) claim(i int) {
	p.put(p.cloud.queued[i].Detached.Claim.URL, []byte(fmt.Sprintf(`{"instance":"agent-%d","request_id":"r-%d","at":"2000-01-01T00:00:00Z"}`, i, i)))
}

// finish records a reply to the request that was queued i-th. What a value is nil of failed.
func (p *place) finish(i int, values ...[]byte) {
	request := p.cloud.queued[i]
	reply := &codec.Reply{ID: request.ID, Agent: codec.AgentStats{Instance: fmt.Sprintf("agent-%d", i)}}
	for _, value := range values {
		if value == nil {
			reply.Items = append(reply.Items, codec.ItemReply{Err: &codec.Error{Kind: codec.KindFunction, Message: "no"}})
			continue
		}
		reply.Items = append(reply.Items, codec.ItemReply{Value: append([]byte{0xc4, byte(len(value))}, value...)}) // msgpack's bin 8
	}
	frame, err := codec.FrameReply(reply)
	if err != nil {
		p.t.Fatal(err)
	}
	p.put(request.Detached.Result.URL, frame.Sealed())
}

func (p *place) put(key string, data []byte) {
	p.t.Helper()
	if err := p.store.Create(context.Background(), key, bytes.NewReader(data), int64(len(data)), sha256.Sum256(data)); err != nil {
		p.t.Fatal(err)
	}
}
