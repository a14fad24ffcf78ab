package lambdapool_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// An Odd value encodes itself by the methods that a test gives it.
type Odd struct{ n int }

var oddMethods struct {
	sync.Mutex

	marshal, unmarshal func()
}

func (o Odd) MarshalBinary() ([]byte, error) {
	oddMethods.Lock()
	f := oddMethods.marshal
	oddMethods.Unlock()
	if f != nil && o.n == 1 {
		f()
	}
	return []byte{byte(o.n)}, nil
}

func (o *Odd) UnmarshalBinary(b []byte) error {
	oddMethods.Lock()
	f := oddMethods.unmarshal
	oddMethods.Unlock()
	if f != nil && b[0] == 1 {
		f()
	}
	o.n = int(b[0])
	return nil
}

var (
	toOdd   = lambdapool.Register("test.toOdd", func(_ context.Context, n int) (Odd, error) { return Odd{n}, nil })
	fromOdd = lambdapool.Register("test.fromOdd", func(_ context.Context, o Odd) (int, error) { return o.n, nil })
)

// hooked are the program's functions, of which one misbehaves.
type hooked struct {
	which atomic.Pointer[string]
	how   func()
	log   bytes.Buffer
}

func (h *hooked) at(name string) {
	if which := h.which.Load(); which != nil && name == *which {
		h.how()
	}
}

type hookedBackend struct {
	*inproc.Backend

	h *hooked
}

func (b hookedBackend) Invoke(ctx context.Context, r *lambdapool.Request) (*lambdapool.Response, error) {
	b.h.at("Invoke")
	return b.Backend.Invoke(ctx, r)
}

func (b hookedBackend) InvokeEvent(ctx context.Context, r *lambdapool.Request) (string, error) {
	b.h.at("InvokeEvent")
	return b.Backend.InvokeEvent(ctx, r)
}

func (b hookedBackend) EventLimits() lambdapool.EventLimits {
	b.h.at("EventLimits")
	return b.Backend.EventLimits()
}

func (b hookedBackend) Limits() lambdapool.Limits {
	b.h.at("Limits")
	return b.Backend.Limits()
}

func (b hookedBackend) Store() lambdapool.Store { return hookedStore{b.Backend.Store(), b.h} }

type hookedStore struct {
	lambdapool.Store

	h *hooked
}

func (s hookedStore) Threshold() int {
	s.h.at("Threshold")
	return 1000
}

func (s hookedStore) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	s.h.at("Put")
	return s.Store.Put(ctx, key, body, size, sum)
}

func (s hookedStore) LinkGet(ctx context.Context, key string, life time.Duration) (lambdapool.Link, error) {
	s.h.at("LinkGet")
	return s.Store.LinkGet(ctx, key, life)
}

func (s hookedStore) LinkUnder(ctx context.Context, prefix string, life time.Duration) (lambdapool.Link, error) {
	s.h.at("LinkUnder")
	return s.Store.LinkUnder(ctx, prefix, life)
}

func (s hookedStore) Open(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	s.h.at("Open")
	body, size, err := s.Store.Open(ctx, key)
	return hookedBody{body, s.h}, size, err
}

func (s hookedStore) Delete(ctx context.Context, keys ...string) error {
	s.h.at("Delete")
	return s.Store.Delete(ctx, keys...)
}

type hookedBody struct {
	io.ReadCloser

	h *hooked
}

func (b hookedBody) Read(p []byte) (int, error) {
	b.h.at("Read")
	return b.ReadCloser.Read(p)
}

type hookedJournal struct{ h *hooked }

func (j hookedJournal) Open(lambdapool.JournalRun) (lambdapool.JournalLog, error) {
	j.h.at("Journal.Open")
	return j, nil
}

func (j hookedJournal) Next(int) (e lambdapool.JournalEntry, ok bool, err error) {
	j.h.at("Journal.Next")
	return e, false, nil
}

func (j hookedJournal) Commit([][]lambdapool.JournalEntry) error {
	j.h.at("Journal.Commit")
	return nil
}

func (j hookedJournal) Close() error {
	j.h.at("Journal.Close")
	return nil
}

