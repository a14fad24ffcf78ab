package backendtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
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
	t.Run("Create", st.testCreate)
	t.Run("List", st.testList)
	t.Run("Links", st.testLinks)
	t.Run("CreationLinks", st.testCreationLinks)
	t.Run("Forms", st.testForms)
	t.Run("LinkedUntil", st.testLinkedUntil)
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
		if _, _, err := s.Open(short(t), key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("open a deleted object: %v, want fs.ErrNotExist", err)
		}
		if err := s.Delete(short(t), key); err != nil {
			t.Errorf("delete again: %v", err)
		}
	}
	if status, _ := s.use(t, http.MethodGet, s.link(t, http.MethodGet, storeKey+"by nobody", time.Minute), nil); status != http.StatusNotFound && status != http.StatusForbidden {
		t.Errorf("a link to nothing: HTTP %d", status)
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

// create creates an object, and reports whether it was there.
func (s *storeSuite) create(t *testing.T, key string, data []byte) (existed bool) {
	t.Helper()
	err := s.Create(short(t), key, bytes.NewReader(data), int64(len(data)), sha256.Sum256(data))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		t.Errorf("create: %v", err)
	}
	return err != nil
}

// remove deletes objects with the test.
func (s *storeSuite) remove(t *testing.T, keys ...string) {
	t.Cleanup(func() {
		if err := s.Delete(context.Background(), keys...); err != nil {
			t.Errorf("delete: %v", err)
		}
	})
}

// testCreate checks that an object is created once, however many try.
func (s *storeSuite) testCreate(t *testing.T) {
	const key = storeKey + "created"
	s.remove(t, key)
	if s.create(t, key, []byte("first")) {
		t.Error("what was not there existed")
	}
	if !s.create(t, key, []byte("second")) {
		t.Error("it was created twice")
	}
	if got := s.read(t, key); string(got) != "first" {
		t.Errorf("the second one made it %q", got)
	}
	s.put(t, key, []byte("put"))
	if got := s.read(t, key); string(got) != "put" {
		t.Errorf("Put left it %q", got)
	}
	for round := range 3 {
		if err := s.Delete(short(t), key); err != nil {
			t.Fatal(err)
		}
		s.race(t, key, round)
	}
}

// race has many create the same object at once: by the client and by links.
func (s *storeSuite) race(t *testing.T, key string, round int) {
	t.Helper()
	link, err := s.LinkCreate(short(t), key, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	const many = 16
	var group sync.WaitGroup
	var won [many]bool
	start := make(chan struct{})
	content := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 1+10_000*round) }
	for i := range many {
		group.Go(func() {
			<-start
			if i%2 == 0 {
				won[i] = !s.create(t, key, content(i))
				return
			}
			for try := 0; ; try++ {
				status, body := s.use(t, http.MethodPut, link, content(i))
				if status == http.StatusConflict && try < many { // as S3 answers while another one is at it
					continue
				}
				if won[i] = status == http.StatusOK; !won[i] && status != http.StatusPreconditionFailed {
					t.Errorf("by a link: HTTP %d %s", status, body)
				}
				return
			}
		})
	}
	close(start)
	group.Wait()
	winner, winners := -1, 0
	for i := range many {
		if won[i] {
			winner = i
			winners++
		}
	}
	if winners != 1 {
		t.Fatalf("%d created it", winners)
	}
	if got := s.read(t, key); !bytes.Equal(got, content(winner)) {
		t.Errorf("number %d created it, but it holds %d bytes of number %d", winner, len(got), got[0])
	}
}

// testList checks order, pages and what is said of objects. It takes a thousand and more.
func (s *storeSuite) testList(t *testing.T) {
	const prefix, many = storeKey + "list/", 1003
	want := make([]string, many)
	for i := range want {
		want[i] = fmt.Sprintf("%s%04d", prefix, i)
	}
	other := []string{storeKey + "lis", storeKey + "list-", storeKey + "list0"} // beside it, in every order
	s.remove(t, append(other, want...)...)
	before := time.Now()
	var group sync.WaitGroup
	for part := range slices.Chunk(append(other, want...), many/8) {
		group.Go(func() {
			for _, key := range part {
				data := []byte(key[len(storeKey):])
				if err := s.Put(short(t), key, bytes.NewReader(data), int64(len(data)), sha256.Sum256(data)); err != nil {
					t.Errorf("put: %v", err)
				}
			}
		})
	}
	group.Wait()
	var got []string
	pages := 0
	for after := ""; ; pages++ {
		list, err := s.List(short(t), prefix, after)
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		for _, o := range list.Objects {
			got = append(got, o.Key)
			if want := int64(len(o.Key) - len(storeKey)); o.Size != want {
				t.Errorf("%s has %d bytes, not %d", o.Key, o.Size, want)
			}
			if o.Modified.Before(before.Add(-time.Minute)) || o.Modified.After(list.Time.Add(2*time.Second)) {
				t.Errorf("%s was modified at %v; it is %v", o.Key, o.Modified, list.Time)
			}
		}
		if off := time.Since(list.Time).Abs(); off > time.Minute {
			t.Errorf("a listing of %v, which is %v off", list.Time, off)
		}
		if !list.More {
			break
		}
		if len(list.Objects) == 0 || pages > many {
			t.Fatal("there is more, but nothing comes")
		}
		after = list.Objects[len(list.Objects)-1].Key
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d objects are listed on %d pages, want %d in order", len(got), pages+1, len(want))
	}
	for after, n := range map[string]int{want[many-3]: 2, want[many-1]: 0, prefix: 1000, storeKey: 1000, want[many-3] + "x": 2} {
		if list, err := s.List(short(t), prefix, after); err != nil || min(n, len(list.Objects)) != n || len(list.Objects) > n && n < 1000 {
			t.Errorf("after %s: %d objects, %v, want %d", after, len(list.Objects), err, n)
		}
	}
	if list, err := s.List(short(t), storeKey+"none/", ""); err != nil || len(list.Objects) > 0 || list.More {
		t.Errorf("nothing is listed as %+v, %v", list, err)
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
