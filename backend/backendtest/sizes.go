package backendtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
)

// withoutStore hides a backend's object store: what does not fit is refused then, instead of
// stored.
type withoutStore struct{ lambdapool.Backend }

// tooLarge is a size that no invocation of b carries.
func tooLarge(b lambdapool.Backend) int {
	return max(codec.MaxRequest, b.Limits().Request, b.Limits().Response) + 1<<20
}

// testLargePayloads sends an argument and a result that are too large for b, if it has a store for them. They must
// come back unchanged, and nothing of them may remain in the store when the executor is closed:
// users pay for what stays. Links must work from where the agent is; one that only the client can
// follow fails here.
func testLargePayloads(t *testing.T, b lambdapool.Backend) {
	storer, ok := b.(lambdapool.Storer)
	if !ok || storer.Store() == nil {
		t.Log("the backend has no store")
		return
	}
	size := tooLarge(b)
	arg := make([]byte, size)
	for i := range arg {
		arg[i] = byte(i>>16 ^ i*i)
	}
	watched := &watchedStore{Store: storer.Store()}
	e := executor(t, stored{b, watched})
	if got, err := lambdapool.Call(short(t), e, echoBytes, arg); err != nil || !bytes.Equal(got, arg) {
		t.Errorf("%d bytes there and back: %d bytes, %v", size, len(got), err)
	}
	if got, err := lambdapool.Call(short(t), e, fill, size); err != nil || len(got) != size {
		t.Errorf("a result of %d bytes: %d bytes, %v", size, len(got), err)
	}
	works(t, e)
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	for key := range watched.keys {
		if body, _, err := watched.Open(short(t), key); err == nil {
			body.Close()
			t.Errorf("%s remains after Close", key)
		}
	}
	if len(watched.keys) == 0 {
		t.Error("nothing went through the store")
	}
}

// stored is a backend with a watched store.
type stored struct {
	lambdapool.Backend
	store lambdapool.Store
}

func (s stored) Store() lambdapool.Store { return s.store }
func (s stored) StoreOption() string     { return "" }

// watchedStore remembers every key that it was asked for, so that a test can see what remains.
type watchedStore struct {
	lambdapool.Store

	mu   sync.Mutex
	keys map[string]bool
}

func (s *watchedStore) note(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = map[string]bool{}
	}
	s.keys[key] = true
}

func (s *watchedStore) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	s.note(key)
	return s.Store.Put(ctx, key, body, size, sum)
}

func (s *watchedStore) LinkPut(ctx context.Context, key string, life time.Duration) (lambdapool.Link, error) {
	s.note(key)
	return s.Store.LinkPut(ctx, key, life)
}

// testRequestSize sends requests that are just below, at and just above Limits().Request: white
// space around the JSON string makes up the size to the byte. A backend must know its limit to the
// byte, accept what is allowed, and refuse what is not with ErrTooLarge, not run, Permanent.
//
// The executor fills invocations up to that limit. If the limit is too large, chunks fail that
// should never have been made; if it is not enforced, the platform's own answer comes after the
// bytes were sent. Without Permanent the same bytes would be sent again and again.
func testRequestSize(t *testing.T, b lambdapool.Backend) {
	limit := b.Limits().Request
	if limit == 0 {
		limit = codec.MaxRequest
	}
	// Base64 makes four bytes of three; a platform that takes raw bytes needs none.
	room := limit / 4 * 3
	if b.Limits().Raw {
		room = limit
	}
	arg := bytes.Repeat([]byte{7}, room-1024)
	payload, err := codec.EncodeRequest(items(t, "backendtest.EchoInt", 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{limit - 1, limit, limit + 1} {
		padded := append(bytes.Clone(payload), bytes.Repeat([]byte{' '}, size-len(payload))...)
		response, err := deliver(t, b, padded)
		if size <= limit {
			if err != nil {
				t.Errorf("a request of %d bytes: %v", size, err)
			} else if _, err := codec.DecodeReply(response.Payload); err != nil {
				t.Errorf("a request of %d bytes: %v", size, err)
			}
			continue
		}
		var failed *lambdapool.InvokeError
		if !errors.As(err, &failed) {
			t.Errorf("a request of %d bytes: %v, want an *InvokeError", size, err)
			continue
		}
		if !errors.Is(err, lambdapool.ErrTooLarge) || failed.Outcome != lambdapool.OutcomeNotRun || !failed.Permanent {
			t.Errorf("a request of %d bytes: %v, outcome %v, permanent %t; want too large, not run, permanent", size, err, failed.Outcome, failed.Permanent)
		}
	}

	// Compressed, or by way of a store, nothing would be too large.
	e := executor(t, withoutStore{b}, lambdapool.WithCompression(false))
	if got, err := lambdapool.Call(short(t), e, echoBytes, arg); err != nil || !bytes.Equal(got, arg) {
		t.Errorf("%d bytes there and back: %d bytes, %v", len(arg), len(got), err)
	}
	_, err = lambdapool.Call(short(t), e, echoBytes, make([]byte, room+1024))
	if pool := poolError(t, err, lambdapool.ErrTooLarge, "backendtest.EchoBytes", fmt.Sprint(limit)); pool.Outcome != lambdapool.OutcomeNotRun {
		t.Errorf("outcome %v, want not run", pool.Outcome)
	}
	works(t, e)
}

// testReplySize asks for results that just fit and that do not. A reply that is too large must cost
// its call only: on Lambda it would end the process. The agent must therefore measure before it
// answers, with the limit that the backend names in Limits().Response.
//
// Of several items in one invocation, those without room are not begun and say so, since their work
// would be thrown away; the executor sends them again. One that would never fit costs no other.
func testReplySize(t *testing.T, b lambdapool.Backend) {
	limit := b.Limits().Response
	if limit == 0 {
		limit = codec.MaxReply
	}
	const envelope = 1024 // more than the agent's measurements take
	e := executor(t, withoutStore{b}, lambdapool.WithCompression(false))
	for _, size := range []int{limit - envelope, limit - 1, limit, limit + 1, 2 * limit} {
		got, err := lambdapool.Call(short(t), e, fill, size)
		if size <= limit-envelope {
			if err != nil || len(got) != size {
				t.Errorf("a result of %d bytes: %d bytes, %v", size, len(got), err)
			}
			continue
		}
		poolError(t, err, lambdapool.ErrTooLarge, "backendtest.Fill", fmt.Sprint(limit))
	}
	works(t, e)

	// Two of three results have room; the third is not begun. One that never has room costs no other.
	for _, tt := range []struct {
		sizes []any
		kinds []codec.ErrorKind // 0: a value
	}{
		{[]any{limit / 3, limit / 3, limit / 3}, []codec.ErrorKind{0, 0, codec.KindNotBegun}},
		{[]any{1, 2 * limit, 1}, []codec.ErrorKind{0, codec.KindTooLarge, 0}},
	} {
		req := items(t, "backendtest.Fill", tt.sizes...)
		req.Parallel = 1
		reply := send(t, b, req)
		for i, item := range reply.Items {
			var kind codec.ErrorKind
			if item.Err != nil {
				kind = item.Err.Kind
			}
			if kind != tt.kinds[i] {
				t.Errorf("item %d of %v: %d bytes, error %+v; want error %d", i, tt.sizes, len(item.Value), item.Err, tt.kinds[i])
			}
		}
	}
}