type hookedRecorder struct{ h *hooked }

func (r hookedRecorder) Record(lambdapool.Record) { r.h.at("Recorder") }

// Enabled and Handle are a log's, kept in h.
type hookedHandler struct {
	slog.Handler

	h *hooked
}

func (l hookedHandler) Enabled(ctx context.Context, level slog.Level) bool {
	l.h.at("slog.Enabled")
	return l.Handler.Enabled(ctx, level)
}

func (l hookedHandler) Handle(ctx context.Context, r slog.Record) error {
	l.h.at("slog.Handle")
	return l.Handler.Handle(ctx, r)
}

// Whatever function of the program's panics, ends its goroutine or never returns: the call
// or run that it was called for ends with an error that names it, or the log does; other
// calls go on, and Close returns.
func TestFunctionsOfTheProgramAreContained(t *testing.T) {
	t.Parallel()
	call := func(e *lambdapool.Executor, _ *hooked) error {
		v, err := lambdapool.Call(context.Background(), e, double, 4)
		if err == nil && v != 8 {
			return errors.New("wrong value")
		}
		return err
	}
	mapped := func(opts ...func(*hooked) lambdapool.MapOption) func(*lambdapool.Executor, *hooked) error {
		return func(e *lambdapool.Executor, h *hooked) error {
			var all []lambdapool.MapOption
			for _, opt := range opts {
				all = append(all, opt(h))
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			_, err := lambdapool.Map(ctx, e, double, []int{1, 2, 3}, all...)
			return err
		}
	}
	journaled := mapped(func(h *hooked) lambdapool.MapOption { return lambdapool.Journaled(hookedJournal{h}) })
	stored := func(e *lambdapool.Executor, _ *hooked) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, err := lambdapool.Call(ctx, e, echo, strings.Repeat("x", 5000))
		return err
	}
	detached := func(e *lambdapool.Executor, _ *hooked) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, err := lambdapool.SubmitDetached(ctx, e, double, 1)
		return err
	}
	for _, test := range []struct {
		which string
		run   func(*lambdapool.Executor, *hooked) error
		want  error  // nil: the call has its value all the same, and the log names the function
		name  string // as error or log have it
	}{
		{"OnDone", func(e *lambdapool.Executor, h *hooked) error {
			f := lambdapool.Submit(context.Background(), e, double, 4)
			f.OnDone(func(*lambdapool.Future[int]) { h.at("OnDone") })
			_, err := f.Result(context.Background())
			synctest.Wait()
			return err
		}, nil, "OnDone"},
		{"Progress", mapped(func(h *hooked) lambdapool.MapOption {
			return lambdapool.Progress(func(lambdapool.Snapshot) { h.at("Progress") })
		}), nil, "Progress"},
		{"Retry", func(e *lambdapool.Executor, _ *hooked) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			_, err := lambdapool.Call(ctx, e, half, -1)
			return err
		}, lambdapool.ErrHook, "RetryFunctionError"},
		{"Retry", func(e *lambdapool.Executor, _ *hooked) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			_, err := lambdapool.Map(ctx, e, half, []int{-1, 2}, lambdapool.ChunkSize(2))
			return err
		}, lambdapool.ErrHook, "RetryFunctionError"},
		{"Recorder", call, nil, "Recorder.Record"},
		{"Journal.Open", journaled, lambdapool.ErrJournal, "Journal.Open of lambdapool_test.hookedJournal"},
		{"Journal.Next", journaled, lambdapool.ErrJournal, "JournalLog.Next"},
		{"Journal.Commit", journaled, lambdapool.ErrJournal, "JournalLog.Commit"},
		{"Journal.Close", journaled, nil, "JournalLog.Close"},
		{"Put", stored, lambdapool.ErrStore, "Store.Put of lambdapool_test.hookedStore"},
		{"LinkGet", stored, lambdapool.ErrStore, "Store.LinkGet"},
		{"LinkUnder", stored, lambdapool.ErrStore, "Store.LinkUnder"},
		{"Open", stored, lambdapool.ErrStore, "Store.Open"},
		{"Read", stored, lambdapool.ErrStore, "Read of lambdapool_test.hookedBody"},
		{"Delete", stored, nil, ""}, // Debug
		{"Invoke", func(e *lambdapool.Executor, _ *hooked) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			_, err := lambdapool.Call(ctx, e, double, 4)
			return err
		}, lambdapool.ErrUnknownOutcome, "Invoke of lambdapool_test.hookedBackend"},
		{"InvokeEvent", detached, lambdapool.ErrUnknownOutcome, "InvokeEvent"},
		{"EventLimits", detached, lambdapool.ErrBadArguments, "EventLimits"},
		{"Marshal", func(e *lambdapool.Executor, _ *hooked) error {
			_, err := lambdapool.Call(context.Background(), e, fromOdd, Odd{1})
			return err
		}, lambdapool.ErrEncode, "marshal"},
		{"Marshal", func(e *lambdapool.Executor, _ *hooked) error {
			values, err := lambdapool.Map(context.Background(), e, fromOdd, []Odd{{2}, {1}, {3}}, lambdapool.ContinueOnError())
			if values[0] != 2 || values[2] != 3 {
				return errors.New("the others have no values")
			}
			return err
		}, lambdapool.ErrEncode, "marshal"},
		{"Unmarshal", func(e *lambdapool.Executor, _ *hooked) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			_, err := lambdapool.Call(ctx, e, toOdd, 1)
			return err
		}, lambdapool.ErrDecode, "unmarshal"},
		{"Unmarshal", func(e *lambdapool.Executor, _ *hooked) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			values, err := lambdapool.Map(ctx, e, toOdd, []int{2, 1, 3}, lambdapool.ContinueOnError(), lambdapool.ChunkSize(3))
			if values[0].n != 2 || values[2].n != 3 {
				return errors.New("the others have no values")
			}
			return err
		}, lambdapool.ErrDecode, "unmarshal"},
		{"slog.Enabled", journaled, nil, ""},
		{"slog.Handle", journaled, nil, ""},
	} {
		for _, how := range []string{"panics", "ends its goroutine", "blocks"} {
			if how == "blocks" && test.which == "Marshal" {
				continue // Submit's caller waits for its own method
			}
			t.Run(test.which+" "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { contained(t, test.which, how, test.run, test.want, test.name) })
			})
		}
	}
}

