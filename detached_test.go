package lambdapool_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// A courier is inproc with a platform between that drops, duplicates and refuses events.
type courier struct {
	*inproc.Backend

	deliver func(n int) int   // how often the n-th event is delivered; nil: once
	refuse  func(n int) error // of the n-th try to queue one; nil: none
	store   lambdapool.Store  // nil: the backend's

	seen, sent, tries atomic.Int64
}

// newCourier returns one whose events run at the same time, on any machine.
func newCourier() *courier { return &courier{Backend: inproc.New(inproc.WithConcurrency(8))} }

func (c *courier) InvokeEvent(ctx context.Context, r *lambdapool.Request) (string, error) {
	if c.refuse != nil {
		if err := c.refuse(int(c.tries.Add(1))); err != nil {
			return "", err
		}
	}
	times := 1
	if n := int(c.seen.Add(1)); c.deliver != nil {
		times = c.deliver(n)
	}
	id := "dropped"
	for range times {
		var err error
		if id, err = c.Backend.InvokeEvent(ctx, r); err != nil {
			return "", err
		}
	}
	c.sent.Add(1)
	return id, nil
}

func (c *courier) Store() lambdapool.Store {
	if c.store != nil {
		return c.store
	}
	return c.Backend.Store()
}

// put stores an object behind the run's back.
func put(t *testing.T, s lambdapool.Store, key, body string) {
	t.Helper()
	if err := s.Create(t.Context(), key, strings.NewReader(body), int64(len(body)), sha256.Sum256([]byte(body))); err != nil {
		t.Fatal(err)
	}
}

func numbers(n int) []int {
	args := make([]int, n)
	for i := range args {
		args[i] = i
	}
	return args
}

func doubled(n int) []int {
	want := numbers(n)
	for i := range want {
		want[i] *= 2
	}
	return want
}

func TestDetachedRun(t *testing.T) {
	for _, chunk := range []int{1, 7} {
		synctest.Test(t, func(t *testing.T) {
			e := executor(t, newCourier())
			run, err := lambdapool.MapDetached(t.Context(), e, double, numbers(100), lambdapool.ChunkSize(chunk))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := run.Wait(t.Context()); err != nil || !cmp.Equal(got, doubled(100)) {
				t.Errorf("Wait: %v, %v", got, err)
			}
			// Somebody else finds it by its name, in both ways.
			typed, err := lambdapool.Attach(t.Context(), e, double, run.ID())
			if err != nil {
				t.Fatal(err)
			}
			if got, err := lambdapool.Collect(t.Context(), typed.Futures()...); err != nil || !cmp.Equal(got, doubled(100)) {
				t.Errorf("futures: %v, %v", got, err)
			}
			dynamic, err := e.Attach(t.Context(), run.ID())
			if err != nil {
				t.Fatal(err)
			}
			seen := 0
			for r := range dynamic.Results(t.Context()) {
				if r.Err != nil || r.Value != 2*r.Index {
					t.Errorf("result %+v", r)
				}
				seen++
			}
			state, err := run.State(t.Context())
			if err != nil || seen != 100 || state.Succeeded != 100 || state.Sent != 100 || state.Duplicates != 0 || state.Deliveries != len(state.Chunks) {
				t.Errorf("%d results, state %+v, %v", seen, state, err)
			}
			if place, err := run.Place(t.Context(), 99); err != nil || place.Instance == "" || !strings.HasPrefix(place.RequestID, "inproc-") {
				t.Errorf("Place: %+v, %v", place, err)
			}
		})
	}
}

func TestDetachedRunOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, err := lambdapool.MapDetached(t.Context(), executor(t, newCourier()), double, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := run.Wait(t.Context()); err != nil || got == nil || len(got) != 0 || len(run.Futures()) != 0 {
			t.Errorf("%v, %v", got, err)
		}
	})
}

func TestDetachedSubmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := executor(t, newCourier())
		typed, err := lambdapool.SubmitDetached(t.Context(), e, half, 8)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := typed.Futures()[0].Result(t.Context()); err != nil || got != 4 {
			t.Errorf("typed: %v, %v", got, err)
		}
		dynamic, err := e.SubmitDetached(t.Context(), "test.add", 3, 4)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := dynamic.Futures()[0].Result(t.Context()); err != nil || got != 7 {
			t.Errorf("dynamic: %v, %v", got, err)
		}
	})
}

