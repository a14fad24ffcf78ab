package lambdapool_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/lambdapool/lambdapool"
)

// What failed is run again in a run of its own, which knows where its calls were; so can that one be retried.
func TestRetryFailed(t *testing.T) {
	for _, chunk := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			var round atomic.Int64
			reg := lambdapool.NewRegistry()
			fn := lambdapool.RegisterIn(reg, "picky", func(_ context.Context, n int) (int, error) {
				if n%3 == 0 && round.Load() == 0 || n%6 == 0 && round.Load() == 1 {
					return 0, errNegative
				}
				return n, nil
			})
			b := newCourier()
			e := executor(t, b, lambdapool.WithRegistry(reg))
			run, err := lambdapool.MapDetached(t.Context(), e, fn, numbers(13), lambdapool.RunName("nightly"), lambdapool.ChunkSize(chunk))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := run.Wait(t.Context()); err == nil {
				t.Fatal("nothing failed")
			}
			for i, want := range [][]int{{0, 3, 6, 9, 12}, {0, 6, 12}} {
				round.Store(int64(i + 1))
				again, err := run.RetryFailed(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if name := []string{"nightly.retry-1", "nightly.retry-2"}[i]; again.ID() != name || again.Info().RetryOf != "nightly" {
					t.Errorf("%q of %q", again.ID(), again.Info().RetryOf)
				}
				var got []int
				for k := range again.Len() {
					got = append(got, again.Position(k))
				}
				if !slices.Equal(got, want) {
					t.Errorf("calls %v, want %v", got, want)
				}
				twice, err := run.RetryFailed(t.Context()) // the same run, whoever asks
				if err != nil || twice.ID() != again.ID() {
					t.Errorf("%v", err)
				}
				values, err := again.Wait(t.Context())
				if i == 0 {
					if err == nil {
						t.Error("nothing failed")
					}
				} else if err != nil || !slices.Equal(values, want) {
					t.Errorf("%v, %v", values, err)
				}
				if found, err := e.Attach(t.Context(), again.ID()); err != nil || found.Position(1) != want[1] {
					t.Errorf("attached: %v", err)
				}
				run = again
			}
			_, err = run.RetryFailed(t.Context())
			wantErr(t, err, lambdapool.ErrBadArguments)
			first, err := e.AttachEncoded(t.Context(), "nightly") // a program that has not the function
			if err != nil {
				t.Fatal(err)
			}
			other, err := first.RetryFailed(t.Context())
			if err != nil || other.ID() != "nightly.retry-1" || first.Position(7) != 7 {
				t.Errorf("%v", err)
			}
		})
	}
}

// Calls that were canceled are retried, those that go on are not; without arguments nothing is.
func TestRetryFailedOfWhatDidNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCourier()
		b.deliver = func(n int) int { return n % 2 } // every other is lost
		e := executor(t, b)
		run, err := lambdapool.MapDetached(t.Context(), e, double, numbers(6), lambdapool.RunName("half"))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		_, err = run.RetryFailed(t.Context())
		wantErr(t, err, lambdapool.ErrBadArguments)
		if n, err := run.Cancel(t.Context()); n != 3 || err != nil {
			t.Fatal(n, err)
		}
		b.deliver = nil
		again, err := run.RetryFailed(t.Context())
		if err != nil || again.Len() != 3 {
			t.Fatal(err)
		}
		values, err := again.Wait(t.Context())
		if err != nil || len(values) != 3 || values[0] != 2*again.Position(0) {
			t.Errorf("%v, %v", values, err)
		}
		for o := range listed(t, b.Store(), "runs/half/input/") {
			if err := b.Store().Delete(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.DeleteRun(t.Context(), again.ID()); err != nil {
			t.Fatal(err)
		}
		_, err = run.RetryFailed(t.Context())
		wantErr(t, err, lambdapool.ErrRunNotFound)
		var pool *lambdapool.PoolError
		if !errors.As(err, &pool) || pool.Hint == "" {
			t.Errorf("%v says nothing of what to do", err)
		}
	})
}

// listed yields the keys below a prefix.
func listed(t *testing.T, s lambdapool.Store, prefix string) func(func(string) bool) {
	return func(yield func(string) bool) {
		page, err := s.List(t.Context(), prefix, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			if !yield(o.Key) {
				return
			}
		}
	}
}
