package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// seconds returns n durations of a second each.
func seconds(n int) []time.Duration { return slices.Repeat([]time.Duration{time.Second}, n) }

// A future tells how its call stands, and what is queued can be canceled without touching what runs.
func TestStateAndCancelQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := pool(t, lambdapool.WithWorkers(1))
		first := lambdapool.Submit(t.Context(), e, sleep, time.Second)
		second := lambdapool.Submit(t.Context(), e, sleep, time.Second)
		third := lambdapool.Submit(t.Context(), e, sleep, time.Second)
		synctest.Wait()
		if a, b := first.State(), second.State(); a != lambdapool.StateRunning || b != lambdapool.StateQueued {
			t.Errorf("%v and %v", a, b)
		}
		if first.CancelQueued() {
			t.Error("a call that runs was canceled")
		}
		if !second.CancelQueued() || second.CancelQueued() {
			t.Error("a call that waits is canceled once")
		}
		wantErr(t, second.Err(), lambdapool.ErrCanceled)
		if _, err := third.Result(t.Context()); err != nil {
			t.Error(err)
		}
		if a, b := first.State(), second.State(); a != lambdapool.StateDone || b != lambdapool.StateDone {
			t.Errorf("%v and %v", a, b)
		}
		if s := e.Stats(); s.Invocations != 2 || s.Canceled != 1 {
			t.Errorf("%+v", s)
		}
		if first.CancelQueued() {
			t.Error("a call that has ended was canceled")
		}
	})
	var none *lambdapool.Future[int]
	if none.State() != lambdapool.StateDone || none.CancelQueued() {
		t.Error("a nil future is done")
	}
	if s := fmt.Sprint(lambdapool.StateQueued, lambdapool.StateRunning, lambdapool.StateDone, lambdapool.State(9)); s != "queued running done State(9)" {
		t.Error(s)
	}
}

