package agent_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/codec"
)

func double(_ context.Context, n int) (int, error) { return 2 * n, nil }

func TestInvokeRunsEveryItem(t *testing.T) {
	r := lambdapool.NewRegistry()
	lambdapool.RegisterIn(r, "double", double)
	h := agent.NewHandler(r)
	for _, parallel := range []int{0, 1, 3, 1000} {
		req := request(t, r, "double", 1, 2, 3, 4, 5)
		req.Parallel = parallel
		reply := invoke(t, h, req)
		if reply.ID != req.ID || reply.Err != nil || len(reply.Items) != 5 {
			t.Fatalf("reply %+v", reply)
		}
		for i, item := range reply.Items {
			if got, want := result[int](t, item), 2*(i+1); got != want {
				t.Errorf("%d at once: item %d is %d, want %d", parallel, i, got, want)
			}
		}
	}
	if reply := invoke(t, h, request(t, r, "double")); reply.Err != nil || len(reply.Items) != 0 {
		t.Errorf("no items: reply %+v", reply)
	}
}

// Parallel says how many items run at once: that many meet, and no more.
func TestInvokeHonoursParallel(t *testing.T) {
	const parallel = 3
	r := lambdapool.NewRegistry()
	var inside, most atomic.Int32
	var meet sync.WaitGroup
	meet.Add(parallel)
	lambdapool.RegisterIn(r, "meet", func(_ context.Context, first bool) (bool, error) {
		n := inside.Add(1)
		defer inside.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			continue
		}
		if first {
			meet.Done()
			meet.Wait()
		}
		return true, nil
	})
	req := request(t, r, "meet", true, true, true, false, false, false)
	req.Parallel = parallel
	invoke(t, agent.NewHandler(r), req)
	if got := most.Load(); got != parallel {
		t.Errorf("%d items ran at once, want %d", got, parallel)
	}
}

func TestInvokeIsSafeForConcurrentUse(t *testing.T) {
	r := lambdapool.NewRegistry()
	lambdapool.RegisterIn(r, "double", double)
	h := agent.NewHandler(r)
	var wg sync.WaitGroup
	var cold atomic.Int32
	seen := make([]atomic.Bool, 51)
	for i := range 50 {
		wg.Go(func() {
			reply := invoke(t, h, request(t, r, "double", i, i+1))
			if a, b := result[int](t, reply.Items[0]), result[int](t, reply.Items[1]); a != 2*i || b != 2*i+2 {
				t.Errorf("invocation %d: %d and %d", i, a, b)
			}
			if reply.Agent.Cold {
				cold.Add(1)
			}
			if seen[reply.Agent.Invocation].Swap(true) {
				t.Errorf("two invocations have number %d", reply.Agent.Invocation)
			}
		})
	}
	wg.Wait()
	if n := cold.Load(); n != 1 {
		t.Errorf("%d invocations were cold, want the first only", n)
	}
}

func TestUnknownFunction(t *testing.T) {
	r := lambdapool.NewRegistry()
	for _, name := range []string{"images.Resize", "images.Rotate", "sum"} {
		lambdapool.RegisterIn(r, name, double)
	}
	h := agent.NewHandler(r)
	for _, tt := range []struct {
		name    string
		nearest string // "": none
	}{
		{"images.resize", "images.Resize"},
		{"images.Rotat", "images.Rotate"},
		{"imags.Resise", "images.Resize"},
		{"Sum", "sum"},
		{"average", ""},
		{"", ""},
		{strings.Repeat("x", 1<<20), ""},
	} {
		reply := invoke(t, h, &codec.Request{ID: "x", Func: tt.name, Items: [][]byte{{1}}})
		e := reply.Err
		if e == nil || e.Kind != codec.KindNotRegistered || len(reply.Items) != 0 {
			t.Errorf("%.20q: reply %+v", tt.name, reply)
			continue
		}
		if len(e.Message) > 1000 || !strings.Contains(e.Message, "it has 3") {
			t.Errorf("%.20q: message %.200q", tt.name, e.Message)
		}
		if _, got, _ := strings.Cut(e.Message, "nearest: "); got != tt.nearest {
			t.Errorf("%.20q: suggests %q, want %q", tt.name, got, tt.nearest)
		}
	}
}

func TestVersionMismatch(t *testing.T) {
	ran := false
	r := lambdapool.NewRegistry()
	lambdapool.RegisterFuncIn(r, "Add", func(a, b float64) float64 { ran = true; return a + b })
	client := lambdapool.NewRegistry()
	lambdapool.RegisterFuncIn(client, "Add", func(a, b int) int { return a + b })
	h := agent.NewHandler(r)
	unsaid := request(t, client, "Add", 1)
	unsaid.Shape = 0
	for _, req := range []*codec.Request{request(t, client, "Add", 1), unsaid} {
		e := invoke(t, h, req).Err
		if e == nil || e.Kind != codec.KindVersionMismatch {
			t.Fatalf("error %+v, want a version mismatch", e)
		}
		f, _ := r.Lookup("Add")
		if want := "func(float64, float64) float64"; e.Message != want || e.Hint != f.Signature() {
			t.Errorf("says %q and %q; want the agent's shape %q and signature %q", e.Message, e.Hint, want, f.Signature())
		}
	}
	if ran {
		t.Error("the function ran")
	}
}

