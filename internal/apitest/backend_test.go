package apitest_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
)

// A thirdParty is a backend as somebody else writes it, with a store and events, by the root's names
// alone. That it compiles is most of the test.
type thirdParty struct {
	handler *agent.Handler
	fails   error // what Invoke and InvokeEvent say instead of answering; nil: they answer
	store   *thirdStore
}

var (
	_ lambdapool.Backend  = (*thirdParty)(nil)
	_ lambdapool.Detacher = (*thirdParty)(nil)
	_ lambdapool.Storer   = (*thirdParty)(nil)
	_ lambdapool.Store    = (*thirdStore)(nil)
	_ lambdapool.Linker   = (*thirdStore)(nil)
	_ error               = (*lambdapool.InvokeError)(nil)

	_ = lambdapool.Limits{Workers: 0, Request: 0, Response: 0, Timeout: 0, Raw: false, Granularity: 0, Burst: 0, Ramp: 0, Rate: 0}
	_ = lambdapool.EventLimits{Request: 0, Age: 0, Retries: 0}
	_ = lambdapool.Request{Payload: nil, Registry: (*lambdapool.Registry)(nil)}
	_ = []lambdapool.Outcome{lambdapool.OutcomeUnknown, lambdapool.OutcomeNotRun, lambdapool.OutcomeRan}
	_ = lambdapool.InvokeError{
		Outcome: lambdapool.OutcomeUnknown, Kind: nil, Err: nil, Reason: "", RetryAfter: 0, Permanent: false,
		RequestID: "", Hint: "", LogTail: "", Response: (*lambdapool.Response)(nil),
	}
	_ = lambdapool.Response{
		Payload: nil, RequestID: "", ExecutedVersion: "", Duration: 0, Billed: 0, Init: 0, MemoryLimit: 0, MemoryPeak: 0, LogTail: "",
	}
	_ = lambdapool.Listing{Objects: []lambdapool.Object{{Key: "", Size: 0, Modified: time.Time{}}}, More: false, Time: time.Time{}}
)

func newThirdParty(r *lambdapool.Registry, fails error) *thirdParty {
	return &thirdParty{handler: agent.NewHandler(r), fails: fails, store: &thirdStore{objects: map[string]thirdObject{}}}
}

func (b *thirdParty) Invoke(ctx ctx, req *lambdapool.Request) (*lambdapool.Response, error) {
	if b.fails != nil {
		return nil, b.fails
	}
	payload, err := b.handler.Invoke(ctx, req.Payload)
	if err != nil {
		return nil, &lambdapool.InvokeError{Outcome: lambdapool.OutcomeUnknown, Kind: lambdapool.ErrAgentCrashed, Err: err}
	}
	return &lambdapool.Response{Payload: payload, RequestID: "third-party"}, nil
}

func (b *thirdParty) Limits() lambdapool.Limits { return lambdapool.Limits{Workers: 2} }

func (b *thirdParty) InvokeEvent(ctx, *lambdapool.Request) (string, error) { return "queued", b.fails }

func (b *thirdParty) EventLimits() lambdapool.EventLimits { return lambdapool.EventLimits{} }

func (b *thirdParty) Store() lambdapool.Store { return b.store }

func (b *thirdParty) StoreOption() string { return "thirdparty.WithStore" }

// A thirdStore keeps objects in memory. Its links lead nowhere: agents here have no need of them.
type thirdStore struct {
	mu      sync.Mutex
	objects map[string]thirdObject
	fails   error // what all of it says; nil: it works
}

type thirdObject struct {
	data     []byte
	modified time.Time
}

func (s *thirdStore) Put(_ ctx, key string, body io.ReadSeeker, _ int64, _ [sha256.Size]byte) error {
	data, err := io.ReadAll(body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[key] = thirdObject{data, time.Now()}
	return errors.Join(err, s.fails)
}

func (s *thirdStore) Create(ctx ctx, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	s.mu.Lock()
	_, there := s.objects[key]
	s.mu.Unlock()
	if there {
		return fs.ErrExist
	}
	return s.Put(ctx, key, body, size, sum)
}

func (s *thirdStore) Open(_ ctx, key string) (io.ReadCloser, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[key]
	if !ok {
		return nil, 0, errors.Join(fs.ErrNotExist, s.fails)
	}
	return io.NopCloser(bytes.NewReader(o.data)), int64(len(o.data)), s.fails
}

func (s *thirdStore) List(_ ctx, prefix, after string) (lambdapool.Listing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := lambdapool.Listing{Time: time.Now()}
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if o := s.objects[key]; strings.HasPrefix(key, prefix) && key > after {
			l.Objects = append(l.Objects, lambdapool.Object{Key: key, Size: int64(len(o.data)), Modified: o.modified})
		}
	}
	return l, s.fails
}

func (s *thirdStore) Delete(_ ctx, keys ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		delete(s.objects, key)
	}
	return s.fails
}

func (s *thirdStore) Threshold() int { return 0 }

func (s *thirdStore) LinkGet(_ ctx, key string, life time.Duration) (lambdapool.Link, error) {
	return lambdapool.Link{URL: "http://127.0.0.1:1/" + key, Expires: time.Now().Add(life)}, s.fails
}

func (s *thirdStore) LinkPut(ctx ctx, key string, life time.Duration) (lambdapool.Link, error) {
	return s.LinkGet(ctx, key, life)
}

func (s *thirdStore) LinkCreate(ctx ctx, key string, life time.Duration) (lambdapool.Link, error) {
	return s.LinkGet(ctx, key, life)
}

func (s *thirdStore) LinkUnder(ctx, string, time.Duration) (lambdapool.Link, error) {
	return lambdapool.Link{}, errors.ErrUnsupported
}

func (s *thirdStore) LinkedUntil(ctx) (time.Time, error) { return time.Time{}, s.fails }

// What is written by the contract alone works.
func TestABackendOfSomebodyElse(t *testing.T) {
	r := lambdapool.NewRegistry()
	double := lambdapool.RegisterIn(r, "double", func(_ ctx, n int) (int, error) { return 2 * n, nil })
	e, err := lambdapool.New(newThirdParty(r, nil), lambdapool.WithRegistry(r))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	got, err := lambdapool.Map(t.Context(), e, double, []int{1, 2, 3})
	if err != nil || !slices.Equal(got, []int{2, 4, 6}) {
		t.Errorf("Map = %v, %v", got, err)
	}
}
