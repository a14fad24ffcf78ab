package inproc_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/codec"
)

// program is a registry with functions that tests hold up.
type program struct {
	registry      *lambdapool.Registry
	double        *lambdapool.Func[int, int]
	block, ignore *lambdapool.Func[time.Duration, bool]
}

func newProgram() *program {
	r := lambdapool.NewRegistry()
	return &program{
		registry: r,
		double:   lambdapool.RegisterIn(r, "double", func(_ context.Context, n int) (int, error) { return 2 * n, nil }),
		block: lambdapool.RegisterIn(r, "block", func(ctx context.Context, d time.Duration) (bool, error) {
			select {
			case <-time.After(d):
				return true, nil
			case <-ctx.Done():
				return false, ctx.Err()
			}
		}),
		ignore: lambdapool.RegisterIn(r, "ignore", func(_ context.Context, d time.Duration) (bool, error) {
			<-time.After(d)
			return true, nil
		}),
	}
}

func (p *program) executor(t *testing.T, b *inproc.Backend) *lambdapool.Executor {
	t.Helper()
	e, err := lambdapool.New(b, lambdapool.WithRegistry(p.registry))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func TestBadOptions(t *testing.T) {
	for _, tt := range []struct {
		opt  inproc.Option
		says string
	}{
		{inproc.WithConcurrency(0), "WithConcurrency(0): must be from 1 to 100000"},
		{inproc.WithConcurrency(-1), "WithConcurrency(-1)"},
		{inproc.WithConcurrency(1 << 40), "WithConcurrency(1099511627776)"},
		{inproc.WithTimeout(0), "WithTimeout(0s): must be from 1ms to 15m0s"},
		{inproc.WithTimeout(-time.Second), "WithTimeout(-1s)"},
		{inproc.WithTimeout(time.Hour), "WithTimeout(1h0m0s)"},
		{inproc.WithEventRetries(0), "WithEventRetries(0s): the age must be from 1ms to 6h0m0s"},
		{inproc.WithEventRetries(7 * time.Hour), "WithEventRetries(7h0m0s)"},
		{inproc.WithEventRetries(time.Hour, 1, 2, 3), "WithEventRetries: 3 delays: must be from 0 to 2"},
		{inproc.WithEventRetries(time.Hour, -1), "WithEventRetries: a delay of -1ns: must not be negative"},
		{inproc.WithRegistry(nil), "the registry is nil"},
		{inproc.WithStoreThreshold(0), "WithStoreThreshold(0): must be at least 1"},
		{nil, "an option is nil"},
	} {
		b := inproc.New(tt.opt)
		if err := b.Err(); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("Err is %v, want %q", err, tt.says)
		}
		if _, err := lambdapool.New(b); !errors.Is(err, lambdapool.ErrBadArguments) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("lambdapool.New: %v, want %q", err, tt.says)
		}
		_, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(`""`)})
		var failed *lambdapool.InvokeError
		if !errors.As(err, &failed) || !errors.Is(err, lambdapool.ErrBadArguments) || failed.Outcome != lambdapool.OutcomeNotRun || !failed.Permanent {
			t.Errorf("Invoke: %+v, want bad arguments, not run, permanent", err)
		}
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if err := inproc.New(inproc.WithConcurrency(1), inproc.WithTimeout(time.Millisecond)).Err(); err != nil {
		t.Errorf("good options: %v", err)
	}
}

func TestLimits(t *testing.T) {
	b := inproc.New(inproc.WithConcurrency(3), inproc.WithTimeout(time.Minute))
	defer b.Close()
	want := lambdapool.Limits{Workers: 3, Request: 6_291_456, Response: 6_291_556, Timeout: time.Minute}
	if got := b.Limits(); got != want {
		t.Errorf("Limits %+v, want %+v", got, want)
	}
	plain := inproc.New()
	defer plain.Close()
	if got := plain.Limits(); got.Workers < 1 || got.Timeout != 15*time.Minute {
		t.Errorf("Limits %+v by default", got)
	}
}

// The agent's registry is the executor's, unless the option gives another.
func TestRegistry(t *testing.T) {
	p := newProgram()
	b := inproc.New()
	defer b.Close()
	if got, err := lambdapool.Call(t.Context(), p.executor(t, b), p.double, 4); err != nil || got != 8 {
		t.Errorf("double(4) = %d, %v", got, err)
	}
	other := inproc.New(inproc.WithRegistry(lambdapool.NewRegistry()))
	defer other.Close()
	_, err := lambdapool.Call(t.Context(), p.executor(t, other), p.double, 4)
	if !errors.Is(err, lambdapool.ErrNotRegistered) {
		t.Errorf("%v, want that the agent has no such function", err)
	}
	payload, err := codec.EncodeRequest(&codec.Request{ID: "x", Op: codec.OpDescribe})
	if err != nil {
		t.Fatal(err)
	}
	response, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: payload})
	if err != nil {
		t.Fatal(err)
	}
	reply, err := codec.DecodeReply(response.Payload)
	if err != nil || len(reply.Functions) != len(lambdapool.DefaultRegistry.Functions()) {
		t.Errorf("a request without registry is answered by %d functions, %v; want DefaultRegistry's", len(reply.Functions), err)
	}
}