func TestDescribe(t *testing.T) {
	r := lambdapool.NewRegistry()
	lambdapool.RegisterIn(r, "double", double)
	lambdapool.RegisterFuncIn(r, "add", func(a, b float64) float64 { return a + b })
	got := invoke(t, agent.NewHandler(r), &codec.Request{ID: "x", Op: codec.OpDescribe}).Functions
	want := []codec.FunctionInfo{{Name: "add", Shape: "func(float64, float64) float64"}, {Name: "double", Shape: "func(int) int"}}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("Functions %+v, want %+v", got, want)
	}
}

func TestNilRegistryIsTheDefaultOne(t *testing.T) {
	reply := invoke(t, agent.NewHandler(nil), &codec.Request{ID: "x", Op: codec.OpDescribe})
	if got, want := len(reply.Functions), len(lambdapool.DefaultRegistry.Functions()); got != want || got == 0 {
		t.Errorf("%d functions, want the %d of DefaultRegistry", got, want)
	}
}

func TestHostilePayload(t *testing.T) {
	r := lambdapool.NewRegistry()
	lambdapool.RegisterIn(r, "double", double)
	h := agent.NewHandler(r)
	good := string(encode(t, request(t, r, "double", 1)))
	for _, payload := range []string{
		"", "{}", "null", `"`, `"wUxQAQDd/////w=="`, `{"key1":"value1"}`, "\xC1LP\x01\x00", good[:len(good)-3] + `"`, good + good,
	} {
		reply, err := h.Invoke(t.Context(), []byte(payload))
		var bad *agent.BadRequestError
		if !errors.As(err, &bad) || reply != nil {
			t.Errorf("%.30q: reply %q, error %v; want a *BadRequestError", payload, reply, err)
			continue
		}
		if bad.Unwrap() == nil || !strings.Contains(err.Error(), "this function is a lambdapool agent: call it through") {
			t.Errorf("%.30q: error %q does not say what to do", payload, err)
		}
	}
	if e := invoke(t, h, &codec.Request{Op: 9}).Err; e == nil || e.Kind != codec.KindBadRequest {
		t.Errorf("an unknown operation gives %+v", e)
	}
}

func TestStats(t *testing.T) {
	t.Setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
	t.Setenv("LAMBDAPOOL_BUILD", "3f2a")
	r := lambdapool.NewRegistry()
	var sink []byte
	lambdapool.RegisterIn(r, "work", func(_ context.Context, mb int) (bool, error) {
		sink = make([]byte, mb<<20)
		for i := range sink {
			sink[i] = byte(i)
		}
		for until := time.Now().Add(20 * time.Millisecond); time.Now().Before(until); {
			continue
		}
		return len(sink) > 0, nil
	})
	h := agent.NewHandler(r)
	first := invoke(t, h, request(t, r, "work", 48)).Agent
	second := invoke(t, h, request(t, r, "work", 1)).Agent
	if !first.Cold || second.Cold || first.Invocation != 1 || second.Invocation != 2 {
		t.Errorf("invocation %d (cold %t), then %d (cold %t)", first.Invocation, first.Cold, second.Invocation, second.Cold)
	}
	if first.Build != "3f2a" || second.Build != "3f2a" {
		t.Errorf("build %q, then %q", first.Build, second.Build)
	}
	guest := agent.NewHandler(r)
	guest.Guest = true
	if stats := invoke(t, guest, request(t, r, "work", 1)).Agent; stats.Build != "" || stats.Cold || stats.Init != 0 {
		t.Errorf("a guest says that it is build %q, cold %t, and started in %v", stats.Build, stats.Cold, stats.Init)
	}
	if first.Instance == "" || first.Instance != second.Instance {
		t.Errorf("instance %q, then %q", first.Instance, second.Instance)
	}
	if other := invoke(t, agent.NewHandler(r), request(t, r, "work", 1)).Agent; other.Instance == first.Instance {
		t.Error("two handlers have the same instance id")
	}
	if first.Run < 20*time.Millisecond || first.CPU < 5*time.Millisecond {
		t.Errorf("ran for %v with %v of CPU, the function computes for 20ms", first.Run, first.CPU)
	}
	if first.PeakMemory < 48<<20 || first.PeakMemory > 4<<30 {
		t.Errorf("peak of %d bytes, the function has touched 48 MiB", first.PeakMemory)
	}
	if first.Memory != 512<<20 || first.Procs != 1 {
		t.Errorf("%d bytes and %d at once, want 512 MiB and 1", first.Memory, first.Procs)
	}
	if first.Registry != r.Fingerprint() {
		t.Errorf("registry %x, want %x", first.Registry, r.Fingerprint())
	}
}
