package lambdapool_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/codec"
)

// Runs of the functions below: each test sets it to zero.
var largeRuns atomic.Int64

var (
	mirror = lambdapool.Register("test.mirror", func(_ context.Context, b []byte) ([]byte, error) {
		largeRuns.Add(1)
		return b, nil
	})
	mirrorAgain = lambdapool.Register("test.mirrorAgain", func(_ context.Context, b []byte) ([]byte, error) {
		largeRuns.Add(1)
		return b, nil
	}, lambdapool.Idempotent())
)

// storeThreshold makes payloads large that tests have quickly.
const storeThreshold = 10_000

// noise is data that does not shrink.
func noise(n int) []byte {
	b := make([]byte, n)
	random := rand.NewChaCha8([32]byte{7})
	_, _ = random.Read(b) // never fails
	return b
}

// A testStore is the store of a backend, with faults where a test sets them.
type testStore struct {
	lambdapool.Store

	put     func(try int) error
	open    func(try int, body io.ReadCloser) (io.ReadCloser, error)
	stored  func(key string) // after a Put
	getLink func(lambdapool.Link) lambdapool.Link
	putLink func(lambdapool.Link) lambdapool.Link
	form    func(lambdapool.Link) (lambdapool.Link, error)
	delete  func(try int) error

	mu                                 sync.Mutex
	puts, opens, links, forms, deletes int
}

func (s *testStore) count(n *int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	*n++
	return *n
}

func (s *testStore) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	try := s.count(&s.puts)
	if s.put != nil {
		if err := s.put(try); err != nil {
			return err
		}
	}
	err := s.Store.Put(ctx, key, body, size, sum)
	if s.stored != nil {
		s.stored(key)
	}
	return err
}

func (s *testStore) Open(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	try := s.count(&s.opens)
	body, size, err := s.Store.Open(ctx, key)
	if err == nil && s.open != nil {
		body, err = s.open(try, body)
	}
	return body, size, err
}

func (s *testStore) LinkGet(ctx context.Context, key string, life time.Duration) (lambdapool.Link, error) {
	link, err := s.Store.LinkGet(ctx, key, life)
	if s.getLink != nil {
		link = s.getLink(link)
	}
	return link, err
}

func (s *testStore) LinkPut(ctx context.Context, key string, life time.Duration) (lambdapool.Link, error) {
	s.count(&s.links)
	link, err := s.Store.LinkPut(ctx, key, life)
	if s.putLink != nil {
		link = s.putLink(link)
	}
	return link, err
}

func (s *testStore) LinkUnder(ctx context.Context, prefix string, life time.Duration) (lambdapool.Link, error) {
	s.count(&s.forms)
	link, err := s.Store.LinkUnder(ctx, prefix, life)
	if s.form != nil && err == nil {
		link, err = s.form(link)
	}
	return link, err
}

// noForms is the answer of a store that has none.
func noForms(lambdapool.Link) (lambdapool.Link, error) {
	return lambdapool.Link{}, fmt.Errorf("no forms: %w", errors.ErrUnsupported)
}

func (s *testStore) Delete(ctx context.Context, keys ...string) error {
	if try := s.count(&s.deletes); s.delete != nil {
		if err := s.delete(try); err != nil {
			return err
		}
	}
	return s.Store.Delete(ctx, keys...)
}

