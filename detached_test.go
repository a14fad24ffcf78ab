package lambdapool_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
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

func newCourier() *courier { return &courier{Backend: inproc.New()} }

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

// However often an event is delivered, there is one result, and a function that must not
// run twice does not.
func TestDuplicateDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forgetExecutions()
		c := newCourier()
		c.deliver = func(n int) int { return n%3 + 1 }
		e := executor(t, c)
		once, err := lambdapool.MapDetached(t.Context(), e, countedOnce, []int{1001, 1002, 1003})
		if err != nil {
			t.Fatal(err)
		}
		often, err := lambdapool.MapDetached(t.Context(), e, countedOften, []int{2001, 2002, 2003})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := once.Wait(t.Context()); err != nil || !cmp.Equal(got, []int{1001, 1002, 1003}) {
			t.Errorf("%v, %v", got, err)
		}
		if got, err := often.Wait(t.Context()); err != nil || !cmp.Equal(got, []int{2001, 2002, 2003}) {
			t.Errorf("%v, %v", got, err)
		}
		synctest.Wait()
		for n := 1001; n <= 1003; n++ {
			if executed(n) != 1 {
				t.Errorf("%d ran %d times", n, executed(n))
			}
		}
		time.Sleep(time.Minute) // the last deliveries
		for name, run := range map[string]*lambdapool.Run[int]{"once": once, "often": often} {
			state, err := run.State(t.Context())
			if err != nil || state.Duplicates != 3 || state.Succeeded != 3 {
				t.Errorf("%s: %+v, %v", name, state, err)
			}
		}
	})
}

// What the platform drops is noticed, for everybody, when it can no longer begin.
func TestDroppedEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourier()
		c.deliver = func(n int) int { return min(1, n%2) }
		e := executor(t, c)
		begun := time.Now()
		run, err := lambdapool.MapDetached(t.Context(), e, double, numbers(4), lambdapool.StartWithin(10*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		other, err := e.Attach(t.Context(), run.ID())
		if err != nil {
			t.Fatal(err)
		}
		got, err := run.Wait(t.Context())
		if took := time.Since(begun); took < 10*time.Minute || took > 11*time.Minute {
			t.Errorf("noticed after %v", took)
		}
		var pool *lambdapool.PoolError
		if !errors.Is(err, lambdapool.ErrExpired) || !errors.As(err, &pool) || pool.Outcome != lambdapool.OutcomeNotRun {
			t.Errorf("%v", err)
		}
		expired := 0
		for i, v := range got {
			if v != 2*i || i == 0 && v == 0 {
				expired++
			}
		}
		if _, err := other.Wait(t.Context()); !errors.Is(err, lambdapool.ErrExpired) {
			t.Errorf("another client: %v", err)
		}
		state, err := run.State(t.Context())
		if err != nil || state.Expired != 2 || state.Succeeded != 2 {
			t.Errorf("%+v, %v (%d)", state, err, expired)
		}
	})
}

// An agent that has begun and died is given up after its time, and not before.
func TestAgentsThatDie(t *testing.T) {
	for _, tt := range []struct {
		name string
		fn   *lambdapool.Func[int, int]
		from time.Duration
	}{
		{"once", double, 15 * time.Minute},
		{"idempotent", again, 18 * time.Minute}, // the platform may run it again
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newCourier()
			c.deliver = func(int) int { return 0 }
			e := executor(t, c)
			run, err := lambdapool.SubmitDetached(t.Context(), e, tt.fn, 1)
			if err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			put(t, c.Store(), "runs/"+run.ID()+"/00000000/claim", `{"instance":"dead","at":"2026-11-20T00:00:00Z"}`)
			_, err = run.Futures()[0].Result(t.Context())
			var pool *lambdapool.PoolError
			if !errors.Is(err, lambdapool.ErrUnknownOutcome) || !errors.As(err, &pool) || pool.Outcome != lambdapool.OutcomeUnknown {
				t.Errorf("%s: %v", tt.name, err)
			}
			if took := time.Since(begun); took < tt.from || took > tt.from+time.Minute {
				t.Errorf("%s: given up after %v, want %v", tt.name, took, tt.from)
			}
		})
	}
}

func TestFailOnTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourier()
		c.deliver = func(n int) int { return min(1, n%2) }
		e := executor(t, c)
		run, err := lambdapool.MapDetached(t.Context(), e, double, numbers(4), lambdapool.StartWithin(time.Minute), lambdapool.FailOnTimeout())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := run.Wait(t.Context()); got != nil || !errors.Is(err, lambdapool.ErrExpired) {
			t.Errorf("%v, %v", got, err)
		}
	})
}

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

// The same program, started again, sends what is not sent and runs nothing twice.
func TestRunThatIsStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forgetExecutions()
		c := newCourier()
		dead := false
		c.refuse = func(n int) error {
			if n > 40 && !dead {
				return &lambdapool.InvokeError{Outcome: lambdapool.OutcomeNotRun, Kind: lambdapool.ErrAccessDenied, Err: errors.New("signed out"), Permanent: true}
			}
			return nil
		}
		e := executor(t, c)
		args := numbers(100)
		for i := range args {
			args[i] += 3000
		}
		start := func() (*lambdapool.Run[int], error) {
			return lambdapool.MapDetached(t.Context(), e, countedOnce, args, lambdapool.RunName("nightly"))
		}
		_, err := start()
		if !errors.Is(err, lambdapool.ErrAccessDenied) || !strings.Contains(err.Error(), `start it again with RunName("nightly")`) {
			t.Fatalf("%v", err)
		}
		dead = true
		run, err := start()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := run.Wait(t.Context()); err != nil || !cmp.Equal(got, args) {
			t.Errorf("%v, %v", got, err)
		}
		for _, n := range args {
			if executed(n) != 1 {
				t.Errorf("%d ran %d times", n, executed(n))
			}
		}
		sent := c.sent.Load()
		if _, err := start(); err != nil || c.sent.Load() != sent || sent != 100 {
			t.Errorf("a third time: %d were sent, then %d, %v", sent, c.sent.Load(), err)
		}
		args[17]++
		if _, err := start(); !errors.Is(err, lambdapool.ErrRunExists) || !strings.Contains(err.Error(), "other arguments") {
			t.Errorf("with other arguments: %v", err)
		}
	})
}

// A client that was killed says nothing: the next one waits to be sure, and not for one that
// lives.
func TestRunThatIsBeingSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourier()
		quiet := lambdapool.WithLogger(slog.New(slog.DiscardHandler))
		block := make(chan struct{})
		c.refuse = func(n int) error {
			if n == 50 {
				<-block
			}
			return nil
		}
		e := executor(t, c, quiet)
		start := func() (*lambdapool.Run[int], error) {
			return lambdapool.MapDetached(t.Context(), e, double, numbers(100), lambdapool.RunName("x"))
		}
		var first sync.WaitGroup
		first.Go(func() {
			if _, err := start(); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(time.Minute)
		if _, err := start(); !errors.Is(err, lambdapool.ErrRunExists) || !strings.Contains(err.Error(), "by another client") {
			t.Errorf("while it is sent: %v", err)
		}
		close(block)
		first.Wait()
		if _, err := start(); err != nil {
			t.Errorf("once it is sent: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c := newCourier()
		e := executor(t, c, lambdapool.WithLogger(slog.New(slog.DiscardHandler)))
		start := func() (*lambdapool.Run[int], error) {
			return lambdapool.MapDetached(t.Context(), e, double, numbers(100), lambdapool.RunName("x"))
		}
		if _, err := start(); err != nil {
			t.Fatal(err)
		}
		// As if it had been killed in between.
		if err := c.Store().Delete(t.Context(), "runs/x/sent"); err != nil {
			t.Fatal(err)
		}
		put(t, c.Store(), "runs/x/sent", `{"ranges":[[0,9]],"done":false}`)
		begun := time.Now()
		run, err := start()
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took < 9*time.Second || took > 12*time.Second {
			t.Errorf("waited for %v", took)
		}
		if got, err := run.Wait(t.Context()); err != nil || !cmp.Equal(got, doubled(100)) || c.sent.Load() != 100 {
			t.Errorf("%v, %v; %d sent", got, err, c.sent.Load())
		}
	})
}

// A queue that is lost can be filled again; what has run does not run again.
func TestResend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forgetExecutions()
		c := newCourier()
		lost := true
		c.deliver = func(n int) int {
			if lost {
				return n % 2
			}
			return 1
		}
		e := executor(t, c)
		start := func(opts ...lambdapool.MapOption) *lambdapool.Run[int] {
			run, err := lambdapool.MapDetached(t.Context(), e, countedOnce, numbers(20), append(opts, lambdapool.RunName("x"))...)
			if err != nil {
				t.Fatal(err)
			}
			return run
		}
		start()
		time.Sleep(time.Minute)
		lost = false
		if state, err := start().State(t.Context()); err != nil || state.Queued != 10 {
			t.Errorf("%+v, %v", state, err)
		}
		run := start(lambdapool.Resend())
		if got, err := run.Wait(t.Context()); err != nil || !cmp.Equal(got, numbers(20)) || c.sent.Load() != 30 {
			t.Errorf("%v, %v after %d were sent", got, err, c.sent.Load())
		}
		for n := range 20 {
			if executed(n) != 1 {
				t.Errorf("%d ran %d times", n, executed(n))
			}
		}
	})
}