// What a function returns as an error, or panics with, is what Map would have said.
func TestDetachedFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := executor(t, newCourier())
		run, err := lambdapool.MapDetached(t.Context(), e, half, []int{2, -1, 3, 4}, lambdapool.ChunkSize(2))
		if err != nil {
			t.Fatal(err)
		}
		got, err := run.Wait(t.Context())
		var function *lambdapool.FunctionError
		var item *lambdapool.ItemError
		if !cmp.Equal(got, []int{1, 0, 0, 2}) || !errors.As(err, &item) || item.Index != 1 || !errors.Is(err, errNegative) ||
			!errors.As(run.Futures()[2].Err(), &function) && function != nil {
			t.Errorf("%v, %v", got, err)
		}
		_, err = run.Futures()[2].Result(t.Context())
		if !errors.As(err, &function) || !function.Panic || !strings.Contains(function.Stack, "main_test.go") || function.RequestID == "" {
			t.Errorf("%+v", err)
		}
		if state, err := run.State(t.Context()); err != nil || state.Succeeded != 2 || state.Failed != 2 {
			t.Errorf("%+v, %v", state, err)
		}
	})
}

// counted counts its executions by argument.
var executions struct {
	sync.Mutex
	of map[int]int
}

func count(n int) {
	executions.Lock()
	defer executions.Unlock()
	executions.of[n]++
}

func forgetExecutions() {
	executions.Lock()
	defer executions.Unlock()
	executions.of = map[int]int{}
}

func executed(n int) int {
	executions.Lock()
	defer executions.Unlock()
	return executions.of[n]
}

var (
	countedOnce = lambdapool.Register("test.counted", func(_ context.Context, n int) (int, error) {
		count(n)
		return n, nil
	})
	countedOften = lambdapool.Register("test.counted.idempotent", func(_ context.Context, n int) (int, error) {
		count(n)
		time.Sleep(time.Second)
		return n, nil
	}, lambdapool.Idempotent())
)

// The end of a wait is not the end of the run.
func TestPartialResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := executor(t, newCourier())
		run, err := lambdapool.MapDetached(t.Context(), e, sleep, []time.Duration{time.Second, time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		got, err := run.Wait(ctx)
		var item *lambdapool.ItemError
		if !errors.As(err, &item) || item.Index != 1 || !errors.Is(err, lambdapool.ErrTimeout) || !cmp.Equal(got, []time.Duration{time.Second, 0}) {
			t.Errorf("%v, %v", got, err)
		}
		if got, err := run.Wait(t.Context()); err != nil || got[1] != time.Minute {
			t.Errorf("later: %v, %v", got, err)
		}
	})
}

func TestCancelDetachedRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &courier{Backend: inproc.New(inproc.WithConcurrency(1))}
		e := executor(t, c)
		args := []time.Duration{time.Minute, time.Minute, time.Minute}
		run, err := lambdapool.MapDetached(t.Context(), e, sleep, args)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if n, err := run.Cancel(t.Context()); n != 2 || err != nil {
			t.Errorf("canceled %d, %v", n, err)
		}
		canceled := 0
		for _, f := range run.Futures() {
			switch _, err := f.Result(t.Context()); {
			case errors.Is(err, lambdapool.ErrCanceled):
				canceled++
			case err != nil:
				t.Error(err)
			}
		}
		if canceled != 2 {
			t.Errorf("%d calls say so", canceled)
		}
		time.Sleep(time.Hour) // what was canceled is delivered, and does not run
		state, err := run.State(t.Context())
		if err != nil || state.Canceled != 2 || state.Succeeded != 1 || state.Deliveries != 1 || state.Duplicates != 2 {
			t.Errorf("%+v, %v", state, err)
		}
	})
}

var errDown = errors.New("connection refused")

func TestDetachedOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := executor(t, newCourier())
		for name, opt := range map[string]lambdapool.MapOption{
			"RunName: the name \"a/b\"":      lambdapool.RunName("a/b"),
			"RunName: the name is empty":     lambdapool.RunName(""),
			"only dots":                      lambdapool.RunName(".."),
			"StartWithin(1s)":                lambdapool.StartWithin(time.Second),
			"no request for longer":          lambdapool.StartWithin(24 * time.Hour),
			"Retention(1m0s)":                lambdapool.Retention(time.Minute),
			"results may be recorded for":    lambdapool.Retention(time.Hour),
			"Window does not apply":          lambdapool.Window(5),
			"ContinueOnError does not apply": lambdapool.ContinueOnError(),
			"WithBudget does not apply":      lambdapool.WithBudget(lambdapool.Budget{Dollars: 1}),
			"an option is nil":               nil,
			"ChunkSize(-1)":                  lambdapool.ChunkSize(-1),
		} {
			_, err := lambdapool.MapDetached(t.Context(), e, double, numbers(3), opt)
			if !errors.Is(err, lambdapool.ErrBadArguments) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, opt := range []lambdapool.MapOption{lambdapool.RunName("x"), lambdapool.StartWithin(time.Hour), lambdapool.Retention(time.Hour), lambdapool.FailOnTimeout()} {
			if _, err := lambdapool.Map(t.Context(), e, double, numbers(3), opt); !errors.Is(err, lambdapool.ErrBadArguments) {
				t.Errorf("Map: %v", err)
			}
		}
		if _, err := e.Attach(t.Context(), "x", lambdapool.RunName("y")); !errors.Is(err, lambdapool.ErrBadArguments) {
			t.Errorf("Attach: %v", err)
		}
		if _, err := e.Attach(t.Context(), "../x"); !errors.Is(err, lambdapool.ErrBadArguments) {
			t.Errorf("Attach: %v", err)
		}
		run, err := lambdapool.SubmitDetached(t.Context(), e, double, 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lambdapool.Attach(t.Context(), e, half, run.ID()); !errors.Is(err, lambdapool.ErrVersionMismatch) {
			t.Errorf("with another function: %v", err)
		}
	})
}

// Arguments that an event has no room for go through the store; results of any size come back.
// echoLater is echo that takes a second.
var echoLater = lambdapool.Register("test.echo.later", func(_ context.Context, s string) (string, error) {
	time.Sleep(time.Second)
	return s, nil
})

func TestLargeDetachedCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := executor(t, newCourier(), lambdapool.WithCompression(false))
		large := strings.Repeat("x", 3<<20)
		run, err := lambdapool.MapDetached(t.Context(), e, echoLater, []string{large, "small"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := run.Open(t.Context(), 0); !errors.Is(err, lambdapool.ErrRunNotFound) {
			t.Errorf("before it has ended: %v", err)
		}
		got, err := run.Wait(t.Context())
		if err != nil || got[0] != large || got[1] != "small" {
			t.Errorf("%d bytes, %v", len(got[0]), err)
		}
		for i, want := range got {
			body, err := run.Open(t.Context(), i)
			if err != nil {
				t.Fatal(err)
			}
			if data, err := io.ReadAll(body); err != nil || string(data) != want {
				t.Errorf("streamed: %d bytes, %v", len(data), err)
			}
			if err := body.Close(); err != nil {
				t.Error(err)
			}
		}
		if _, err := run.Open(t.Context(), 2); !errors.Is(err, lambdapool.ErrBadArguments) {
			t.Errorf("beyond the end: %v", err)
		}
	})
}

func TestProgressOfDetachedRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last lambdapool.Snapshot
		var b bytes.Buffer
		run, err := lambdapool.MapDetached(t.Context(), executor(t, newCourier()), sleep,
			[]time.Duration{time.Second, 10 * time.Second}, lambdapool.Progress(func(s lambdapool.Snapshot) {
				last = s
				fmt.Fprintln(&b, s.Items, s.Done, s.Running, s.Final)
			}))
		if err != nil {
			t.Fatal(err)
		}
		if last.Items != 2 || !last.Final {
			t.Errorf("sent: %+v", last)
		}
		if _, err := run.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if last.Done != 2 || !last.Final || !strings.Contains(b.String(), "2 1 1 false") {
			t.Errorf("%+v\n%s", last, b.String())
		}
	})
}
