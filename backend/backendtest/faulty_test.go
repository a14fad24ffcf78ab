package backendtest_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/backendtest"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/apart"
)

func TestMain(m *testing.M) {
	apart.Waiting(4)
	os.Exit(m.Run())
}

// faultVariable names the fault of the backend that TestFaultyBackend runs the suite on.
const faultVariable = "BACKENDTEST_FAULT"

// faulty is a backend with something wrong in it.
type faulty struct {
	*inproc.Backend

	invoke func(ctx context.Context, b *inproc.Backend, req *lambdapool.Request) (*lambdapool.Response, error)
	close  func(b *inproc.Backend) error

	storeless bool
	wrap      func(lambdapool.Store) lambdapool.Store
}

func (f *faulty) Store() lambdapool.Store {
	switch s := f.Backend.Store(); {
	case f.storeless:
		return nil
	case f.wrap != nil:
		return f.wrap(s)
	default:
		return s
	}
}

// bare is a context without values.
type bare struct{ context.Context }

func (bare) Value(any) any { return nil }

// misleading signs links to another object.
type misleading struct{ lambdapool.Store }

func (m misleading) LinkGet(ctx context.Context, key string, life time.Duration) (lambdapool.Link, error) {
	return m.Store.LinkGet(ctx, key+"x", life)
}

func (f *faulty) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	if f.invoke != nil {
		return f.invoke(ctx, f.Backend, req)
	}
	return f.Backend.Invoke(ctx, req)
}

func (f *faulty) Close() error {
	if f.close != nil {
		return f.close(f.Backend)
	}
	return f.Backend.Close()
}

// edit changes requests on their way.
func edit(change func(*codec.Request)) *faulty {
	return &faulty{invoke: func(ctx context.Context, b *inproc.Backend, req *lambdapool.Request) (*lambdapool.Response, error) {
		if r, err := codec.DecodeRequest(req.Payload); err == nil {
			change(r)
			payload, err := codec.EncodeRequest(r)
			if err != nil {
				return nil, err
			}
			req = &lambdapool.Request{Payload: payload, Registry: req.Registry}
		}
		return b.Invoke(ctx, req)
	}}
}

// spoil changes replies on their way.
func spoil(change func(*codec.Reply)) *faulty {
	return &faulty{invoke: func(ctx context.Context, b *inproc.Backend, req *lambdapool.Request) (*lambdapool.Response, error) {
		response, err := b.Invoke(ctx, req)
		if err != nil {
			return nil, err
		}
		reply, err := codec.DecodeReply(response.Payload)
		if err != nil {
			return nil, err
		}
		change(reply)
		response.Payload, err = codec.EncodeReply(reply)
		return response, err
	}}
}