// Drain ends what waits, single calls and items, and waits for what runs. A run brings what it had in flight.
func TestDrain(t *testing.T) {
	for _, goOn := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			e := pool(t, lambdapool.WithWorkers(2))
			opts := []lambdapool.MapOption{lambdapool.ChunkSize(1)}
			if goOn {
				opts = append(opts, lambdapool.ContinueOnError())
			}
			type ended struct {
				values []time.Duration
				err    error
			}
			run := make(chan ended, 1)
			var landed lambdapool.Snapshot
			opts = append(opts, lambdapool.Progress(func(s lambdapool.Snapshot) { landed = s }))
			go func() {
				values, err := lambdapool.Map(t.Context(), e, sleep, seconds(5), opts...)
				run <- ended{values, err}
			}()
			synctest.Wait()
			single := lambdapool.Submit(t.Context(), e, sleep, 3*time.Second)
			waits := lambdapool.Submit(t.Context(), e, sleep, time.Second)
			time.Sleep(1500 * time.Millisecond) // two items have ended, one item and the single call run
			began := time.Now()
			if err := e.Drain(t.Context()); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took != 2500*time.Millisecond {
				t.Errorf("it took %v until the single call had ended", took)
			}
			if _, err := single.Result(t.Context()); err != nil {
				t.Errorf("what ran: %v", err)
			}
			wantErr(t, waits.Err(), lambdapool.ErrCanceled, lambdapool.ErrClosed)
			got := <-run
			wantErr(t, got.err, lambdapool.ErrCanceled, lambdapool.ErrClosed)
			if landed.Done != 3 || landed.Failed != 0 {
				t.Errorf("%+v", landed)
			}
			if goOn && !slices.Equal(got.values, append(seconds(3), 0, 0)) {
				t.Errorf("%v", got.values)
			}
			wantErr(t, lambdapool.Submit(t.Context(), e, sleep, 0).Err(), lambdapool.ErrClosed)
			if err := e.Drain(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// What fails while the executor drains is not tried again, and its error is its own; who waits no longer is told.
func TestDrainAndRetries(t *testing.T) {
	for _, chunk := range []int{0, 1, 3} { // 0: a single call
		synctest.Test(t, func(t *testing.T) {
			reg := lambdapool.NewRegistry()
			fn := lambdapool.RegisterIn(reg, "fails", func(_ context.Context, _ int) (int, error) {
				time.Sleep(time.Second)
				return 0, errNegative
			})
			e := pool(t, lambdapool.WithRegistry(reg), lambdapool.WithRetry(lambdapool.RetryPolicy{
				RetryFunctionError: func(*lambdapool.FunctionError) bool { return true },
			}))
			ended := make(chan error, 1)
			go func() {
				if chunk == 0 {
					_, err := lambdapool.Call(t.Context(), e, fn, 1)
					ended <- err
					return
				}
				_, err := lambdapool.Map(t.Context(), e, fn, make([]int, 3), lambdapool.ChunkSize(chunk), lambdapool.ContinueOnError())
				ended <- err
			}()
			synctest.Wait()
			short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			wantErr(t, e.Drain(short), lambdapool.ErrTimeout)
			if err := e.Drain(t.Context()); err != nil {
				t.Error(err)
			}
			var said *lambdapool.FunctionError
			if err := <-ended; !errors.As(err, &said) {
				t.Errorf("chunks of %d: %v", chunk, err)
			}
			if s := e.Stats(); s.Retries != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// A bounded queue holds Submit up, for as long as its context allows; TrySubmit does not wait.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := pool(t, lambdapool.WithWorkers(1), lambdapool.WithQueue(2))
		began := time.Now()
		var futures []*lambdapool.Future[time.Duration]
		for range 5 {
			futures = append(futures, lambdapool.Submit(t.Context(), e, sleep, time.Second))
		}
		if took := time.Since(began); took != 2*time.Second { // one runs, two wait, two had to wait for room
			t.Errorf("submitting took %v", took)
		}
		full := lambdapool.TrySubmit(t.Context(), e, sleep, time.Second)
		wantErr(t, full.Err(), lambdapool.ErrQueueFull)
		wantErr(t, e.TrySubmit(t.Context(), "test.sleep", time.Second).Err(), lambdapool.ErrQueueFull)
		short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		wantErr(t, lambdapool.Submit(short, e, sleep, time.Second).Err(), lambdapool.ErrTimeout)
		if values, err := lambdapool.Map(t.Context(), e, double, []int{1, 2, 3}); err != nil || len(values) != 3 {
			t.Errorf("a run is bounded by its window: %v, %v", values, err)
		}
		if _, err := lambdapool.Collect(t.Context(), futures...); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < 5*time.Second {
			t.Errorf("all took %v", took)
		}
		again := lambdapool.TrySubmit(t.Context(), e, sleep, time.Second)
		if !again.Cancel() { // leaves the queue
			t.Error("it was not canceled")
		}
		synctest.Wait()
		for range 3 {
			synctest.Wait()
			f := lambdapool.TrySubmit(t.Context(), e, sleep, time.Second)
			if f.Err() != nil {
				t.Error(f.Err())
			}
		}
		if s := e.Stats(); s.Submitted != 5+3+1+3 {
			t.Errorf("%+v", s)
		}
		synctest.Wait()
	})
}

// Whoever waits for room when the executor is closed is refused.
func TestQueueOfAClosedExecutor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := pool(t, lambdapool.WithWorkers(1), lambdapool.WithQueue(1))
		lambdapool.Submit(t.Context(), e, sleep, time.Second)
		synctest.Wait()
		lambdapool.Submit(t.Context(), e, sleep, time.Second)
		refused := make(chan error, 1)
		go func() { refused <- lambdapool.Submit(t.Context(), e, sleep, time.Second).Err() }()
		synctest.Wait()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		wantErr(t, <-refused, lambdapool.ErrClosed)
	})
}

// The number of workers changes while calls run, both ways.
func TestSetWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := executor(t, inproc.New(), lambdapool.WithWorkers(1))
		began := time.Now()
		var futures []*lambdapool.Future[time.Duration]
		for range 9 {
			futures = append(futures, lambdapool.Submit(t.Context(), e, sleep, time.Second))
		}
		synctest.Wait()
		running := func() int64 { synctest.Wait(); return e.Stats().Running }
		if err := e.SetWorkers(4); err != nil {
			t.Error(err)
		}
		if n := running(); n != 4 {
			t.Errorf("%d run with 4 workers", n)
		}
		time.Sleep(500 * time.Millisecond)
		if err := e.SetWorkers(2); err != nil {
			t.Error(err)
		}
		if n := running(); n != 4 {
			t.Errorf("%d run: nothing in flight ends", n)
		}
		time.Sleep(time.Second)
		if n := running(); n != 2 {
			t.Errorf("%d run with 2 workers", n)
		}
		if _, err := lambdapool.Collect(t.Context(), futures...); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 4*time.Second { // 4, 2, 2, 1
			t.Errorf("all took %v", took)
		}
	})
	wantErr(t, pool(t).SetWorkers(0), lambdapool.ErrBadArguments)
	wantErr(t, pool(t).SetWorkers(100_001), lambdapool.ErrBadArguments)
	wantErr(t, pool(t, lambdapool.WithWorkers(0)).SetWorkers(1), lambdapool.ErrBadArguments)
	if _, err := lambdapool.New(inproc.New(), lambdapool.WithQueue(0)); err == nil {
		t.Error("a queue of none")
	}
}
