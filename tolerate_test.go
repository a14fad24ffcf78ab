package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/journal"
)

// badAt returns a registry with a function that fails for the arguments given, and n arguments.
func badAt(n int, bad ...int) (*lambdapool.Registry, *lambdapool.Func[int, int], []int) {
	reg := lambdapool.NewRegistry()
	fn := lambdapool.RegisterIn(reg, "picky", func(_ context.Context, n int) (int, error) {
		if slices.Contains(bad, n) {
			return 0, fmt.Errorf("%d is bad", n)
		}
		return n, nil
	})
	args := make([]int, n)
	for i := range args {
		args[i] = i + 1
	}
	return reg, fn, args
}

// A run within its tolerance ends well, one beyond it is stopped: with the values that exist, and the first error.
func TestTolerateFailures(t *testing.T) {
	for _, tt := range []struct {
		opt     lambdapool.MapOption
		bad     []int
		stopped bool
	}{
		{lambdapool.TolerateFailures(2), []int{3, 7}, false},
		{lambdapool.TolerateFailures(2), []int{3, 7, 9}, true},
		{lambdapool.TolerateFailures(0), nil, false},
		{lambdapool.TolerateFailures(0), []int{3}, true},
		{lambdapool.TolerateFailurePercent(20), []int{3, 7, 9, 11}, false},
		{lambdapool.TolerateFailurePercent(20), []int{1, 2, 3, 7, 9}, true},
	} {
		for _, chunk := range []int{1, 4} {
			t.Run(fmt.Sprint(tt.bad, chunk), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					reg, fn, args := badAt(20, tt.bad...)
					e := pool(t, lambdapool.WithRegistry(reg), lambdapool.WithWorkers(1))
					values, err := lambdapool.Map(t.Context(), e, fn, args, lambdapool.ChunkSize(chunk), tt.opt)
					if len(values) != len(args) {
						t.Fatalf("%d values, %v", len(values), err)
					}
					for i, v := range values[:2] {
						if want := args[i]; v != want && !slices.Contains(tt.bad, want) {
							t.Errorf("item %d is %d", i, v)
						}
					}
					if !tt.stopped {
						if err != nil {
							t.Error(err)
						}
						return
					}
					wantErr(t, err, lambdapool.ErrTooManyFailures)
					if i := itemIndex(t, err); i != tt.bad[0]-1 {
						t.Errorf("the first is item %d: %v", i, err)
					}
					if !strings.Contains(err.Error(), "Tolerate") {
						t.Errorf("%v does not say which option", err)
					}
					if s := e.Stats(); chunk == 1 && s.Invocations == 20 {
						t.Errorf("it went on: %+v", s)
					}
				})
			})
		}
	}
}

// Streams yield what fails and end with the reason; an input without end is left.
func TestTolerateFailuresInStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, fn, _ := badAt(0, 3, 6, 9)
		e := pool(t, lambdapool.WithRegistry(reg), lambdapool.WithWorkers(1))
		endless := func(yield func(int) bool) {
			for i := 1; yield(i); i++ {
			}
		}
		for name, stream := range map[string]iter.Seq[error]{
			"in order": func(yield func(error) bool) {
				for _, err := range lambdapool.Stream(t.Context(), e, fn, endless, lambdapool.TolerateFailures(2), lambdapool.ChunkSize(1)) {
					if !yield(err) {
						return
					}
				}
			},
			"unordered": func(yield func(error) bool) {
				for r := range lambdapool.StreamUnordered(t.Context(), e, fn, endless, lambdapool.TolerateFailures(2), lambdapool.ChunkSize(2)) {
					if !yield(r.Err) {
						return
					}
				}
			},
		} {
			failed, last := 0, error(nil)
			for err := range stream {
				var said *lambdapool.FunctionError
				if errors.As(err, &said) {
					failed++
				}
				last = err
			}
			if failed != 3 {
				t.Errorf("%s: %d failed", name, failed)
			}
			wantErr(t, last, lambdapool.ErrTooManyFailures)
		}
		// Of a share of an input of unknown length the end decides, if it is short.
		last := error(nil)
		for _, err := range lambdapool.Stream(t.Context(), e, fn, slices.Values([]int{1, 2, 3, 4}), lambdapool.TolerateFailurePercent(10)) {
			last = err
		}
		wantErr(t, last, lambdapool.ErrTooManyFailures)
	})
}

