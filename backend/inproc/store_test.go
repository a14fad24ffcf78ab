package inproc_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/backendtest"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/codec"
)

// storing registers a function that returns its argument, and makes the request of
// one call whose argument and result are stored.
func storing(t *testing.T, s lambdapool.Store, arg []byte, life time.Duration) (*lambdapool.Registry, *codec.Request) {
	t.Helper()
	r := lambdapool.NewRegistry()
	lambdapool.RegisterIn(r, "echo", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })
	f, _ := r.Lookup("echo")
	frame, err := codec.FrameRequest(&codec.Request{Items: [][]byte{append([]byte{0xc5, byte(len(arg) >> 8), byte(len(arg))}, arg...)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "r/a", frame.Reader(), frame.Size(), frame.Sum()); err != nil {
		t.Fatal(err)
	}
	get, err := s.LinkGet(t.Context(), "r/a", life)
	if err != nil {
		t.Fatal(err)
	}
	put, err := s.LinkPut(t.Context(), "r/b", life)
	if err != nil {
		t.Fatal(err)
	}
	return r, &codec.Request{
		ID: "1", Func: "echo", Shape: f.Fingerprint(), Stored: frame.Stored(get), Spill: &codec.Spill{To: put, Above: 1000},
	}
}

func send(t *testing.T, b *inproc.Backend, r *lambdapool.Registry, req *codec.Request) *codec.Reply {
	t.Helper()
	payload, err := codec.EncodeRequest(req)
	if err != nil {
		t.Fatal(err)
	}
	response, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: payload, Registry: r})
	if err != nil {
		t.Fatal(err)
	}
	reply, err := codec.DecodeReply(response.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func TestStore(t *testing.T) {
	b := inproc.New()
	defer b.Close()
	s := b.Store()
	arg := bytes.Repeat([]byte("x"), 60_000)
	r, req := storing(t, s, arg, time.Minute)
	reply := send(t, b, r, req)
	if reply.Stored == nil {
		t.Fatalf("%+v", reply)
	}
	body, size, err := s.Open(t.Context(), "r/b")
	if err != nil || size != reply.Stored.Size {
		t.Fatalf("%d bytes, %v", size, err)
	}
	full, err := codec.ReadReply(body, reply.Stored)
	if err != nil || !bytes.HasSuffix(full.Items[0].Value, arg) {
		t.Errorf("%v", err)
	}

	// Links allow what they say, and no more.
	swapped := *req
	swapped.Stored = &codec.Stored{From: req.Spill.To, Size: req.Stored.Size}
	other := *req
	other.Stored = &codec.Stored{From: lambdapool.Link{URL: strings.Replace(req.Stored.From.URL, "inproc.invalid", "example.org", 1)}, Size: 9}
	for _, bad := range []*codec.Request{&swapped, &other} {
		if reply := send(t, b, r, bad); reply.Err == nil || reply.Err.Kind != codec.KindStore || !strings.Contains(reply.Err.Message, "HTTP 403") {
			t.Errorf("%+v, want a refusal", reply.Err)
		}
	}
	if err := s.Delete(t.Context(), "r/a", "r/b", "r/c"); err != nil {
		t.Error(err)
	}
	if reply := send(t, b, r, req); reply.Err == nil || !strings.Contains(reply.Err.Message, "HTTP 404 NoSuchKey") {
		t.Errorf("%+v, want the object gone", reply.Err)
	}
	if _, _, err := s.Open(t.Context(), "r/b"); err == nil {
		t.Error("a deleted object can be opened")
	}
	if err := s.Put(t.Context(), "r/a", strings.NewReader("short"), 9, [32]byte{}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("an object shorter than announced: %v", err)
	}
	if err := s.Put(t.Context(), "r/a", strings.NewReader("x"), 1, sha256.Sum256([]byte("y"))); !errors.Is(err, codec.ErrDamaged) {
		t.Errorf("an object with another sum: %v", err)
	}
}

func TestStoreLinksExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inproc.New()
		defer b.Close()
		r, req := storing(t, b.Store(), []byte("x"), time.Minute)
		time.Sleep(time.Minute)
		if reply := send(t, b, r, req); reply.Err != nil {
			t.Errorf("after its whole life: %+v", reply.Err)
		}
		time.Sleep(time.Nanosecond)
		if reply := send(t, b, r, req); reply.Err == nil || !strings.Contains(reply.Err.Message, "HTTP 403 AccessDenied") {
			t.Errorf("after its life: %+v", reply.Err)
		}
	})
}

func TestStoreConformance(t *testing.T) {
	t.Parallel()
	b := inproc.New()
	defer b.Close()
	backendtest.RunStore(t, b.Store(), b.Store().(http.RoundTripper)) // as its agents have it
}
