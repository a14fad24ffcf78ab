package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
)

// from is a source of the numbers below n, which fails then with err, if that is not nil.
func from(n int, err error) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
		if err != nil && yield(-1, err) {
			panic("read on after its error")
		}
	}
}

// What came before a source failed is delivered, in order, and then its error, which is of no item.
func TestASourceFails(t *testing.T) {
	t.Parallel()
	e := pool(t)
	for _, n := range []int{0, 1, 7, 300} {
		for name, opts := range map[string][]lambdapool.MapOption{
			"plain":           nil,
			"chunks":          {lambdapool.ChunkSize(4), lambdapool.Window(9)},
			"ContinueOnError": {lambdapool.ContinueOnError()},
			"Total":           {lambdapool.Total(1000)},
		} {
			t.Run(fmt.Sprint(n, name), func(t *testing.T) {
				t.Parallel()
				var last lambdapool.Snapshot
				opts := append(slices.Clone(opts), snapshots(&last))
				var got []int
				var failed error
				for v, err := range lambdapool.StreamFrom(t.Context(), e, square, from(n, io.ErrUnexpectedEOF), opts...) {
					if failed != nil {
						t.Fatalf("%d, %v after %v", v, err, failed)
					}
					if failed = err; err == nil {
						got = append(got, v)
					}
				}
				var pool *lambdapool.PoolError
				if !errors.As(failed, &pool) || !errors.Is(failed, lambdapool.ErrInput) || !errors.Is(failed, io.ErrUnexpectedEOF) || pool.Outcome != lambdapool.OutcomeNotRun {
					t.Errorf("it ended with %v", failed)
				}
				if item := (*lambdapool.ItemError)(nil); errors.As(failed, &item) {
					t.Errorf("%v names item %d", failed, item.Index)
				}
				if len(got) != n || n > 0 && got[n-1] != (n-1)*(n-1) || !slices.IsSorted(got) {
					t.Errorf("%d results before it, want %d: %v", len(got), n, got)
				}
				wantCounts(t, last, n, 0, 0)
			})
		}
	}
}

func TestASourceFailsUnordered(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for r := range lambdapool.StreamUnorderedFrom(t.Context(), pool(t), square, from(100, io.ErrUnexpectedEOF)) {
		if seen[r.Index] = true; (r.Index == -1) != errors.Is(r.Err, lambdapool.ErrInput) {
			t.Errorf("%+v", r)
		}
	}
	if len(seen) != 101 {
		t.Errorf("%d results, want 100 and an error", len(seen))
	}
}

// A source that ends well is as good as a slice, again and again, and one that is nil is a mistake.
func TestASourceThatDoesNotFail(t *testing.T) {
	t.Parallel()
	e := pool(t)
	stream := lambdapool.StreamFrom(t.Context(), e, square, from(5, nil))
	for range 2 {
		var got []int
		for v, err := range stream {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, v)
		}
		if !slices.Equal(got, []int{0, 1, 4, 9, 16}) {
			t.Errorf("%v", got)
		}
	}
	for _, err := range lambdapool.StreamFrom(t.Context(), e, square, nil) {
		if !errors.Is(err, lambdapool.ErrBadArguments) {
			t.Errorf("a nil source: %v", err)
		}
	}
	for r := range lambdapool.StreamUnorderedFrom(t.Context(), e, square, nil) {
		if !errors.Is(r.Err, lambdapool.ErrBadArguments) || r.Index != -1 {
			t.Errorf("a nil source: %+v", r)
		}
	}
}

// What ends a run before its source fails is what the run says.
func TestASourceFailsTooLate(t *testing.T) {
	t.Parallel()
	e := pool(t)
	for _, err := range lambdapool.StreamFrom(t.Context(), e, root, func(yield func(float64, error) bool) {
		_ = yield(-9, nil) && yield(0, io.ErrUnexpectedEOF)
	}) {
		if item := (*lambdapool.ItemError)(nil); !errors.As(err, &item) || item.Index != 0 {
			t.Errorf("an item had failed, and it ended with %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	for _, err := range lambdapool.StreamFrom(ctx, e, square, func(yield func(int, error) bool) {
		cancel()
		_ = yield(0, ctx.Err())
	}) {
		if !errors.Is(err, lambdapool.ErrCanceled) {
			t.Errorf("its context had ended, and it ended with %v", err)
		}
	}
}

// A wildError does what no error's method should.
type wildError struct{}

func (wildError) Error() string { panic("no text") }

func TestASourcesErrorIsContained(t *testing.T) {
	t.Parallel()
	n := 0
	for _, err := range lambdapool.StreamFrom(t.Context(), pool(t), square, from(0, wildError{})) {
		if n++; !errors.Is(err, lambdapool.ErrInput) || !strings.Contains(err.Error(), "wildError") {
			t.Errorf("%v", err)
		}
	}
	if n != 1 {
		t.Errorf("%d results", n)
	}
}
