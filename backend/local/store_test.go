package local_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/backendtest"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/codec"
)

// storedSizes are below and above the size from which an object is a file.
var storedSizes = []int{0, 1, 256 << 10, 256<<10 + 1, 5 << 20}

func bytesOf(n int) []byte { return bytes.Repeat([]byte("lambdapool"), n/10+1)[:n] }

func put(t *testing.T, s lambdapool.Store, key string, data []byte) {
	t.Helper()
	if err := s.Put(t.Context(), key, bytes.NewReader(data), int64(len(data)), sha256.Sum256(data)); err != nil {
		t.Fatal(err)
	}
}

func getLink(t *testing.T, s lambdapool.Store, key string) lambdapool.Link {
	t.Helper()
	link, err := s.LinkGet(t.Context(), key, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func putLink(t *testing.T, s lambdapool.Store, key string) lambdapool.Link {
	t.Helper()
	link, err := s.LinkPut(t.Context(), key, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// exchange uses a link as an agent does.
func exchange(t *testing.T, method, url string, body []byte) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

func TestStoreKeepsObjects(t *testing.T) {
	s := open(t).Store()
	for _, size := range storedSizes {
		want := string(bytesOf(size))
		put(t, s, "run/by client", []byte(want))
		if status, got := exchange(t, "GET", getLink(t, s, "run/by client").URL, nil); status != 200 || got != want {
			t.Errorf("%d bytes: GET: %d, %d bytes", size, status, len(got))
		}
		if status, got := exchange(t, "PUT", putLink(t, s, "run/by agent").URL, []byte(want)); status != 200 {
			t.Errorf("%d bytes: PUT: %d %s", size, status, got)
		}
		body, n, err := s.Open(t.Context(), "run/by agent")
		if err != nil || n != int64(size) {
			t.Fatalf("%d bytes: open: %d, %v", size, n, err)
		}
		// Who reads is not disturbed by a deletion.
		if err := s.Delete(t.Context(), "run/by client", "run/by agent", "run/none"); err != nil {
			t.Error(err)
		}
		if got, err := io.ReadAll(body); err != nil || string(got) != want {
			t.Errorf("%d bytes: read %d, %v", size, len(got), err)
		}
		body.Close()
		if _, _, err := s.Open(t.Context(), "run/by agent"); err == nil {
			t.Error("a deleted object can be opened")
		}
	}
}

// A link allows one thing with one object for a time.
func TestStoreLinks(t *testing.T) {
	b := open(t)
	s := b.Store()
	put(t, s, "run/key", []byte("planted"))
	get, up := getLink(t, s, "run/key"), putLink(t, s, "run/key")
	expired, err := s.LinkGet(t.Context(), "run/key", -time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		method, url string
		status      int
		says        string
	}{
		"PUT by GET link":  {"PUT", get.URL, 403, "SignatureDoesNotMatch"},
		"GET by PUT link":  {"GET", up.URL, 403, "SignatureDoesNotMatch"},
		"HEAD by GET link": {"HEAD", get.URL, 403, ""},
		"other key":        {"GET", strings.Replace(get.URL, "run/key", "run/other", 1), 403, "SignatureDoesNotMatch"},
		"later":            {"GET", strings.Replace(get.URL, "expires=", "expires=9", 1), 403, "SignatureDoesNotMatch"},
		"no signature":     {"GET", strings.Split(get.URL, "?")[0], 403, "SignatureDoesNotMatch"},
		"expired":          {"GET", expired.URL, 403, "Request has expired"},
		"DELETE":           {"DELETE", get.URL, 403, "Missing Authentication Token"},
		"missing":          {"GET", getLink(t, s, "run/none").URL, 404, "NoSuchKey"},
		"of another store": {"GET", getLink(t, open(t).Store(), "run/key").URL, 403, "SignatureDoesNotMatch"},
	} {
		url := tt.url
		if name == "of another store" {
			_, query, _ := strings.Cut(url, "?")
			base, _, _ := strings.Cut(get.URL, "?")
			url = base + "?" + query
		}
		status, body := exchange(t, tt.method, url, nil)
		if status != tt.status || !strings.Contains(body, tt.says) || strings.Contains(body, "planted") {
			t.Errorf("%s: %d %s, want %d %s", name, status, body, tt.status, tt.says)
		}
	}
	for _, link := range []lambdapool.Link{get, up} {
		if text := link.String(); strings.Contains(text, "signature") || !strings.HasPrefix(text, b.Endpoint()+"/store/run/key") {
			t.Errorf("a link prints as %s", text)
		}
	}
}

func TestStoreIsBounded(t *testing.T) {
	s := open(t, local.WithStoreSize(1<<20)).Store()
	data := bytesOf(600_000)
	put(t, s, "a", data)
	err := s.Put(t.Context(), "b", bytes.NewReader(data), int64(len(data)), sha256.Sum256(data))
	var full *lambdapool.InvokeError
	if !errors.As(err, &full) || full.Permanent || !strings.Contains(err.Error(), "the store is full") || !strings.Contains(full.Hint, "WithStoreSize") {
		t.Errorf("%v", err)
	}
	if status, body := exchange(t, "PUT", putLink(t, s, "b").URL, data); status != 507 || !strings.Contains(body, "QuotaExceeded") {
		t.Errorf("PUT: %d %s", status, body)
	}
	// What is overwritten or deleted makes room again, and so does what failed.
	if err := s.Put(t.Context(), "c", io.NewSectionReader(bytes.NewReader(nil), 0, 0), 300_000, [32]byte{}); err == nil {
		t.Error("an object shorter than announced was stored")
	}
	if err := s.Delete(t.Context(), "a", "a"); err != nil {
		t.Error(err)
	}
	put(t, s, "b", data)
	put(t, s, "b", data[:1])
	put(t, s, "d", data)
	r, err := http.NewRequestWithContext(t.Context(), "PUT", putLink(t, s, "e").URL, io.MultiReader(bytes.NewReader(data)))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil || resp.StatusCode != http.StatusLengthRequired {
		t.Errorf("without a length: %v, %v", resp, err)
	}
	resp.Body.Close()
}

func TestStoreChecksWhatItTakes(t *testing.T) {
	s := open(t).Store()
	if err := s.Put(t.Context(), "a", strings.NewReader("changed"), 7, sha256.Sum256([]byte("genuine"))); !errors.Is(err, codec.ErrDamaged) {
		t.Errorf("another sum: %v", err)
	}
	if _, _, err := s.Open(t.Context(), "a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was stored all the same: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	data := bytesOf(1 << 20)
	if err := s.Put(ctx, "a", bytes.NewReader(data), 1<<20, sha256.Sum256(data)); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// Objects have no names in the file system, and their files end with the backend.
func TestStoreLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	b := open(t)
	s := b.Store()
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() { put(t, s, string(rune('a'+i)), bytesOf(1<<20)) })
	}
	group.Wait()
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		t.Errorf("files %v, %v", names, err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, _, err := s.Open(t.Context(), "a"); err == nil {
		t.Error("an object outlives Close")
	}
	err := s.Put(t.Context(), "a", strings.NewReader(""), 0, sha256.Sum256(nil))
	if !errors.Is(err, lambdapool.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// An invocation carries arguments and results by way of the store, between processes.
func TestStoreCarriesPayloads(t *testing.T) {
	t.Parallel()
	b := open(t)
	s := b.Store()
	if s.Threshold() != 0 || b.StoreOption() == "" {
		t.Errorf("threshold %d, option %q", s.Threshold(), b.StoreOption())
	}
	f, ok := lambdapool.DefaultRegistry.Lookup("backendtest.EchoBytes")
	if !ok {
		t.Fatal("the suite's functions are not registered")
	}
	const size = 20 << 20
	arg := append([]byte{0xc6, 20 << 20 >> 24, 20 << 20 >> 16 & 0xff, 0, 0}, bytesOf(size)...) // msgpack's bin 32
	frame, err := codec.FrameRequest(&codec.Request{Items: [][]byte{arg}}, codec.Compress())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "r/1.request", frame.Reader(), frame.Size(), frame.Sum()); err != nil {
		t.Fatal(err)
	}
	payload, err := codec.EncodeRequest(&codec.Request{
		ID: "1", Func: f.Name(), Shape: f.Fingerprint(),
		Stored: frame.Stored(getLink(t, s, "r/1.request")),
		Spill:  &codec.Spill{To: putLink(t, s, "r/1.reply")},
	})
	if err != nil {
		t.Fatal(err)
	}
	response, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: payload})
	if err != nil {
		t.Fatal(err)
	}
	reply, err := codec.DecodeReply(response.Payload)
	if err != nil || reply.Err != nil || reply.Stored == nil {
		t.Fatalf("%+v, %v", reply, err)
	}
	body, n, err := s.Open(t.Context(), "r/1.reply")
	if err != nil || n != reply.Stored.Size {
		t.Fatalf("%d bytes of %d, %v", n, reply.Stored.Size, err)
	}
	defer body.Close()
	full, err := codec.ReadReply(body, reply.Stored)
	if err != nil || len(full.Items) != 1 || !bytes.Equal(full.Items[0].Value, arg) {
		t.Errorf("the result is not the argument: %v", err)
	}
}

func TestStoreConformance(t *testing.T) {
	t.Parallel()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	backendtest.RunStore(t, open(t).Store(), transport)
}
