package agent_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/codec"
)

// filling registers a function that returns as many bytes, and one that fails
// with as many.
func filling() *lambdapool.Registry {
	r := lambdapool.NewRegistry()
	lambdapool.RegisterIn(r, "fill", func(_ context.Context, n int) ([]byte, error) {
		return bytes.Repeat([]byte{7}, n), nil
	})
	lambdapool.RegisterIn(r, "fail", func(_ context.Context, n int) ([]byte, error) {
		return nil, fmt.Errorf("wrapped: %w", errors.New(strings.Repeat("x", n)))
	})
	return r
}

// limited sends a request under a limit and checks that the reply keeps it.
func limited(t *testing.T, h *agent.Handler, req *codec.Request) *codec.Reply {
	t.Helper()
	data, err := h.Invoke(t.Context(), encode(t, req))
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > h.MaxReply {
		t.Errorf("a reply of %d bytes, the limit is %d", len(data), h.MaxReply)
	}
	return decodeReply(t, data)
}

// Around the limit a result either arrives whole or is refused with its size,
// and only if the reply with it would have been above the limit. Where that is
// varies by a few bytes with the measurements in the reply.
func TestReplyLimit(t *testing.T) {
	const limit = 20_000
	r := filling()
	h := agent.NewHandler(r)
	h.MaxReply = limit
	fit, refused := 0, 0
	for n := limit - 400; n <= limit+2; n++ {
		item := only(t, limited(t, h, request(t, r, "fill", n)))
		if item.Err == nil {
			if got := len(result[[]byte](t, item)); got != n || n >= limit {
				t.Fatalf("a result of %d bytes arrives as %d under a limit of %d", n, got, limit)
			}
			fit++
			continue
		}
		refused++
		var size, total, at int
		if _, err := fmt.Sscanf(item.Err.Message, "the result is %d bytes, which makes a reply of %d; the limit is %d", &size, &total, &at); err != nil {
			t.Fatalf("message %q: %v", item.Err.Message, err)
		}
		if e := item.Err; e.Kind != codec.KindTooLarge || e.Hint == "" || size < n || total <= limit || at != limit {
			t.Fatalf("%d bytes: %+v", n, e)
		}
	}
	if fit < 50 || refused < 50 {
		t.Errorf("%d results fit and %d did not; the limit lies elsewhere", fit, refused)
	}
}

// One result too many: the largest give way, the others arrive.
func TestReplyLimitOfAllItems(t *testing.T) {
	r := filling()
	h := agent.NewHandler(r)
	h.MaxReply = 100_000
	sizes := []any{30_000, 10, 60_000, 20_000, 300_000, 0, 45_000}
	reply := limited(t, h, request(t, r, "fill", sizes...))
	for i, item := range reply.Items {
		if gone := i == 2 || i == 4; gone {
			if item.Err == nil || item.Err.Kind != codec.KindTooLarge {
				t.Errorf("item %d of %d bytes: %+v, want too large", i, sizes[i], item.Err)
			}
			continue
		}
		if got := len(result[[]byte](t, item)); got != sizes[i] {
			t.Errorf("item %d has %d bytes, want %d", i, got, sizes[i])
		}
	}
	if hint := reply.Items[2].Err.Hint; !strings.Contains(hint, "fewer items") {
		t.Errorf("a result that would have fitted alone: hint %q", hint)
	}
	if hint := reply.Items[4].Err.Hint; strings.Contains(hint, "fewer items") {
		t.Errorf("a result that never fits: hint %q", hint)
	}
}

// Errors keep to the limit as well, and what they are survives.
func TestReplyLimitOfErrors(t *testing.T) {
	r := filling()
	h := agent.NewHandler(r)
	h.MaxReply = 50_000
	sizes := make([]any, 100)
	for i := range sizes {
		sizes[i] = 5_000
	}
	for i, item := range limited(t, h, request(t, r, "fail", sizes...)).Items {
		if e := item.Err; e == nil || e.Kind != codec.KindFunction || e.Type != "*fmt.wrapError" || !strings.HasPrefix(e.Message, "wrapped: xxx") {
			t.Fatalf("item %d: %+v", i, e)
		}
	}
	// So many that nothing helps.
	h.MaxReply = 5_000
	reply := limited(t, h, request(t, r, "fail", sizes...))
	if reply.Err == nil || reply.Err.Kind != codec.KindTooLarge || len(reply.Items) != 0 {
		t.Errorf("reply %+v, want one error for all", reply.Err)
	}
}

func TestDefaultReplyLimitIsLambdas(t *testing.T) {
	if got := agent.NewHandler(lambdapool.NewRegistry()).MaxReply; got != 6_291_556 {
		t.Errorf("MaxReply is %d", got)
	}
}
