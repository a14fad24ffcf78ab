package inproc_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/codec"
)

// request is what an executor would send for one call.
func request(t *testing.T, r *lambdapool.Registry, name string, arg any) *lambdapool.Request {
	t.Helper()
	f, ok := r.Lookup(name)
	if !ok {
		t.Fatalf("%s is not registered", name)
	}
	shape, err := codec.TypeOf(reflect.TypeOf(arg))
	if err != nil {
		t.Fatal(err)
	}
	item, err := codec.Marshal([]*codec.Type{shape}, []reflect.Value{reflect.ValueOf(arg)})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := codec.EncodeRequest(&codec.Request{ID: "x", Func: name, Shape: f.Fingerprint(), Items: [][]byte{item}})
	if err != nil {
		t.Fatal(err)
	}
	return &lambdapool.Request{Payload: payload, Registry: r}
}

// invocations is how many the agent for r has had before this one.
func invocations(t *testing.T, b *inproc.Backend, r *lambdapool.Registry) uint64 {
	t.Helper()
	payload, err := codec.EncodeRequest(&codec.Request{ID: "x", Op: codec.OpDescribe})
	if err != nil {
		t.Fatal(err)
	}
	response, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: payload, Registry: r})
	if err != nil {
		t.Fatal(err)
	}
	reply, err := codec.DecodeReply(response.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return reply.Agent.Invocation - 1
}