// Nothing is left of a run of which nothing could be sent.
func TestRunThatCannotBeSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourier()
		c.refuse = func(int) error {
			return &lambdapool.InvokeError{Outcome: lambdapool.OutcomeNotRun, Kind: lambdapool.ErrFunctionNotFound, Err: errors.New("no such function"), Permanent: true}
		}
		e := executor(t, c)
		if _, err := lambdapool.MapDetached(t.Context(), e, double, numbers(3)); !errors.Is(err, lambdapool.ErrFunctionNotFound) {
			t.Errorf("%v", err)
		}
		if left, err := c.Store().List(t.Context(), "", ""); err != nil || len(left.Objects) > 0 {
			t.Errorf("left: %+v, %v", left, err)
		}
	})
}

// A run of which something may be queued stays, although nothing was accepted.
func TestRunOfWhichSomethingMayBeSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourier()
		c.refuse = func(n int) error {
			if n == 1 {
				return errors.New("connection reset")
			}
			return &lambdapool.InvokeError{Outcome: lambdapool.OutcomeNotRun, Kind: lambdapool.ErrAccessDenied, Err: errors.New("signed out"), Permanent: true}
		}
		e := executor(t, c)
		_, err := lambdapool.SubmitDetached(t.Context(), e, double, 1, lambdapool.RunName("x"))
		if !errors.Is(err, lambdapool.ErrAccessDenied) || !strings.Contains(err.Error(), "0 of 1 invocations of run x are sent") {
			t.Errorf("%v", err)
		}
		if _, err := e.Attach(t.Context(), "x"); err != nil {
			t.Errorf("%v", err)
		}
	})
}

// What cannot be encoded is found before anything is sent.
func TestRunWithBadArguments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourier()
		e := executor(t, c)
		_, err := lambdapool.StarMapDetached(t.Context(), e, "test.add", [][]any{{1, 2}, {3, "four"}})
		var item *lambdapool.ItemError
		if !errors.Is(err, lambdapool.ErrBadArguments) || !errors.As(err, &item) || item.Index != 1 || c.sent.Load() > 0 {
			t.Errorf("%v after %d were sent", err, c.sent.Load())
		}
		if left, err := c.Store().List(t.Context(), "", ""); err != nil || len(left.Objects) > 0 {
			t.Errorf("left: %+v, %v", left, err)
		}
	})
}

// Throttles and lost connections are nobody's business but the sender's.
func TestSendingGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourier()
		c.refuse = func(n int) error {
			switch n % 3 {
			case 0:
				return &lambdapool.InvokeError{Outcome: lambdapool.OutcomeNotRun, Kind: lambdapool.ErrThrottled, Err: errors.New("429")}
			case 1:
				return errors.New("connection reset")
			}
			return nil
		}
		run, err := lambdapool.MapDetached(t.Context(), executor(t, c), double, numbers(50))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := run.Wait(t.Context()); err != nil || !cmp.Equal(got, doubled(50)) {
			t.Errorf("%v, %v", got, err)
		}
	})
}