// remaining lists the objects that are still there.
func (s *testStore) remaining(t *testing.T) (left []string) {
	t.Helper()
	list, err := s.List(context.Background(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list.Objects {
		left = append(left, o.Key)
	}
	return left
}

// storing is a backend with a testStore.
type storing struct {
	lambdapool.Backend

	store lambdapool.Store
}

func (b storing) Store() lambdapool.Store { return b.store }
func (b storing) StoreOption() string     { return "test.WithStore" }

// storePool returns an executor whose backend stores what is above storeThreshold. With
// the test it is closed, and then nothing may remain in the store.
func storePool(t *testing.T, s *testStore, opts ...lambdapool.Option) *lambdapool.Executor {
	t.Helper()
	b := inproc.New(inproc.WithStoreThreshold(storeThreshold))
	return storePoolOn(t, b, b, s, opts...)
}

func storePoolOn(t *testing.T, b *inproc.Backend, invoked lambdapool.Backend, s *testStore, opts ...lambdapool.Option) *lambdapool.Executor {
	t.Helper()
	largeRuns.Store(0)
	s.Store = b.Store()
	opts = append([]lambdapool.Option{
		lambdapool.WithLogger(slog.New(slog.DiscardHandler)),
		lambdapool.WithRetry(lambdapool.RetryPolicy{BaseDelay: time.Millisecond, MaxDelay: 2 * time.Millisecond}),
	}, opts...)
	e, err := lambdapool.New(storing{invoked, s}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(e.Close(), b.Close()); err != nil {
			t.Error(err)
		}
		if left := s.remaining(t); s.delete == nil && len(left) > 0 {
			t.Errorf("remain after Close: %v", left)
		}
	})
	return e
}

func TestLargePayloads(t *testing.T) {
	s := &testStore{}
	e := storePool(t, s)
	for _, size := range []int{100, storeThreshold - 5000, storeThreshold, 20_000_000} {
		want := noise(size)
		got, err := lambdapool.Call(t.Context(), e, mirror, want)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %d come back, %v", size, len(got), err)
		}
		dynamic, err := e.Submit(t.Context(), "test.mirror", want).Result(t.Context())
		if b, ok := dynamic.([]byte); err != nil || !ok || !bytes.Equal(b, want) {
			t.Errorf("%d bytes, dynamic: %T, %v", size, dynamic, err)
		}
	}
	if s.puts == 0 || s.opens == 0 {
		t.Errorf("%d puts, %d opens", s.puts, s.opens)
	}
}

func TestLargePayloadsOfMaps(t *testing.T) {
	s := &testStore{}
	e := storePool(t, s)
	args := make([][]byte, 40)
	for i := range args {
		args[i] = noise(i * 1000)
	}
	got, err := lambdapool.Map(t.Context(), e, mirror, args)
	if err != nil || !slices.EqualFunc(got, args, bytes.Equal) {
		t.Errorf("come back changed: %v", err)
	}
	if s.puts == 0 || s.opens == 0 {
		t.Errorf("%d puts, %d opens", s.puts, s.opens)
	}
}

// Where results cannot be large, no link is signed for them; and what fits is not stored.
func TestSmallPayloadsDoWithoutTheStore(t *testing.T) {
	s := &testStore{}
	e := storePool(t, s)
	if _, err := lambdapool.Map(t.Context(), e, double, make([]int, 1000), lambdapool.ChunkSize(10)); err != nil {
		t.Error(err)
	}
	if s.puts+s.opens+s.links+s.deletes > 0 {
		t.Errorf("%d puts, %d opens, %d links, %d deletions", s.puts, s.opens, s.links, s.deletes)
	}
	if _, err := lambdapool.Call(t.Context(), e, echo, "small"); err != nil || s.forms != 1 || s.puts+s.links != 0 {
		t.Errorf("%v; %d forms, %d links, %d puts", err, s.forms, s.links, s.puts)
	}
}

// What a throttle turns away has been stored already, once.
func TestRetriesDoNotStoreAgain(t *testing.T) {
	b := inproc.New(inproc.WithStoreThreshold(storeThreshold))
	turned := &scripted{Backend: b, script: []step{throttle("", 0), throttle("", 0), answer(&lambdapool.InvokeError{
		Outcome: lambdapool.OutcomeNotRun, Kind: lambdapool.ErrAgentCrashed, Err: errors.New("not ready"),
	})}}
	s := &testStore{}
	e := storePoolOn(t, b, turned, s)
	want := noise(100_000)
	if got, err := lambdapool.Call(t.Context(), e, mirror, want); err != nil || !bytes.Equal(got, want) || s.puts != 1 || turned.attempts() != 4 {
		t.Errorf("%v after %d attempts and %d puts", err, turned.attempts(), s.puts)
	}
}

