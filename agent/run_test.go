package agent_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/codec"
)

// napping registers functions that take as long as they are told.
func napping() *lambdapool.Registry {
	r := lambdapool.NewRegistry()
	lambdapool.RegisterIn(r, "wait", func(ctx context.Context, d time.Duration) (time.Duration, error) {
		select {
		case <-time.After(d):
			return d, nil
		case <-ctx.Done():
			return 0, fmt.Errorf("gave up: %w", ctx.Err())
		}
	})
	lambdapool.RegisterIn(r, "ignore", func(_ context.Context, d time.Duration) (time.Duration, error) {
		<-time.After(d)
		return d, nil
	})
	lambdapool.RegisterIn(r, "inner", func(ctx context.Context, d time.Duration) (time.Duration, error) {
		inner, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		<-inner.Done()
		return 0, inner.Err()
	})
	return r
}

func timedOut(t *testing.T, item codec.ItemReply, says string) {
	t.Helper()
	if e := item.Err; e == nil || e.Kind != codec.KindTimeout || !strings.Contains(e.Message, says) {
		t.Errorf("item: %+v, want a timeout that says %q", e, says)
	}
}

// Under a deadline of the platform's the agent answers before it, whatever the
// functions do.
func TestPlatformDeadline(t *testing.T) {
	for _, tt := range []struct {
		fn       string
		says     string
		answered time.Duration
	}{
		{"wait", "gave up: context deadline exceeded", 2500 * time.Millisecond},
		{"ignore", "ignores its context", 2750 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := napping()
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			req := request(t, r, tt.fn, time.Second, time.Minute, 2*time.Second)
			req.Parallel = 3
			h := agent.NewHandler(r)
			began := time.Now()
			data, err := h.Invoke(ctx, encode(t, req))
			if err != nil {
				t.Fatal(err)
			}
			if got := time.Since(began); got != tt.answered {
				t.Errorf("%s: answered after %v, want %v", tt.fn, got, tt.answered)
			}
			reply := decodeReply(t, data)
			if a, b := result[time.Duration](t, reply.Items[0]), result[time.Duration](t, reply.Items[2]); a != time.Second || b != 2*time.Second {
				t.Errorf("%s: the items that finished are %v and %v", tt.fn, a, b)
			}
			timedOut(t, reply.Items[1], tt.says)
			if got := reply.Items[0].Run; got != time.Second {
				t.Errorf("%s: item 0 ran for %v, want 1s", tt.fn, got)
			}
			h.Wait(t.Context())
		})
	}
}

// The caller's deadline counts as well; items for which no time is left are given back.
func TestCallersDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := napping()
		req := request(t, r, "wait", 40*time.Millisecond, time.Minute, time.Duration(0))
		req.Parallel, req.Remaining, req.Chunk = 1, 100*time.Millisecond, 3
		reply := invoke(t, agent.NewHandler(r), req)
		if got := result[time.Duration](t, reply.Items[0]); got != 40*time.Millisecond {
			t.Errorf("item 0 is %v", got)
		}
		timedOut(t, reply.Items[1], "timed out after 0.1 s, item 2 of chunk 3: gave up: context deadline exceeded")
		wantNotBegun(t, reply.Items, 2)
	})
}

// Those left behind are counted until they return, and no item is started for
// an answer that was given.
func TestLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := napping()
		h := agent.NewHandler(r)
		req := request(t, r, "ignore", 10*time.Second, time.Second)
		req.Parallel, req.Remaining = 1, time.Second
		for _, count := range []string{"left behind, with 1 in this agent", "left behind, with 2 in this agent"} {
			reply := invoke(t, h, req)
			timedOut(t, reply.Items[0], count)
			wantNotBegun(t, reply.Items, 1)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if n := h.Wait(ctx); n != 2 {
			t.Errorf("%d run on, want 2", n)
		}
		began := time.Now()
		if n := h.Wait(t.Context()); n != 0 || time.Since(began) > 10*time.Second {
			t.Errorf("%d run on after %v", n, time.Since(began))
		}
		timedOut(t, invoke(t, h, req).Items[0], "left behind, with 1 in this agent")
		h.Wait(t.Context())
	})
}

// A timeout that the function has set itself is its own error.
func TestInnerTimeoutIsTheFunctions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := napping()
		req := request(t, r, "inner", time.Second)
		req.Remaining = time.Minute
		e := only(t, invoke(t, agent.NewHandler(r), req)).Err
		if e == nil || e.Kind != codec.KindFunction || len(e.Codes) != 1 || e.Codes[0] != "context.DeadlineExceeded" {
			t.Errorf("error %+v, want the function's own, with the sentinel's code", e)
		}
	})
}

// A value that came late is a value.
func TestLateValueCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := napping()
		req := request(t, r, "ignore", 1200*time.Millisecond)
		req.Remaining = time.Second
		if got := result[time.Duration](t, only(t, invoke(t, agent.NewHandler(r), req))); got != 1200*time.Millisecond {
			t.Errorf("value %v", got)
		}
	})
}

func TestInvokeReturnsWhenCanceled(t *testing.T) {
	for _, fn := range []string{"wait", "ignore"} {
		synctest.Test(t, func(t *testing.T) {
			r := napping()
			h := agent.NewHandler(r)
			gone := errors.New("the caller is gone")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(gone) })
			began := time.Now()
			data, err := h.Invoke(ctx, encode(t, request(t, r, fn, 5*time.Second)))
			if data != nil || !errors.Is(err, gone) {
				t.Errorf("%s: reply %q, error %v; want %v", fn, data, err, gone)
			}
			if took := time.Since(began); took != time.Second {
				t.Errorf("%s: returned after %v, want at once after 1s", fn, took)
			}
			h.Wait(t.Context())
		})
	}
}

// A function's context ends with its call, has the values of the platform's, and
// without any limit no deadline.
func TestContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := lambdapool.NewRegistry()
		kept := make(chan context.Context, 1)
		lambdapool.RegisterIn(r, "keep", func(ctx context.Context, _ int) (string, error) {
			kept <- ctx
			lc, ok := lambdacontext.FromContext(ctx)
			if _, limited := ctx.Deadline(); !ok || limited || ctx.Err() != nil {
				return "", errors.New("the context has a deadline, has ended or lacks its values")
			}
			return lc.AwsRequestID, nil
		})
		ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "id-1"})
		data, err := agent.NewHandler(r).Invoke(ctx, encode(t, request(t, r, "keep", 0)))
		if err != nil {
			t.Fatal(err)
		}
		if got := result[string](t, only(t, decodeReply(t, data))); got != "id-1" {
			t.Errorf("request id %q", got)
		}
		if (<-kept).Err() == nil {
			t.Error("the function's context goes on after its call")
		}
	})
}