// Failures that a journal has count; what other forms say of the tolerance.
func TestTolerateFailuresElsewhere(t *testing.T) {
	t.Parallel()
	reg, fn, args := badAt(10, 3, 6)
	e := pool(t, lambdapool.WithRegistry(reg), lambdapool.WithWorkers(1))
	dir := t.TempDir()
	if _, err := lambdapool.Map(t.Context(), e, fn, args, journal.WithJournal(dir), lambdapool.TolerateFailures(2)); err != nil {
		t.Error(err)
	}
	values, err := lambdapool.Map(t.Context(), e, fn, args, journal.WithJournal(dir), lambdapool.TolerateFailures(1))
	wantErr(t, err, lambdapool.ErrTooManyFailures)
	if len(values) != 10 || values[0] != 1 {
		t.Errorf("%v", values)
	}
	results, err := lambdapool.MapResults(t.Context(), e, fn, args, lambdapool.TolerateFailures(1), lambdapool.ChunkSize(1))
	wantErr(t, err, lambdapool.ErrTooManyFailures)
	if len(results) != 10 || results[2].Err == nil || results[0].Err != nil {
		t.Errorf("%v", results)
	}
	_, err = lambdapool.MapDetached(t.Context(), e, fn, args, lambdapool.TolerateFailures(1))
	wantErr(t, err, lambdapool.ErrBadArguments)
	for _, opt := range []lambdapool.MapOption{lambdapool.TolerateFailures(-1), lambdapool.TolerateFailurePercent(-1), lambdapool.TolerateFailurePercent(101)} {
		_, err = lambdapool.Map(t.Context(), e, fn, args, opt)
		wantErr(t, err, lambdapool.ErrBadArguments)
	}
}

// MapAsync is Map that nobody waits for: one future, one callback, chunks as those of Map.
func TestMapAsync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, fn, args := badAt(20, 7)
		e := pool(t, lambdapool.WithRegistry(reg), lambdapool.WithWorkers(2))
		f := lambdapool.MapAsync(t.Context(), e, fn, args, lambdapool.ChunkSize(5), lambdapool.ContinueOnError())
		called := make(chan struct{}, 2)
		f.OnDone(func(*lambdapool.Future[[]int]) { called <- struct{}{} })
		for i := range args {
			args[i] = -1 // the caller's again
		}
		values, err := f.Result(t.Context())
		if itemIndex(t, err) != 6 || len(values) != 20 || values[19] != 20 {
			t.Errorf("%v, %v", values, err)
		}
		<-called
		if s := e.Stats(); s.Invocations != 4 || s.Submitted != 20 {
			t.Errorf("%+v", s)
		}
		if f.State() != lambdapool.StateDone {
			t.Error(f.State())
		}
		wantErr(t, lambdapool.MapAsync(t.Context(), e, fn, args, nil).Err(), lambdapool.ErrBadArguments)
		wantErr(t, lambdapool.MapAsync(t.Context(), nil, fn, args).Err(), lambdapool.ErrBadArguments)
	})
}

// A MapAsync ends with its future, its context and its executor, and Drain waits for what it has in flight.
func TestMapAsyncEnds(t *testing.T) {
	for _, how := range []string{"cancel", "context", "close", "shutdown", "drain"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				e := pool(t, lambdapool.WithWorkers(1))
				f := lambdapool.MapAsync(ctx, e, sleep, seconds(3), lambdapool.ChunkSize(1), lambdapool.ContinueOnError())
				synctest.Wait()
				if f.State() != lambdapool.StateRunning {
					t.Error(f.State())
				}
				var err error
				switch how {
				case "cancel":
					f.Cancel()
				case "context":
					cancel()
				case "close":
					err = e.Close()
				case "shutdown":
					err = e.Shutdown(t.Context())
				case "drain":
					err = e.Drain(t.Context())
				}
				if err != nil {
					t.Error(err)
				}
				synctest.Wait()
				values, err := f.Result(t.Context())
				switch how {
				case "shutdown":
					if err != nil || len(values) != 3 {
						t.Errorf("%v, %v", values, err)
					}
				case "drain":
					wantErr(t, err, lambdapool.ErrCanceled)
					if !slices.Equal(values, append(seconds(1), 0, 0)) {
						t.Errorf("%v", values)
					}
				default:
					wantErr(t, err, lambdapool.ErrCanceled)
				}
			})
		})
	}
}
