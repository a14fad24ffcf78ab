package share_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/share"
)

func TestMain(m *testing.M) {
	agent.Main()
	goleak.VerifyTestMain(m)
}

// decoded is how many tables this process has decoded.
var decoded atomic.Int32

// A table is large to whoever decodes it.
type table struct{ Rows []string }

func (t table) MarshalBinary() ([]byte, error) { return []byte(strings.Join(t.Rows, "\n")), nil }

func (t *table) UnmarshalBinary(data []byte) error {
	decoded.Add(1)
	t.Rows = strings.Split(string(data), "\n")
	return nil
}

// A question is about a row of a table.
type question struct {
	Table share.Value[table]
	Row   int
}

// An answer is a row, and how often the process that says it has decoded a table.
type answer struct {
	Row     string
	Process int
	Decoded int
}

var ask = lambdapool.Register("share-test-ask", func(ctx context.Context, q question) (answer, error) {
	t, err := q.Table.Get(ctx)
	if err != nil {
		return answer{}, err
	}
	return answer{t.Rows[q.Row], os.Getpid(), int(decoded.Load())}, nil
}, lambdapool.Idempotent())

// A shelf is a store of one process. It counts what is read by its links, and can hold them up.
type shelf struct {
	driver.Store // what is not needed here

	pool   *lambdapool.Executor // on a backend with this store
	server *httptest.Server
	mu     sync.Mutex
	bodies map[string][]byte
	stored int           // how often something was stored
	reads  atomic.Int32  // by links
	gate   chan struct{} // nil: links are answered at once
	broken atomic.Bool   // links are answered with 403
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{bodies: map[string][]byte{}}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.reads.Add(1)
		if s.gate != nil {
			<-s.gate
		}
		s.mu.Lock()
		data, there := s.bodies[strings.TrimPrefix(r.URL.Path, "/")]
		s.mu.Unlock()
		switch {
		case s.broken.Load():
			w.WriteHeader(http.StatusForbidden)
		case !there:
			w.WriteHeader(http.StatusNotFound)
		default:
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
		}
	}))
	t.Cleanup(s.server.Close)
	pool, err := lambdapool.New(shelving{inproc.New(), s})
	if err != nil {
		t.Fatal(err)
	}
	s.pool = pool
	t.Cleanup(func() { _ = pool.Close() })
	return s
}

// A shelving is a backend whose store is a shelf.
type shelving struct {
	driver.Backend

	shelf *shelf
}

func (s shelving) Store() driver.Store { return s.shelf }
func (s shelving) StoreOption() string { return "" }

// A storeless backend has no store.
type storeless struct{ driver.Backend }

func (s *shelf) Threshold() int { return 0 }

func (s *shelf) Create(_ context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.bodies[key]; there {
		return fmt.Errorf("%s: %w", key, fs.ErrExist)
	}
	data, err := io.ReadAll(body)
	if int64(len(data)) != size || sha256.Sum256(data) != sum {
		return fmt.Errorf("%s: not the bytes that were announced", key)
	}
	s.bodies[key] = data
	s.stored++
	return err
}

func (s *shelf) LinkGet(_ context.Context, key string, _ time.Duration) (driver.Link, error) {
	return driver.Link{URL: s.server.URL + "/" + key}, nil
}

func (s *shelf) Delete(_ context.Context, keys ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		delete(s.bodies, key)
	}
	return nil
}