// Events run in order, no more at once than there are workers, and know their id.
// The caller may use its buffer again.
func TestEventsWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := lambdapool.NewRegistry()
		var running, most atomic.Int64
		ran := make(chan string, 10)
		lambdapool.RegisterIn(r, "work", func(ctx context.Context, n int) (int, error) {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			time.Sleep(time.Duration(10+n) * time.Second)
			lc, _ := lambdacontext.FromContext(ctx)
			ran <- fmt.Sprint(n, " ", lc.AwsRequestID)
			return n, nil
		})
		b := inproc.New(inproc.WithConcurrency(2))
		var want []string
		for n := range 5 {
			req := request(t, r, "work", n)
			id, err := b.InvokeEvent(t.Context(), req)
			if err != nil || id == "" {
				t.Fatalf("request %q, error %v", id, err)
			}
			want = append(want, fmt.Sprint(n, " ", id))
			clear(req.Payload)
		}
		for _, w := range want {
			if got := <-ran; got != w {
				t.Errorf("ran %q, want %q", got, w)
			}
		}
		if most.Load() != 2 {
			t.Errorf("%d ran at once, want 2", most.Load())
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A delivery that ends in an error is repeated as Lambda does it, or as told.
func TestEventRetries(t *testing.T) {
	for _, tt := range []struct {
		name   string
		opts   []inproc.Option
		limits lambdapool.EventLimits
		after  map[time.Duration]uint64 // how many deliveries there were by then
	}{
		{
			name:   "Lambda's",
			limits: lambdapool.EventLimits{Request: 1_048_576, Age: 6 * time.Hour, Retries: 2},
			after:  map[time.Duration]uint64{time.Second: 1, 59 * time.Second: 1, 61 * time.Second: 2, 179 * time.Second: 2, 181 * time.Second: 3, time.Hour: 3},
		},
		{
			name:   "one",
			opts:   []inproc.Option{inproc.WithEventRetries(time.Hour, time.Second)},
			limits: lambdapool.EventLimits{Request: 1_048_576, Age: time.Hour, Retries: 1},
			after:  map[time.Duration]uint64{999 * time.Millisecond: 1, 1001 * time.Millisecond: 2, time.Hour: 2},
		},
		{
			name:   "none",
			opts:   []inproc.Option{inproc.WithEventRetries(time.Hour)},
			limits: lambdapool.EventLimits{Request: 1_048_576, Age: time.Hour},
			after:  map[time.Duration]uint64{time.Hour: 1},
		},
		{
			name:   "too old for the second",
			opts:   []inproc.Option{inproc.WithEventRetries(time.Minute, 30*time.Second, 31*time.Second)},
			limits: lambdapool.EventLimits{Request: 1_048_576, Age: time.Minute, Retries: 2},
			after:  map[time.Duration]uint64{31 * time.Second: 2, time.Hour: 2},
		},
	} {
		for after, want := range tt.after {
			synctest.Test(t, func(t *testing.T) {
				b := inproc.New(tt.opts...)
				defer b.Close()
				if got := b.EventLimits(); got != tt.limits {
					t.Errorf("%s: limits %+v, want %+v", tt.name, got, tt.limits)
				}
				r := lambdapool.NewRegistry()
				if _, err := b.InvokeEvent(t.Context(), &lambdapool.Request{Payload: []byte(`"no request"`), Registry: r}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(after)
				synctest.Wait()
				if got := invocations(t, b, r); got != want {
					t.Errorf("%s: %d deliveries after %v, want %d", tt.name, got, after, want)
				}
			})
		}
	}
}

// An answer that a function failed is an answer: it is not delivered again.
func TestEventsOfFailedFunctionsAreDone(t *testing.T) {
	r := lambdapool.NewRegistry()
	lambdapool.RegisterIn(r, "fail", func(context.Context, int) (int, error) { return 0, errors.New("no") })
	synctest.Test(t, func(t *testing.T) {
		b := inproc.New()
		defer b.Close()
		if _, err := b.InvokeEvent(t.Context(), request(t, r, "fail", 1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if got := invocations(t, b, r); got != 1 {
			t.Errorf("%d deliveries, want 1", got)
		}
	})
}

// Close ends what runs and forgets what waits for its turn or for a retry.
func TestEventsEndWithTheBackend(t *testing.T) {
	p := newProgram()
	synctest.Test(t, func(t *testing.T) {
		b := inproc.New(inproc.WithConcurrency(1))
		if _, err := b.InvokeEvent(t.Context(), &lambdapool.Request{Payload: []byte(`"no request"`), Registry: p.registry}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for range 3 {
			if _, err := b.InvokeEvent(t.Context(), request(t, p.registry, "block", time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := invocations(t, b, p.registry); got != 2 {
			t.Errorf("%d deliveries, want 2", got)
		}
		began := time.Now()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("Close took %v", took)
		}
		_, err := b.InvokeEvent(t.Context(), request(t, p.registry, "double", 1))
		var failed *lambdapool.InvokeError
		if !errors.As(err, &failed) || !errors.Is(err, lambdapool.ErrClosed) || failed.Outcome != lambdapool.OutcomeNotRun || !failed.Permanent {
			t.Errorf("after Close: %+v, want ErrClosed, not run, permanent", err)
		}
		time.Sleep(time.Hour) // the retry would come
	})
}

// What is not queued says so.
func TestEventsRefused(t *testing.T) {
	b := inproc.New()
	defer b.Close()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name string
		b    *inproc.Backend
		ctx  context.Context
		size int
		kind error
		says string
	}{
		{"too large", b, t.Context(), codec.MaxEventRequest + 1, lambdapool.ErrTooLarge, "the request is 1048577 bytes, the limit of asynchronous ones is 1048576"},
		{"canceled", b, canceled, 10, lambdapool.ErrCanceled, "context canceled"},
		{"bad option", inproc.New(inproc.WithConcurrency(0)), t.Context(), 10, lambdapool.ErrBadArguments, "WithConcurrency(0)"},
	} {
		_, err := tt.b.InvokeEvent(tt.ctx, &lambdapool.Request{Payload: []byte(strings.Repeat("x", tt.size))})
		var failed *lambdapool.InvokeError
		if !errors.As(err, &failed) || !errors.Is(err, tt.kind) || failed.Outcome != lambdapool.OutcomeNotRun || !failed.Permanent || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %+v, want %v that says %q, not run, permanent", tt.name, err, tt.kind, tt.says)
		}
	}
}

// The request runs some time after InvokeEvent has returned, and its result goes to
// nobody: the function has to leave it somewhere.
func ExampleBackend_InvokeEvent() {
	r := lambdapool.NewRegistry()
	done := make(chan string)
	hello := lambdapool.RegisterIn(r, "hello", func(_ context.Context, name string) (string, error) {
		done <- "hello, " + name
		return "", nil
	})
	f, _ := r.Lookup(hello.Name())
	shape, _ := codec.TypeOf(reflect.TypeFor[string]())
	arg, _ := codec.Marshal([]*codec.Type{shape}, []reflect.Value{reflect.ValueOf("gopher")})
	payload, _ := codec.EncodeRequest(&codec.Request{ID: "1", Func: hello.Name(), Shape: f.Fingerprint(), Items: [][]byte{arg}})

	b := inproc.New()
	defer b.Close()
	_, err := b.InvokeEvent(context.Background(), &lambdapool.Request{Payload: payload, Registry: r})
	fmt.Println(err)
	fmt.Println(<-done)
	// Output:
	// <nil>
	// hello, gopher
}

// Retries that a test need not wait for.
func ExampleWithEventRetries() {
	b := inproc.New(inproc.WithEventRetries(time.Minute, time.Second))
	defer b.Close()
	fmt.Printf("%+v\n", b.EventLimits())
	// Output: {Request:1048576 Age:1m0s Retries:1}
}