// Functions see a request id where they would on Lambda, a new one each time.
func TestRequestID(t *testing.T) {
	r := lambdapool.NewRegistry()
	fn := lambdapool.RegisterIn(r, "id", func(ctx context.Context, _ int) (string, error) {
		lc, ok := lambdacontext.FromContext(ctx)
		if !ok {
			return "", errors.New("no lambda context")
		}
		return lc.AwsRequestID, nil
	})
	b := inproc.New()
	defer b.Close()
	e := (&program{registry: r}).executor(t, b)
	seen := map[string]bool{}
	for range 3 {
		f := lambdapool.Submit(t.Context(), e, fn, 0)
		id, err := f.Result(t.Context())
		if err != nil || id == "" || seen[id] || id != f.Stats().RequestID {
			t.Errorf("the function has id %q, the caller %q, error %v", id, f.Stats().RequestID, err)
		}
		seen[id] = true
	}
}

// The timeout is Lambda's: functions that heed their context fail with it, those
// that do not are left behind.
func TestTimeout(t *testing.T) {
	p := newProgram()
	for _, fn := range []*lambdapool.Func[time.Duration, bool]{p.block, p.ignore} {
		synctest.Test(t, func(t *testing.T) {
			b := inproc.New(inproc.WithTimeout(3 * time.Second))
			e := p.executor(t, b)
			began := time.Now()
			_, err := lambdapool.Call(t.Context(), e, fn, 6*time.Second)
			if !errors.Is(err, lambdapool.ErrTimeout) {
				t.Errorf("%s: %v, want a timeout", fn.Name(), err)
			}
			if took := time.Since(began); took >= 3*time.Second {
				t.Errorf("%s: ended after %v, want an answer before the timeout of 3s", fn.Name(), took)
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Close waits for functions that end with their context, and says so of others.
func TestCloseWaits(t *testing.T) {
	p := newProgram()
	for _, tt := range []struct {
		fn    *lambdapool.Func[time.Duration, bool]
		takes time.Duration
		waits time.Duration
		says  string // "": Close succeeds
	}{
		{p.block, time.Minute, 0, ""},
		{p.ignore, 4 * time.Second, 3 * time.Second, ""},
		{p.ignore, time.Minute, 5 * time.Second, "2 calls still run 5s after their context ended"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := inproc.New(inproc.WithConcurrency(2))
			e := p.executor(t, b)
			futures := []*lambdapool.Future[bool]{
				lambdapool.Submit(t.Context(), e, tt.fn, tt.takes),
				lambdapool.Submit(t.Context(), e, tt.fn, tt.takes),
			}
			<-time.After(time.Second)
			began := time.Now()
			err := b.Close()
			if got := time.Since(began); got != tt.waits {
				t.Errorf("%s: Close took %v, want %v", tt.fn.Name(), got, tt.waits)
			}
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%s: Close: %v, want %q", tt.fn.Name(), err, tt.says)
			}
			if again := b.Close(); !errors.Is(again, err) {
				t.Errorf("%s: Close again: %v, before %v", tt.fn.Name(), again, err)
			}
			for _, f := range futures {
				if _, err := f.Result(t.Context()); !errors.Is(err, lambdapool.ErrClosed) {
					t.Errorf("%s: the call in flight: %v, want that the backend was closed", tt.fn.Name(), err)
				}
			}
			if _, err := lambdapool.Call(t.Context(), e, p.double, 1); !errors.Is(err, lambdapool.ErrClosed) {
				t.Errorf("a call after Close: %v, want that the backend was closed", err)
			}
			<-time.After(time.Hour) // until the last function has returned
		})
	}
}

// Invoke tells what became of a request whose caller has left.
func TestInvokeCanceled(t *testing.T) {
	p := newProgram()
	req := request(t, p.registry, "block", time.Minute)
	synctest.Test(t, func(t *testing.T) {
		b := inproc.New()
		defer b.Close()
		canceled, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		timedOut, stop := context.WithTimeout(t.Context(), 2*time.Second)
		defer stop()
		for _, tt := range []struct {
			ctx     context.Context
			kind    error
			outcome lambdapool.Outcome
		}{
			{canceled, lambdapool.ErrCanceled, lambdapool.OutcomeUnknown},
			{canceled, lambdapool.ErrCanceled, lambdapool.OutcomeNotRun}, // it has ended by now
			{timedOut, lambdapool.ErrTimeout, lambdapool.OutcomeUnknown},
			{timedOut, lambdapool.ErrTimeout, lambdapool.OutcomeNotRun},
		} {
			_, err := b.Invoke(tt.ctx, req)
			var failed *lambdapool.InvokeError
			if !errors.As(err, &failed) || !errors.Is(err, tt.kind) || failed.Outcome != tt.outcome || !errors.Is(err, tt.ctx.Err()) {
				t.Errorf("error %v, want %v with outcome %v", err, tt.kind, tt.outcome)
			}
		}
	})
}