func contained(t *testing.T, which, how string, run func(*lambdapool.Executor, *hooked) error, want error, name string) {
	release := make(chan struct{})
	h := &hooked{}
	h.how = map[string]func(){
		"panics":             func() { panic("boom") },
		"ends its goroutine": runtime.Goexit,
		"blocks":             func() { <-release },
	}[how]
	e, err := lambdapool.New(hookedBackend{inproc.New(), h}, lambdapool.WithRecorder(hookedRecorder{h}),
		lambdapool.WithLogger(slog.New(hookedHandler{slog.NewTextHandler(&h.log, nil), h})),
		lambdapool.WithRetry(lambdapool.RetryPolicy{RetryFunctionError: func(*lambdapool.FunctionError) bool {
			h.at("Retry")
			return false
		}}))
	if err != nil {
		t.Fatal(err)
	}
	h.which.Store(&which)
	oddMethods.Lock()
	oddMethods.marshal, oddMethods.unmarshal = func() { h.at("Marshal") }, func() { h.at("Unmarshal") }
	oddMethods.Unlock()
	err = run(e, h)
	switch {
	case want == nil && err != nil:
		t.Errorf("error %v, want the value", err)
	case how == "blocks" && errors.Is(err, lambdapool.ErrTimeout): // the call's time was up before
	case want != nil && !errors.Is(err, want):
		t.Errorf("error %v, want %v", err, want)
	}
	h.which.Store(nil)
	if v, err := lambdapool.Call(context.Background(), e, double, 21); v != 42 || err != nil {
		t.Errorf("another call: %v, %v", v, err)
	}
	said := errors.Join(err, e.Close())
	close(release)
	synctest.Wait()
	if text := fmt.Sprint(said) + h.log.String(); !strings.Contains(text, name) {
		t.Errorf("nothing names %s: %s", name, text)
	}
}
