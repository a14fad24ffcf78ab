package agent_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/codec"
)

// The hooks that OnStart has in these tests: they do nothing until a test says what.
var started struct {
	sync.Mutex
	hook func(context.Context) error
}

func init() {
	agent.OnStart(func(ctx context.Context) error {
		started.Lock()
		hook := started.hook
		started.Unlock()
		if hook == nil {
			return nil
		}
		return hook(ctx)
	})
}

// onStart has hook called by the handlers that begin during the test.
func onStart(t *testing.T, hook func(context.Context) error) {
	set := func(hook func(context.Context) error) {
		started.Lock()
		started.hook = hook
		started.Unlock()
	}
	set(hook)
	t.Cleanup(func() { set(nil) })
}

func inc() *lambdapool.Registry {
	r := lambdapool.NewRegistry()
	lambdapool.RegisterIn(r, "inc", func(_ context.Context, n int) (int, error) { return n + 1, nil })
	return r
}

func invoked(t *testing.T, h *agent.Handler, req *codec.Request) *codec.Reply {
	t.Helper()
	data, err := h.Invoke(t.Context(), encode(t, req))
	if err != nil {
		t.Fatal(err)
	}
	reply, err := codec.DecodeReply(data)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// A hook is called once, before the first call, and calls that come meanwhile wait for it.
func TestOnStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		onStart(t, func(context.Context) error {
			calls.Add(1)
			time.Sleep(time.Second)
			return nil
		})
		r := inc()
		h := agent.NewHandler(r)
		if reply := invoked(t, h, &codec.Request{Op: codec.OpDescribe}); reply.Err != nil || calls.Load() != 0 {
			t.Errorf("to describe functions calls no hook: %v", reply.Err)
		}
		began := time.Now()
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if reply := invoked(t, h, request(t, r, "inc", 1)); reply.Err != nil || reply.Items[0].Err != nil {
					t.Error(reply.Err)
				}
			})
		}
		all.Wait()
		if n := calls.Load(); n != 1 || time.Since(began) != time.Second {
			t.Errorf("called %d times, in %v", n, time.Since(began))
		}
	})
}

// A hook that fails, however it does, costs the calls that wait for it, says so, and is called again by the next.
func TestOnStartFails(t *testing.T) {
	for name, tt := range map[string]struct {
		hook func(context.Context) error
		want string
	}{
		"error":  {func(context.Context) error { return errors.New("no database") }, "no database"},
		"panic":  {func(context.Context) error { panic("no database") }, "no database"},
		"exit":   {func(context.Context) error { runtime.Goexit(); return nil }, "OnStart"},
		"blocks": {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, "OnStart"},
		"deaf":   {func(context.Context) error { time.Sleep(time.Hour); return nil }, "not returned in time"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int64
				onStart(t, func(ctx context.Context) error {
					if calls.Add(1) == 1 {
						return tt.hook(ctx)
					}
					return nil
				})
				r := inc()
				h := agent.NewHandler(r)
				req := request(t, r, "inc", 1)
				req.Remaining = 2 * time.Second
				reply := invoked(t, h, req)
				if reply.Err == nil || reply.Err.Kind != codec.KindStart || !strings.Contains(reply.Err.Message, tt.want) || reply.Items != nil {
					t.Fatalf("%+v", reply.Err)
				}
				if name == "error" && !strings.Contains(reply.Err.Message, "start_test.go:") {
					t.Errorf("%q does not say where", reply.Err.Message)
				}
				time.Sleep(2 * time.Hour)
				if reply = invoked(t, h, req); reply.Err != nil {
					t.Errorf("the next: %v", reply.Err.Message)
				}
			})
		})
	}
}

// What the start takes is the call's time.
func TestOnStartTakesFromTheCallsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		onStart(t, func(context.Context) error { time.Sleep(6 * time.Second); return nil })
		r := lambdapool.NewRegistry()
		var left time.Duration
		lambdapool.RegisterIn(r, "left", func(ctx context.Context, _ int) (int, error) {
			end, _ := ctx.Deadline()
			left = time.Until(end)
			return 0, nil
		})
		req := request(t, r, "left", 1)
		req.Remaining = 10 * time.Second
		invoked(t, agent.NewHandler(r), req)
		if left > 4*time.Second || left < 3*time.Second {
			t.Errorf("%v are left of 10 s after a start of 6 s", left)
		}
	})
}

// Misuse panics, and says where.
func TestBadStarts(t *testing.T) {
	t.Parallel()
	for _, misuse := range []func(){func() { agent.OnStart(nil) }, func() { agent.MaxCallsPerAgent(0) }} {
		func() {
			defer func() {
				if said, _ := recover().(string); !strings.Contains(said, "start_test.go:") {
					t.Errorf("%q", said)
				}
			}()
			misuse()
		}()
	}
}
