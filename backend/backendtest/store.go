package backendtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
)

// RunStore runs the conformance suite of object stores over s, as subtests of t. Links
// are used over transport, as an agent does. Clean-up is part of the suite: nothing of
// it remains below the prefix "backendtest/".
func RunStore(t *testing.T, s lambdapool.Store, transport http.RoundTripper) {
	t.Helper()
	st := &storeSuite{s, transport}
	t.Run("Objects", st.testObjects)
	t.Run("Links", st.testLinks)
	t.Run("Secrets", st.testSecrets)
	t.Run("Canceled", st.testCanceled)
	t.Run("Concurrent", st.testConcurrent)
}

type storeSuite struct {
	lambdapool.Store

	transport http.RoundTripper
}

const storeKey = "backendtest/run/"

func (s *storeSuite) put(t *testing.T, key string, data []byte) {
	t.Helper()
	if err := s.Put(short(t), key, bytes.NewReader(data), int64(len(data)), sha256.Sum256(data)); err != nil {
		t.Fatalf("put: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Delete(context.Background(), key); err != nil {
			t.Errorf("delete: %v", err)
		}
	})
}

func (s *storeSuite) read(t *testing.T, key string) []byte {
	t.Helper()
	body, size, err := s.Open(short(t), key)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil || int64(len(data)) != size {
		t.Fatalf("read: %d of %d bytes, %v", len(data), size, err)
	}
	return data
}

func (s *storeSuite) link(t *testing.T, method, key string, life time.Duration) lambdapool.Link {
	t.Helper()
	sign := s.LinkGet
	if method == http.MethodPut {
		sign = s.LinkPut
	}
	link, err := sign(short(t), key, life)
	if err != nil {
		t.Fatalf("link: %v", err)
	}
	if left := time.Until(link.Expires); left <= 0 || left > life+time.Second {
		t.Errorf("a link for %v ends in %v", life, left)
	}
	return link
}

// use sends what a link allows, or what change makes of it.
func (s *storeSuite) use(t *testing.T, method string, link lambdapool.Link, body []byte, change ...func(*http.Request)) (int, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(short(t), method, link.URL, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range link.Header {
		r.Header.Set(name, value)
	}
	for _, f := range change {
		f(r)
	}
	resp, err := s.transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, data
}

func (s *storeSuite) testObjects(t *testing.T) {
	for _, size := range []int{1, 1000, 1 << 20, 7 << 20} {
		data := bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7}, size/7+1)[:size]
		key := storeKey + "by client"
		s.put(t, key, data)
		if got := s.read(t, key); !bytes.Equal(got, data) {
			t.Errorf("%d bytes: %d come back", size, len(got))
		}
		if status, got := s.use(t, http.MethodGet, s.link(t, http.MethodGet, key, time.Minute), nil); status != http.StatusOK || !bytes.Equal(got, data) {
			t.Errorf("%d bytes: a link gets HTTP %d, %d bytes", size, status, len(got))
		}
		key = storeKey + "by agent"
		if status, got := s.use(t, http.MethodPut, s.link(t, http.MethodPut, key, time.Minute), data); status != http.StatusOK {
			t.Fatalf("%d bytes: a link puts with HTTP %d %s", size, status, got)
		}
		if got := s.read(t, key); !bytes.Equal(got, data) {
			t.Errorf("%d bytes put by a link: %d come back", size, len(got))
		}
		if err := s.Delete(short(t), storeKey+"by client", key, storeKey+"by nobody"); err != nil {
			t.Errorf("delete: %v", err)
		}
		if _, _, err := s.Open(short(t), key); err == nil {
			t.Error("a deleted object can be opened")
		}
		if err := s.Delete(short(t), key); err != nil {
			t.Errorf("delete again: %v", err)
		}
	}
	if status, _ := s.use(t, http.MethodGet, s.link(t, http.MethodGet, storeKey+"by nobody", time.Minute), nil); status != http.StatusNotFound && status != http.StatusForbidden {
		t.Errorf("a link to nothing: HTTP %d", status)
	}
}

// testLinks checks that a link allows one thing with one object for a time.
func (s *storeSuite) testLinks(t *testing.T) {
	s.put(t, storeKey+"a", []byte("planted"))
	s.put(t, storeKey+"b", []byte("planted"))
	get, put := s.link(t, http.MethodGet, storeKey+"a", time.Minute), s.link(t, http.MethodPut, storeKey+"a", time.Minute)
	brief := s.link(t, http.MethodGet, storeKey+"a", time.Second)
	other := func(r *http.Request) { r.URL.Path = strings.TrimSuffix(r.URL.Path, "a") + "b" }
	bare := func(r *http.Request) { r.URL.RawQuery = "" }
	for name, tt := range map[string]struct {
		method string
		link   lambdapool.Link
		change func(*http.Request)
	}{
		"PUT by a GET link":    {http.MethodPut, get, nil},
		"GET by a PUT link":    {http.MethodGet, put, nil},
		"DELETE by a PUT link": {http.MethodDelete, put, nil},
		"GET another object":   {http.MethodGet, get, other},
		"PUT another object":   {http.MethodPut, put, other},
		"without signature":    {http.MethodGet, get, bare},
	} {
		if tt.change == nil {
			tt.change = func(*http.Request) {}
		}
		if status, body := s.use(t, tt.method, tt.link, nil, tt.change); status/100 != 4 || bytes.Contains(body, []byte("planted")) {
			t.Errorf("%s: HTTP %d %s", name, status, body)
		}
	}
	if got := s.read(t, storeKey+"b"); string(got) != "planted" {
		t.Errorf("the other object is %q now", got)
	}
	late := time.NewTimer(time.Until(brief.Expires) + 1500*time.Millisecond) // a store may count whole seconds
	defer late.Stop()
	<-late.C
	if status, body := s.use(t, http.MethodGet, brief, nil); status != http.StatusForbidden {
		t.Errorf("expired: HTTP %d %s", status, body)
	}
}

// testSecrets checks that neither links nor errors say what allows access.
func (s *storeSuite) testSecrets(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPut} {
		link := s.link(t, method, storeKey+"a", time.Minute)
		_, query, ok := strings.Cut(link.URL, "?")
		if !ok || strings.Contains(link.String(), query) {
			t.Errorf("a link prints as %v; its secret belongs into its query", link)
		}
	}
	if _, _, err := s.Open(short(t), storeKey+"by nobody"); err == nil || strings.Contains(err.Error(), "?") {
		t.Errorf("open what is not there: %v", err)
	}
}

func (s *storeSuite) testCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	data := make([]byte, 1<<20)
	if err := s.Put(ctx, storeKey+"a", bytes.NewReader(data), 1<<20, sha256.Sum256(data)); err == nil {
		t.Log("put does not mind that its context has ended; the executor does")
	}
	if err := s.Delete(short(t), storeKey+"a"); err != nil {
		t.Errorf("delete: %v", err)
	}
}

func (s *storeSuite) testConcurrent(t *testing.T) {
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			key, data := storeKey+string(rune('a'+i)), bytes.Repeat([]byte{byte(i)}, 100_000)
			s.put(t, key, data)
			if got := s.read(t, key); !bytes.Equal(got, data) {
				t.Errorf("object %d comes back changed", i)
			}
		})
	}
	group.Wait()
}