// shortLived is a store whose credentials end soon.
type shortLived struct {
	lambdapool.Store

	until time.Time
}

func (s shortLived) LinkedUntil(context.Context) (time.Time, error) { return s.until, nil }

func TestRunThatOutlivesItsCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourier()
		c.store = shortLived{c.Backend.Store(), time.Now().Add(time.Hour)}
		e := executor(t, c)
		_, err := lambdapool.SubmitDetached(t.Context(), e, double, 1)
		if !errors.Is(err, lambdapool.ErrStore) || !strings.Contains(err.Error(), "StartWithin(43m0s)") {
			t.Fatalf("%v", err)
		}
		run, err := lambdapool.SubmitDetached(t.Context(), e, double, 1, lambdapool.StartWithin(43*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		info := run.Info()
		if info.RecordBy.After(time.Now().Add(time.Hour)) || info.KeepUntil.Sub(info.Created) != 7*24*time.Hour {
			t.Errorf("%+v", info)
		}
	})
}

func TestRunsAreListedAndDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := executor(t, newCourier())
		for _, o := range []struct {
			name string
			keep time.Duration
		}{{"a", 24 * time.Hour}, {"b", 48 * time.Hour}, {"c", 72 * time.Hour}} {
			run, err := lambdapool.MapDetached(t.Context(), e, double, numbers(3), lambdapool.RunName(o.name), lambdapool.Retention(o.keep))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := run.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		names := func() (names []string) {
			for info, err := range e.Runs(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				names = append(names, info.ID)
			}
			return names
		}
		if got := names(); !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Errorf("%v", got)
		}
		if err := e.DeleteRun(t.Context(), "b"); err != nil {
			t.Error(err)
		}
		if err := e.DeleteRun(t.Context(), "b"); !errors.Is(err, lambdapool.ErrRunNotFound) {
			t.Errorf("%v", err)
		}
		time.Sleep(30 * time.Hour)
		for info, err := range e.CleanRuns(t.Context()) {
			if err != nil || info.ID != "a" {
				t.Errorf("%+v, %v", info, err)
			}
		}
		if got := names(); !slices.Equal(got, []string{"c"}) {
			t.Errorf("%v", got)
		}
		if _, err := e.Attach(t.Context(), "a"); !errors.Is(err, lambdapool.ErrRunNotFound) {
			t.Errorf("%v", err)
		}
	})
}

// A store that is down for a while is waited for; results that were there are not lost.
type flaky struct {
	lambdapool.Store

	down atomic.Bool
}

var errDown = errors.New("connection refused")

func (s *flaky) List(ctx context.Context, prefix, after string) (lambdapool.Listing, error) {
	if s.down.Load() {
		return lambdapool.Listing{}, errDown
	}
	return s.Store.List(ctx, prefix, after)
}

func (s *flaky) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	if s.down.Load() {
		return errDown
	}
	return s.Store.Put(ctx, key, body, size, sum)
}

func (s *flaky) Open(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	if s.down.Load() {
		return nil, 0, errDown
	}
	return s.Store.Open(ctx, key)
}

func TestStoreThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourier()
		s := &flaky{Store: c.Backend.Store()}
		c.store = s
		run, err := lambdapool.MapDetached(t.Context(), executor(t, c, lambdapool.WithLogger(slog.New(slog.DiscardHandler))), sleep,
			[]time.Duration{time.Second, time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		futures := run.Futures()
		if _, err := futures[0].Result(t.Context()); err != nil {
			t.Error(err)
		}
		s.down.Store(true)
		time.Sleep(10 * time.Minute)
		s.down.Store(false)
		if _, err := futures[1].Result(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A run is begun although the store comes up only later.
func TestStoreThatComesUpLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourier()
		s := &flaky{Store: c.Backend.Store()}
		c.store = s
		s.down.Store(true)
		time.AfterFunc(30*time.Second, func() { s.down.Store(false) })
		run, err := lambdapool.MapDetached(t.Context(), executor(t, c), double, numbers(10))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := run.Wait(t.Context()); err != nil || !cmp.Equal(got, doubled(10)) {
			t.Errorf("%v, %v", got, err)
		}
		s.down.Store(true)
		begun := time.Now()
		_, err = lambdapool.SubmitDetached(t.Context(), executor(t, c), double, 1)
		if took := time.Since(begun); !errors.Is(err, lambdapool.ErrStore) || !errors.Is(err, errDown) || took > 10*time.Minute {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// shifted is a store whose clock is not this machine's.
type shifted struct {
	lambdapool.Store

	by time.Duration
}

func (s shifted) List(ctx context.Context, prefix, after string) (lambdapool.Listing, error) {
	l, err := s.Store.List(ctx, prefix, after)
	l.Time = l.Time.Add(s.by)
	for i := range l.Objects {
		l.Objects[i].Modified = l.Objects[i].Modified.Add(s.by)
	}
	return l, err
}

// A client whose clock is wrong by hours, or becomes so, gives up nothing too early or late:
// only the store's clock counts.
func TestClockThatIsWrong(t *testing.T) {
	for _, by := range []time.Duration{-30 * time.Hour, 30 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			c := newCourier()
			c.deliver = func(n int) int { return min(1, n%2) }
			c.store = shifted{c.Backend.Store(), by}
			begun := time.Now()
			run, err := lambdapool.MapDetached(t.Context(), executor(t, c), sleep, slices.Repeat([]time.Duration{5 * time.Minute}, 4), lambdapool.StartWithin(10*time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			_, err = run.Wait(t.Context())
			if took := time.Since(begun); !errors.Is(err, lambdapool.ErrExpired) || took < 10*time.Minute || took > 11*time.Minute {
				t.Errorf("off by %v: after %v: %v", by, took, err)
			}
			if state, err := run.State(t.Context()); err != nil || state.Succeeded != 2 || state.Expired != 2 {
				t.Errorf("off by %v: %+v, %v", by, state, err)
			}
			c.store = shortLived{c.store, time.Now().Add(time.Hour)}
			e := executor(t, c)
			_, err = lambdapool.SubmitDetached(t.Context(), e, double, 1, lambdapool.StartWithin(44*time.Minute))
			if !errors.Is(err, lambdapool.ErrStore) || !strings.Contains(err.Error(), "StartWithin(43m0s)") {
				t.Errorf("off by %v, with credentials of an hour: %v", by, err)
			}
			if _, err := lambdapool.SubmitDetached(t.Context(), e, double, 1, lambdapool.StartWithin(43*time.Minute)); err != nil {
				t.Errorf("off by %v, within the hour: %v", by, err)
			}
		})
	}
}

// Closing the executor ends the waiting, not the run.
func TestCloseLeavesTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourier()
		e, err := lambdapool.New(c)
		if err != nil {
			t.Fatal(err)
		}
		run, err := lambdapool.SubmitDetached(t.Context(), e, sleep, time.Hour/6)
		if err != nil {
			t.Fatal(err)
		}
		f := run.Futures()[0]
		attached, err := e.Attach(t.Context(), run.ID())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := attached.Wait(nil); !errors.Is(err, lambdapool.ErrBadArguments) { //nolint:staticcheck // what happens then
			t.Errorf("without a context: %v", err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		var pool *lambdapool.PoolError
		if err := f.Err(); !errors.Is(err, lambdapool.ErrClosed) || !errors.As(err, &pool) || !strings.Contains(pool.Hint, run.ID()) {
			t.Errorf("%v", err)
		}
		for _, f := range attached.Futures() { // asked for too late
			if err := f.Err(); !errors.Is(err, lambdapool.ErrClosed) {
				t.Errorf("asked for after Close: %v", err)
			}
		}
		later, err := executor(t, c).Attach(t.Context(), run.ID())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := later.Futures()[0].Result(t.Context()); err != nil || got != time.Hour/6 {
			t.Errorf("%v, %v", got, err)
		}
	})
}

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
func TestLargeDetachedCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := executor(t, newCourier(), lambdapool.WithCompression(false))
		large := strings.Repeat("x", 3<<20)
		run, err := lambdapool.MapDetached(t.Context(), e, echo, []string{large, "small"})
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
