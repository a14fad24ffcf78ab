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

// withoutStore hides a backend's object store: what does not fit is refused then.
type withoutStore struct{ lambdapool.Backend }

// testLargePayloads sends arguments and results far above the limits, if b has
// a store for them, and checks that nothing of them remains there.
func testLargePayloads(t *testing.T, b lambdapool.Backend) {
	storer, ok := b.(lambdapool.Storer)
	if !ok || storer.Store() == nil {
		t.Log("the backend has no store")
		return
	}
	const size = 20 << 20
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

// watchedStore remembers every key that it was asked for.
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

// testRequestSize sends requests that are just below, at and just above the
// limit. White space around the JSON string makes up the size to the byte.
func testRequestSize(t *testing.T, b lambdapool.Backend) {
	limit := b.Limits().Request
	if limit == 0 {
		limit = codec.MaxRequest
	}
	arg := bytes.Repeat([]byte{7}, limit/4*3-1024)
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

	e := executor(t, withoutStore{b}, lambdapool.WithCompression(false))
	if got, err := lambdapool.Call(short(t), e, echoBytes, arg); err != nil || !bytes.Equal(got, arg) {
		t.Errorf("%d bytes there and back: %d bytes, %v", len(arg), len(got), err)
	}
	_, err = lambdapool.Call(short(t), e, echoBytes, make([]byte, limit/4*3+1024))
	if pool := poolError(t, err, lambdapool.ErrTooLarge, "backendtest.EchoBytes", fmt.Sprint(limit)); pool.Outcome != lambdapool.OutcomeNotRun {
		t.Errorf("outcome %v, want not run", pool.Outcome)
	}
	works(t, e)
}

// testReplySize asks for results that just fit and that do not. A reply that is
// too large must cost its call only: on Lambda it would end the process.
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

	// Two of three results have room; the largest makes it.
	reply := send(t, b, items(t, "backendtest.Fill", limit/3, limit/2, limit/3))
	for i, item := range reply.Items {
		if large := item.Err != nil && item.Err.Kind == codec.KindTooLarge; large != (i == 1) {
			t.Errorf("item %d of %d, error %+v; want only item 1 to be too large", i, len(item.Value), item.Err)
		}
	}
}