func flip(_ int, body io.ReadCloser) (io.ReadCloser, error) {
	data, err := io.ReadAll(body)
	data[len(data)/2] ^= 1
	return io.NopCloser(bytes.NewReader(data)), err
}

func cut(_ int, body io.ReadCloser) (io.ReadCloser, error) {
	return io.NopCloser(io.LimitReader(body, 100)), nil
}

// Whatever fails on the way, the error says what, whether the function ran, and nothing
// secret; it is tried again if that can help and does no harm.
func TestStoreFailures(t *testing.T) {
	down := errors.New("connection refused")
	for name, tt := range map[string]struct {
		s       *testStore
		fn      *lambdapool.Func[[]byte, []byte]
		kind    error
		cause   error
		outcome lambdapool.Outcome
		runs    int64
		says    string
	}{
		"down at first": {s: &testStore{put: func(try int) error {
			if try < 4 {
				return down
			}
			return nil
		}}, fn: mirror, runs: 1},
		"down": {
			s:  &testStore{put: func(int) error { return down }},
			fn: mirror, kind: lambdapool.ErrStore, cause: down, outcome: lambdapool.OutcomeNotRun, says: "store arguments of 10",
		},
		"denied": {
			s: &testStore{put: func(try int) error {
				if try > 1 {
					t.Error("tried again")
				}
				return &lambdapool.InvokeError{Kind: lambdapool.ErrAccessDenied, Err: down, Permanent: true, Hint: "ask for rights"}
			}},
			fn: mirror, kind: lambdapool.ErrAccessDenied, cause: down, outcome: lambdapool.OutcomeNotRun, says: "ask for rights",
		},
		"arguments missing": {
			s:  &testStore{},
			fn: mirror, kind: lambdapool.ErrStore, outcome: lambdapool.OutcomeNotRun, says: "HTTP 404 NoSuchKey",
		},
		"arguments damaged": {
			s:  &testStore{},
			fn: mirror, kind: lambdapool.ErrStore, outcome: lambdapool.OutcomeNotRun, says: "another SHA-256",
		},
		"link expired": {
			s: &testStore{getLink: func(l lambdapool.Link) lambdapool.Link {
				l.URL = strings.Replace(l.URL, "expires=", "expires=0", 1)
				return l
			}},
			fn: mirror, kind: lambdapool.ErrStore, outcome: lambdapool.OutcomeNotRun, says: "HTTP 403 AccessDenied",
		},
		"result not stored": {
			s: &testStore{form: func(l lambdapool.Link) (lambdapool.Link, error) {
				l.Form["signature"] = strings.Repeat("0", len(l.Form["signature"]))
				return l, nil
			}},
			fn: mirror, kind: lambdapool.ErrStore, outcome: lambdapool.OutcomeRan, runs: 1, says: "could not be stored",
		},
		"no form": {
			s:  &testStore{form: func(lambdapool.Link) (lambdapool.Link, error) { return lambdapool.Link{}, down }},
			fn: mirror, kind: lambdapool.ErrStore, cause: down, outcome: lambdapool.OutcomeNotRun, says: "link for the result",
		},
		"result not stored, without forms": {
			s: &testStore{form: noForms, putLink: func(l lambdapool.Link) lambdapool.Link {
				l.URL = strings.Replace(l.URL, "signature=", "signature=0", 1)
				return l
			}},
			fn: mirror, kind: lambdapool.ErrStore, outcome: lambdapool.OutcomeRan, runs: 1, says: "could not be stored",
		},
		"result damaged": {
			s:  &testStore{open: flip},
			fn: mirror, kind: lambdapool.ErrStore, cause: codec.ErrDamaged, outcome: lambdapool.OutcomeRan, runs: 1, says: "its bytes were changed",
		},
		"result cut": {
			s:  &testStore{open: cut},
			fn: mirror, kind: lambdapool.ErrStore, cause: io.ErrUnexpectedEOF, outcome: lambdapool.OutcomeRan, runs: 1, says: "fetch the result of 10",
		},
		"result cut at first": {s: &testStore{open: func(try int, body io.ReadCloser) (io.ReadCloser, error) {
			if try == 1 {
				return cut(try, body)
			}
			return body, nil
		}}, fn: mirror, runs: 1},
		"result damaged, idempotent": {s: &testStore{open: func(try int, body io.ReadCloser) (io.ReadCloser, error) {
			if try == 1 {
				return flip(try, body)
			}
			return body, nil
		}}, fn: mirrorAgain, runs: 2},
		"down after the run, idempotent": {
			s:  &testStore{open: func(int, io.ReadCloser) (io.ReadCloser, error) { return nil, down }},
			fn: mirrorAgain, kind: lambdapool.ErrStore, cause: down, outcome: lambdapool.OutcomeRan, runs: 3, says: "fetch the result",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			s := tt.s
			switch name {
			case "arguments missing":
				s.stored = func(key string) { _ = s.Store.Delete(context.Background(), key) } // returns nil
			case "arguments damaged":
				s.stored = func(key string) {
					body, _, err := s.Store.Open(context.Background(), key)
					if err != nil {
						t.Error(err)
						return
					}
					data, err := io.ReadAll(body)
					data[len(data)/2] ^= 1
					if err := errors.Join(err, s.Store.Put(context.Background(), key, bytes.NewReader(data), int64(len(data)), sha256.Sum256(data))); err != nil {
						t.Error(err)
					}
				}
			}
			e := storePool(t, s, lambdapool.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
			size := 100_000
			if strings.HasPrefix(name, "result not stored") {
				size = 7_000_000 // a smaller one is returned after all
			}
			want := append(noise(size), "planted"...)
			got, err := lambdapool.Call(t.Context(), e, tt.fn, want)
			if largeRuns.Load() != tt.runs {
				t.Errorf("ran %d times, want %d", largeRuns.Load(), tt.runs)
			}
			if tt.kind == nil {
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes come back, %v", len(got), err)
				}
				return
			}
			var pool *lambdapool.PoolError
			if !errors.As(err, &pool) {
				t.Fatalf("%v, want a PoolError", err)
			}
			if pool.Kind != tt.kind || pool.Outcome != tt.outcome || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, %+v", err, pool)
			}
			if tt.cause != nil {
				wantErr(t, err, tt.cause)
			}
			for _, text := range []string{fmt.Sprintf("%v %+v %#v", err, err, pool.Hint), log.String()} {
				if strings.Contains(text, "signature=") || strings.Contains(text, "planted") {
					t.Errorf("says what is secret: %s", text)
				}
			}
		})
	}
}

