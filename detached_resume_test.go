package lambdapool_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
)

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
