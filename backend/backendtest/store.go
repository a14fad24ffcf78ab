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

// RunStore runs the conformance suite of object stores over s, as subtests of t, and blocks until
// all have ended. Links are used over transport, as an agent does: plain HTTP that knows no
// credentials. Where agents are in this process, pass the transport that the backend gives them.
//
// A store decides two things that users rely on. What was created once stays: of an agent and a
// client that end a chunk at the same time, one wins for everybody. And whoever has a link can do
// with it what it is for, and nothing else: agents run code that may be bad. Most cases are about
// links.
//
// The store must be consistent: what was put can be read, and listed, at once. Amazon S3 has been
// like that since 2020-12. The suite stores some twenty megabytes and a thousand small objects, and
// waits a few seconds for a link to expire. It works below the prefix "backendtest/" and leaves
// nothing of its own there.
func RunStore(t *testing.T, s lambdapool.Store, transport http.RoundTripper) {
	t.Helper()
	st := &storeSuite{Store: s, transport: transport}
	t.Run("Objects", st.testObjects)
	t.Run("Create", st.testCreate)
	t.Run("List", st.testList)
	t.Run("Links", st.testLinks)
	t.Run("Ranges", st.testRanges)
	t.Run("CreationLinks", st.testCreationLinks)
	t.Run("Forms", st.testForms)
	t.Run("Attacks", st.testAttacks)
	t.Run("LinkedUntil", st.testLinkedUntil)
	t.Run("Secrets", st.testSecrets)
	t.Run("Canceled", st.testCanceled)
	t.Run("Concurrent", st.testConcurrent)
	t.Run("Expired", st.testExpired)
}

// storeSuite is one run over one store.
type storeSuite struct {
	lambdapool.Store

	transport http.RoundTripper
	brief     lambdapool.Link // to an object, for a second; see testExpired
	briefForm lambdapool.Link // the same of a prefix; no URL: the store has no forms
}

// storeKey is the prefix of all that the suite stores.
const storeKey = "backendtest/run/"

// put stores data until t ends.
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

// read returns the object at key, by the client's own rights.
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

// testObjects demands that client and agent see the same objects, from one byte to seven megabytes,
// byte for byte: what one puts the other gets. Seven megabytes are more than Lambda carries in an
// invocation (codec.MaxRequest).
//
// Open of what is not there wraps fs.ErrNotExist. From that a client knows that a call has not
// ended or that a run does not exist; any other error counts as an outage and is tried again.
// Delete of what is not there is no error, because calls are cleaned up twice, by themselves and by
// Close. A link to nothing gets 404, or 403 where the store does not tell strangers what exists.
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

// testSecrets demands that neither links nor errors say what allows access. The secret of a link is
// its query; String leaves it out, and no error has it. Errors and logs are copied into tickets and
// chats, and whoever reads a link there can use it until it expires.
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

// testCreate demands that an object is created once, however many try, with fs.ErrExist for all
// others, and that Put still replaces it. This is the only lock that detached runs have: on it
// rests that a function which is not idempotent runs once, and that every client sees the same end.
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

// race has many create the same object at once: half by the client, half by links. Exactly one
// wins, and the object is what the winner sent. A store that looks first and writes then fails
// here. By a link, 409 (conflict) means "ask again", as S3 says it while another one is at it; 412
// (precondition failed) means "it is there".
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

// testList demands of listings: every object below the prefix and none beside it, in the order of
// the keys' bytes, on pages that lead to the end, with sizes, and times by the store's own clock.
// It takes a thousand and more, since that is a page of S3's.
//
// A listing is all that a client knows of a detached run: what is missing in it counts as not done,
// and may be sent again or declared lost. Ages are taken from the store's clock because the
// client's may be wrong, which must not let a run expire that has just begun.
func (s *storeSuite) testList(t *testing.T) {
	const prefix, many = storeKey + "list/", 1003
	want := make([]string, many)
	for i := range want {
		want[i] = fmt.Sprintf("%s%04d", prefix, i)
	}
	// Beside the prefix, in every order: a store that compares folders instead of bytes lists them.
	other := []string{storeKey + "lis", storeKey + "list-", storeKey + "list0"}
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

// testCanceled demands that a store which is asked with a context that has ended does no harm and
// works afterwards. It may refuse or store: the executor looks at the context itself.
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

// testConcurrent demands that methods are safe for concurrent use and that objects keep apart: an
// executor stores the arguments of many calls at once.
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