// A call that ends early leaves nothing either, and neither does one that is running
// when the executor is closed.
func TestNothingRemainsOfAbandonedCalls(t *testing.T) {
	s := &testStore{}
	e := storePool(t, s)
	release := make(chan struct{})
	var once sync.Once
	s.put = func(try int) error {
		if try == 2 {
			<-release
		}
		return nil
	}
	defer once.Do(func() { close(release) })
	if _, err := lambdapool.Call(t.Context(), e, mirror, noise(50_000)); err != nil {
		t.Error(err)
	}
	f := lambdapool.Submit(t.Context(), e, mirror, noise(50_000))
	g := lambdapool.Submit(t.Context(), e, mirror, noise(60_000))
	f.Cancel()
	once.Do(func() { close(release) })
	if _, err := g.Result(t.Context()); err != nil {
		t.Error(err)
	}
	lambdapool.Submit(t.Context(), e, mirror, noise(70_000))
}

// A store that deletes nothing delays Close and is told of, but fails no call.
func TestCloseSaysWhatRemains(t *testing.T) {
	var log bytes.Buffer
	s := &testStore{delete: func(int) error { return errors.New("denied") }}
	e := storePool(t, s, lambdapool.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	if _, err := lambdapool.Call(t.Context(), e, mirror, noise(50_000)); err != nil {
		t.Error(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if text := log.String(); !strings.Contains(text, "may remain") || !strings.Contains(text, "objects=2") {
		t.Errorf("logged %q", text)
	}
}

// Without a store the error says how large it was, what the limit is, and what lifts it.
func TestTooLargeWithoutAStore(t *testing.T) {
	b := inproc.New()
	e := executor(t, storing{b, nil})
	defer b.Close()
	for name, call := range map[string]func() error{
		"argument": func() error {
			_, err := lambdapool.Call(t.Context(), e, mirror, noise(5_000_000))
			return err
		},
		"result": func() error {
			_, err := e.Submit(t.Context(), "test.grow", 7_000_000).Result(t.Context())
			return err
		},
	} {
		err := call()
		wantErr(t, err, lambdapool.ErrTooLarge)
		for _, part := range []string{"test.WithStore", map[string]string{"argument": "6291456", "result": "6291556"}[name], map[string]string{"argument": "66", "result": "7000"}[name]} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v, want %q in it", name, err, part)
			}
		}
	}
	// What shrinks enough fits all the same, unless compression is off.
	text := bytes.Repeat([]byte("line after line of a log that says little\n"), 250_000)
	for i := range text {
		if i%1000 == 0 {
			text[i] = byte(i / 1000)
		}
	}
	if got, err := lambdapool.Call(t.Context(), e, mirror, text); err != nil || !bytes.Equal(got, text) {
		t.Errorf("%d bytes that shrink: %v", len(text), err)
	}
	plain := executor(t, storing{b, nil}, lambdapool.WithCompression(false))
	_, err := lambdapool.Call(t.Context(), plain, mirror, text)
	wantErr(t, err, lambdapool.ErrTooLarge)
}

func init() { lambdapool.RegisterFunc("test.grow", noise) }

// Large payloads need nothing of the caller where the backend has a store.
func ExampleStorer() {
	b := inproc.New()
	defer b.Close()
	e, err := lambdapool.New(b, lambdapool.WithCompression(true))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer e.Close()
	result, err := lambdapool.Call(context.Background(), e, mirror, make([]byte, 50<<20))
	fmt.Println(len(result), err)
	// Output: 52428800 <nil>
}

// An item whose arguments are nowhere but in the store is sent again from there.
func TestStoredItemIsRetried(t *testing.T) {
	var tries atomic.Int64
	r := lambdapool.NewRegistry()
	fussy := lambdapool.RegisterIn(r, "fussy", func(_ context.Context, s string) (int, error) {
		if tries.Add(1) < 3 {
			return 0, errors.New("not yet")
		}
		return len(s), nil
	})
	b := inproc.New(inproc.WithStoreThreshold(1000), inproc.WithRegistry(r))
	e := executor(t, b, lambdapool.WithRegistry(r), lambdapool.WithRetry(lambdapool.RetryPolicy{
		BaseDelay: time.Millisecond, RetryFunctionError: func(*lambdapool.FunctionError) bool { return true },
	}))
	got, err := lambdapool.Map(t.Context(), e, fussy, []string{strings.Repeat("x", 50_000)})
	if err != nil || got[0] != 50_000 || tries.Load() != 3 {
		t.Errorf("%v, %v after %d tries", got, err, tries.Load())
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if left, err := b.Store().List(t.Context(), "", ""); err != nil || len(left.Objects) > 0 {
		t.Errorf("left: %+v, %v", left, err)
	}
}
