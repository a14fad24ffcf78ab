package agent_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/codec"
)

// filling registers a function that returns as many bytes, one that fails with as many, and
// one that does either. So many calls wait for each other before they return: a request of
// as many items that are all begun at once is one whose sizes nobody knew.
func filling(together int) *lambdapool.Registry {
	r := lambdapool.NewRegistry()
	var all sync.WaitGroup
	all.Add(together)
	meet := func() {
		if together > 0 {
			all.Done()
			all.Wait()
		}
	}
	fill := func(_ context.Context, n int) ([]byte, error) { //nolint:unparam // as functions are
		meet()
		return bytes.Repeat([]byte{7}, n), nil
	}
	fail := func(_ context.Context, n int) ([]byte, error) { //nolint:unparam // as functions are
		meet()
		return nil, fmt.Errorf("wrapped: %w", errors.New(strings.Repeat("x", n)))
	}
	lambdapool.RegisterIn(r, "fill", fill)
	lambdapool.RegisterIn(r, "fail", fail)
	lambdapool.RegisterIn(r, "either", func(ctx context.Context, n int) ([]byte, error) {
		if n < 0 {
			return fail(ctx, -n)
		}
		return fill(ctx, n)
	})
	return r
}

// atOnce has all items of a request run at once.
func atOnce(req *codec.Request) *codec.Request {
	req.Parallel = len(req.Items)
	return req
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
	r := filling(0)
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
	sizes := []any{30_000, 10, 60_000, 20_000, 300_000, 0, 45_000}
	r := filling(len(sizes))
	h := agent.NewHandler(r)
	h.MaxReply = 100_000
	reply := limited(t, h, atOnce(request(t, r, "fill", sizes...)))
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

// No item is begun whose result the reply would not hold, if it is as large as those before.
func TestNoItemWithoutRoom(t *testing.T) {
	for _, tt := range []struct {
		name             string
		parallel, expect int
		sizes            []any
		arrive           int // from the first on; the others are not begun
	}{
		{"one at a time", 1, 0, slices.Repeat([]any{30_000}, 6), 3},
		{"four at once", 4, 0, slices.Repeat([]any{20_000}, 20), 4},
		{"no more at once than have room", 20, 20_000, slices.Repeat([]any{20_000}, 20), 4},
		{"smaller than expected", 20, 45_000, slices.Repeat([]any{1_000}, 30), 30},
		{"the first whatever is expected", 4, 1_000_000, slices.Repeat([]any{20_000}, 4), 1},
		{"all", 4, 0, slices.Repeat([]any{2_000}, 40), 40},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := filling(0)
			h := agent.NewHandler(r)
			h.MaxReply = 100_000
			req := request(t, r, "fill", tt.sizes...)
			req.Parallel, req.Expect = tt.parallel, tt.expect
			reply := limited(t, h, req)
			for i, item := range reply.Items[:tt.arrive] {
				if got := len(result[[]byte](t, item)); got != tt.sizes[i] {
					t.Errorf("item %d has %d bytes, want %d", i, got, tt.sizes[i])
				}
			}
			wantNotBegun(t, reply.Items, tt.arrive)
		})
	}
}

// Ten thousand items that were not begun take room as well.
func TestRoomForWhatIsNotBegun(t *testing.T) {
	r := filling(0)
	h := agent.NewHandler(r)
	h.MaxReply = 100_000
	req := request(t, r, "fill", slices.Repeat([]any{40_000}, 7_000)...)
	req.Parallel = 1
	reply := limited(t, h, req)
	if got := len(result[[]byte](t, reply.Items[0])); got != 40_000 {
		t.Errorf("%d bytes", got)
	}
	wantNotBegun(t, reply.Items, 1)
}

// Errors keep to the limit as well, and what they are survives.
func TestReplyLimitOfErrors(t *testing.T) {
	r := filling(0)
	h := agent.NewHandler(r)
	h.MaxReply = 80_000
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
	r = filling(len(sizes))
	h = agent.NewHandler(r)
	h.MaxReply = 5_000
	reply := limited(t, h, atOnce(request(t, r, "fail", sizes...)))
	if reply.Err == nil || reply.Err.Kind != codec.KindTooLarge || len(reply.Items) != 0 {
		t.Errorf("reply %+v, want one error for all", reply.Err)
	}
}

// A long error is shortened before a result gives way to it.
func TestLongErrorsTakeNoResultsRoom(t *testing.T) {
	r := filling(5)
	h := agent.NewHandler(r)
	h.MaxReply = 100_000
	req := request(t, r, "either", 60_000, -15_000, -15_000, -15_000, 20_000)
	reply := limited(t, h, atOnce(req))
	for i, want := range map[int]int{0: 60_000, 4: 20_000} {
		if got := len(result[[]byte](t, reply.Items[i])); got != want {
			t.Errorf("item %d has %d bytes, want %d", i, got, want)
		}
	}
	for i := 1; i < 4; i++ {
		if e := reply.Items[i].Err; e == nil || e.Kind != codec.KindFunction || !strings.HasPrefix(e.Message, "wrapped: xxx") {
			t.Errorf("item %d: %+v", i, e)
		}
	}
}

func TestDefaultReplyLimitIsLambdas(t *testing.T) {
	if got := agent.NewHandler(lambdapool.NewRegistry()).MaxReply; got != 6_291_556 {
		t.Errorf("MaxReply is %d", got)
	}
}