// faults are backends that the suite must refuse, by the case that does.
var faults = []struct {
	name, caughtBy string
	backend        *faulty
}{
	{"drops the deadline", "Shared/DeadlineTravels", edit(func(r *codec.Request) { r.Remaining = 0 })},
	{"loses an item", "Shared/Items", edit(func(r *codec.Request) { r.Items = r.Items[:max(0, len(r.Items)-1)] })},
	{"reverses the items", "Shared/Items", spoil(func(r *codec.Reply) {
		for i, n := 0, len(r.Items); i < n/2; i++ {
			r.Items[i], r.Items[n-1-i] = r.Items[n-1-i], r.Items[i]
		}
	})},
	{"drops stacks", "Shared/Panic", spoil(func(r *codec.Reply) {
		for _, item := range r.Items {
			if item.Err != nil {
				item.Err.Stack = ""
			}
		}
	})},
	{"drops sentinels", "Shared/FunctionError", spoil(func(r *codec.Reply) {
		for _, item := range r.Items {
			if item.Err != nil {
				item.Err.Codes = nil
			}
		}
	})},
	{"hides a version mismatch", "Shared/VersionMismatch", edit(func(r *codec.Request) {
		if f, ok := lambdapool.DefaultRegistry.Lookup(r.Func); ok {
			r.Shape = f.Fingerprint()
		}
	})},
	{"answers anything", "Shared/Hostile", &faulty{invoke: func(ctx context.Context, b *inproc.Backend, req *lambdapool.Request) (*lambdapool.Response, error) {
		response, err := b.Invoke(ctx, req)
		if err != nil && !errors.Is(err, lambdapool.ErrCanceled) {
			return &lambdapool.Response{}, nil
		}
		return response, err
	}}},
	{"has no idea of its limit", "Shared/RequestSize", &faulty{invoke: func(ctx context.Context, b *inproc.Backend, req *lambdapool.Request) (*lambdapool.Response, error) {
		return b.Invoke(ctx, &lambdapool.Request{Payload: bytes.TrimSpace(req.Payload), Registry: req.Registry})
	}}},
	{"waits for what was abandoned", "Shared/CancelInvoke", &faulty{invoke: func(ctx context.Context, b *inproc.Backend, req *lambdapool.Request) (*lambdapool.Response, error) {
		return b.Invoke(context.WithoutCancel(ctx), req)
	}}},
	{"forgets whose a function is", "Nested/Levels", &faulty{invoke: func(ctx context.Context, b *inproc.Backend, req *lambdapool.Request) (*lambdapool.Response, error) {
		return b.Invoke(bare{ctx}, req)
	}}},
	{"has lost its store", "Shared/Store", &faulty{storeless: true}},
	{"links to something else", "Shared/Splits", &faulty{wrap: func(s lambdapool.Store) lambdapool.Store { return misleading{s} }}},
	{"links to something else", "Shared/Shared", &faulty{wrap: func(s lambdapool.Store) lambdapool.Store { return misleading{s} }}},
	{"does not close", "CloseBackend", &faulty{close: func(*inproc.Backend) error { return nil }}},
	{"cannot be closed twice", "CloseBackend", &faulty{close: func(b *inproc.Backend) error {
		_, err := b.Invoke(context.Background(), &lambdapool.Request{})
		if errors.Is(err, lambdapool.ErrClosed) {
			return err
		}
		return b.Close()
	}}},
}

// TestFaultyBackend is what TestFaultsAreCaught runs in processes of their own, as the suite must be, which looks for goroutines
// that were left behind. Without a fault it must pass.
func TestFaultyBackend(t *testing.T) {
	if os.Getenv(faultVariable) == "" && !apart.Here(t) {
		return
	}
	b := &faulty{}
	for _, f := range faults {
		if f.name == os.Getenv(faultVariable) {
			*b = *f.backend
		}
	}
	backendtest.Run(t, func(*testing.T) lambdapool.Backend {
		b.Backend = inproc.New(inproc.WithConcurrency(2))
		return b
	})
}

// A backend without a store, and whose functions cannot call, passes if it says so: the suite checks what users are told.
func TestStoreless(t *testing.T) {
	if !apart.Here(t) {
		return
	}
	backendtest.Run(t, func(t *testing.T) lambdapool.Backend {
		b := inproc.New(inproc.WithConcurrency(2))
		t.Cleanup(func() { _ = b.Close() }) // returns nil
		return struct{ lambdapool.Backend }{&faulty{Backend: b, invoke: func(ctx context.Context, b *inproc.Backend, req *lambdapool.Request) (*lambdapool.Response, error) {
			return b.Invoke(bare{ctx}, req)
		}}}
	}, backendtest.WithoutStore(), backendtest.WithoutNested())
}

// A suite that passes everything is worth nothing: each fault must fail its case.
func TestFaultsAreCaught(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			pattern := "^TestFaultyBackend$/" + strings.ReplaceAll("^"+f.caughtBy+"$", "/", "$/^")
			cmd := exec.Command(exe, "-test.run", pattern, "-test.v")
			cmd.Env = append(os.Environ(), faultVariable+"="+f.name)
			out, err := cmd.CombinedOutput()
			var failed *exec.ExitError
			if !errors.As(err, &failed) || !bytes.Contains(out, []byte("--- FAIL: TestFaultyBackend/"+f.caughtBy)) {
				t.Errorf("%s is not caught by %s: %v\n%s", f.name, f.caughtBy, err, out)
			}
		})
	}
}
