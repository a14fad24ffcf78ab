package agent_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/codec"
)

// talking registers a function that logs so many lines of a kilobyte, and returns as many bytes. With
// none it fails.
func talking() *lambdapool.Registry {
	r := lambdapool.NewRegistry()
	lambdapool.RegisterIn(r, "talk", func(ctx context.Context, n int) ([]byte, error) {
		for range 50 {
			lambdapool.Logger(ctx).DebugContext(ctx, strings.Repeat("x", 1000))
		}
		if n == 0 {
			return nil, errors.New("no")
		}
		return make([]byte, n), nil
	})
	return r
}

// What logs take of a reply is what values and errors leave.
func TestLogsPushNoValueOut(t *testing.T) {
	t.Parallel()
	const item = 100 << 10
	for _, test := range []struct {
		name  string
		room  int // beside the values
		lines func(failed, others int) bool
	}{
		{"none", 1 << 10, func(failed, others int) bool { return failed == 0 && others == 0 }},
		{"for those that failed", 60 << 10, func(failed, others int) bool { return failed == 50 && others < 10 }},
		{"for all", 300 << 10, func(failed, others int) bool { return failed == 50 && others == 150 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := talking()
			h := agent.NewHandler(r)
			h.MaxReply = 3*item + test.room
			req := request(t, r, "talk", 0, item, item, item)
			req.Parallel = 1
			req.Logs = &codec.Logs{Level: -4, Lines: 100, Bytes: 64 << 10}
			data, err := h.Invoke(t.Context(), encode(t, req))
			if err != nil || len(data) > h.MaxReply {
				t.Fatalf("%d bytes, %v", len(data), err)
			}
			failed, others := 0, 0
			for i, it := range decodeReply(t, data).Items {
				if (it.Err != nil) != (i == 0) || i > 0 && len(it.Value) < item {
					t.Errorf("item %d: %d bytes, %+v", i, len(it.Value), it.Err)
				}
				if it.Logs == nil {
					t.Errorf("nobody says what became of the log of item %d", i)
					continue
				}
				if n := len(it.Logs.Lines) + it.Logs.Dropped; n != 50 {
					t.Errorf("item %d: %d lines and %d dropped", i, len(it.Logs.Lines), it.Logs.Dropped)
				}
				if i == 0 {
					failed += len(it.Logs.Lines)
				} else {
					others += len(it.Logs.Lines)
				}
			}
			if !test.lines(failed, others) {
				t.Errorf("%d lines of the item that failed, %d of the others", failed, others)
			}
		})
	}
}

// A request of an older client asks for nothing.
func TestNoLogsUnasked(t *testing.T) {
	t.Parallel()
	r := talking()
	if it := only(t, invoke(t, agent.NewHandler(r), request(t, r, "talk", 1))); it.Logs != nil {
		t.Errorf("%+v", it.Logs)
	}
}
