package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// snapshots keeps the last one.
func snapshots(last *lambdapool.Snapshot) lambdapool.MapOption {
	return lambdapool.Progress(func(s lambdapool.Snapshot) { *last = s })
}

// wantCounts checks how a run has ended.
func wantCounts(t *testing.T, s lambdapool.Snapshot, done, failed, canceled int) {
	t.Helper()
	if !s.Final || s.Done != done || s.Failed != failed || s.Canceled != canceled || s.Items != done+failed+canceled || s.Running != 0 || s.Queued != 0 {
		t.Errorf("last snapshot = %+v, want %d done, %d failed, %d canceled", s, done, failed, canceled)
	}
}

// itemsOf returns the items that err names.
func itemsOf(err error) (all []int) {
	for item := range lambdapool.ItemErrors(err) {
		all = append(all, item.Index)
	}
	return all
}

// A run whose context ends names every item that has no value, also those that were never taken in.
func TestEveryIndexIsAccountedFor(t *testing.T) {
	const n, workers, rounds = 5000, 2, 30
	seconds := slices.Repeat([]time.Duration{time.Second}, n)
	lists := make([][]any, n)
	for i := range lists {
		lists[i] = []any{time.Second}
	}
	runs := map[string]func(ctx context.Context, e *lambdapool.Executor, opts ...lambdapool.MapOption) (missing []int, values int, err error){
		"Map": func(ctx context.Context, e *lambdapool.Executor, opts ...lambdapool.MapOption) ([]int, int, error) {
			got, err := lambdapool.Map(ctx, e, sleep, seconds, append(opts, lambdapool.ContinueOnError())...)
			return itemsOf(err), len(got) - len(slices.DeleteFunc(got, func(d time.Duration) bool { return d == 0 })), err
		},
		"StarMap": func(ctx context.Context, e *lambdapool.Executor, opts ...lambdapool.MapOption) ([]int, int, error) {
			got, err := lambdapool.StarMap(ctx, e, "test.sleep", lists, append(opts, lambdapool.ContinueOnError())...)
			return itemsOf(err), len(got) - len(slices.DeleteFunc(got, func(v any) bool { return v == nil })), err
		},
		"MapResults": func(ctx context.Context, e *lambdapool.Executor, opts ...lambdapool.MapOption) (missing []int, zeros int, err error) {
			got, err := lambdapool.MapResults(ctx, e, sleep, seconds, opts...)
			for i, r := range got {
				if r.Index != i {
					t.Fatalf("result %d has index %d", i, r.Index)
				}
				if r.Err != nil {
					missing = append(missing, itemsOf(r.Err)...)
				}
				if r.Value == 0 {
					zeros++
				}
			}
			return missing, zeros, err
		},
		"StarMapResults": func(ctx context.Context, e *lambdapool.Executor, opts ...lambdapool.MapOption) (missing []int, zeros int, err error) {
			got, err := lambdapool.StarMapResults(ctx, e, "test.sleep", lists, opts...)
			for _, r := range got {
				missing = append(missing, itemsOf(r.Err)...)
				if r.Value == nil {
					zeros++
				}
			}
			return missing, zeros, err
		},
	}
	ends := map[string]struct {
		ctx  func(t *testing.T) context.Context
		kind error
	}{
		"deadline": {func(t *testing.T) context.Context {
			ctx, cancel := context.WithTimeout(t.Context(), rounds*time.Second+500*time.Millisecond)
			t.Cleanup(cancel)
			return ctx
		}, lambdapool.ErrTimeout},
		"cancel": {func(t *testing.T) context.Context {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(rounds*time.Second+500*time.Millisecond, cancel)
			return ctx
		}, lambdapool.ErrCanceled},
	}
	for name, run := range runs {
		for how, end := range ends {
			t.Run(name+" "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := pool(t, lambdapool.WithWorkers(workers))
					var last lambdapool.Snapshot
					missing, zeros, err := run(end.ctx(t), e, lambdapool.ChunkSize(1), snapshots(&last))
					wantErr(t, err, end.kind)
					const done = workers * rounds
					if len(missing) != n-done || zeros != n-done || !slices.IsSorted(missing) || len(slices.Compact(missing)) != n-done {
						t.Errorf("%d items are named, %d have no value; want %d of both", len(missing), zeros, n-done)
					}
					wantCounts(t, last, done, 0, n-done)
					if last.Total != n {
						t.Errorf("Total = %d", last.Total)
					}
				})
			})
		}
	}
}

// What was refused is counted as well.
func TestRefusedItemsAreCounted(t *testing.T) {
	var last lambdapool.Snapshot
	e := pool(t)
	got, err := lambdapool.StarMap(t.Context(), e, add, [][]any{{1, 2}, {1}, {"x", 1}, {3, 4}, {1, 2, 3}},
		lambdapool.ContinueOnError(), snapshots(&last))
	if !slices.Equal(got, []any{3, nil, nil, 7, nil}) || !slices.Equal(itemsOf(err), []int{1, 2, 4}) {
		t.Errorf("StarMap = %v, %v", got, err)
	}
	wantCounts(t, last, 2, 3, 0)
	if s := e.Stats(); s.Submitted != 2 || s.Succeeded != 2 || s.PoolErrors != 0 {
		t.Errorf("the executor never accepted what was refused: %+v", s)
	}
}

// A value that cannot be decoded is a failure, in every count.
func TestAValueThatCannotBeDecodedIsCountedAsFailed(t *testing.T) {
	var last lambdapool.Snapshot
	e := pool(t)
	got, err := lambdapool.MapResults(t.Context(), e, poison, []byte{1, 2, 3}, snapshots(&last))
	if err != nil || got[1].Err == nil || !errors.Is(got[1].Err, lambdapool.ErrDecode) {
		t.Errorf("MapResults = %v, %v", got, err)
	}
	wantCounts(t, last, 2, 1, 0)
	if s := e.Stats(); s.Succeeded != 2 || s.PoolErrors != 1 {
		t.Errorf("%+v", s)
	}
}

// A poisoned value encodes, and refuses to be decoded when it is 2.
type poisoned struct{ n byte }

func (p poisoned) MarshalBinary() ([]byte, error) { return []byte{p.n}, nil }
func (p *poisoned) UnmarshalBinary(data []byte) error {
	if p.n = data[0]; p.n == 2 {
		return errors.New("no twos")
	}
	return nil
}

var poison = lambdapool.Register("test.poison", func(_ context.Context, n byte) (poisoned, error) { return poisoned{n}, nil })

// However a run ends, its last snapshot accounts for every item that was taken in.
func TestTheLastSnapshotAddsUp(t *testing.T) {
	endless := func(yield func(time.Duration) bool) {
		for yield(time.Second) {
		}
	}
	for name, run := range map[string]func(t *testing.T, e *lambdapool.Executor, opt lambdapool.MapOption){
		"first error": func(t *testing.T, e *lambdapool.Executor, opt lambdapool.MapOption) {
			args := make([]int, 300)
			args[100] = -1
			if _, err := lambdapool.Map(t.Context(), e, half, args, opt, lambdapool.ChunkSize(1)); err == nil {
				t.Error("no error")
			}
		},
		"break": func(t *testing.T, e *lambdapool.Executor, opt lambdapool.MapOption) {
			for range lambdapool.Stream(t.Context(), e, sleep, endless, opt) {
				break
			}
		},
		"close": func(t *testing.T, e *lambdapool.Executor, opt lambdapool.MapOption) {
			time.AfterFunc(2500*time.Millisecond, func() { e.Close() })
			_, err := lambdapool.Map(t.Context(), e, sleep, slices.Repeat([]time.Duration{time.Second}, 1000), opt, lambdapool.ContinueOnError())
			wantErr(t, err, lambdapool.ErrClosed)
		},
		"timeout": func(t *testing.T, e *lambdapool.Executor, opt lambdapool.MapOption) {
			ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
			defer cancel()
			for range lambdapool.StreamUnordered(ctx, e, sleep, endless, opt, lambdapool.ContinueOnError()) {
			}
		},
		"panic of the input": func(t *testing.T, e *lambdapool.Executor, opt lambdapool.MapOption) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			for range lambdapool.Stream(t.Context(), e, sleep, func(yield func(time.Duration) bool) {
				yield(time.Second)
				panic("input")
			}, opt) {
			}
		},
		"closed before": func(t *testing.T, e *lambdapool.Executor, opt lambdapool.MapOption) {
			e.Close()
			got, err := lambdapool.Map(t.Context(), e, double, upTo(10), opt, lambdapool.ContinueOnError())
			if wantErr(t, err, lambdapool.ErrClosed); len(got) != 10 || len(itemsOf(err)) != 10 {
				t.Errorf("%d values, %d errors", len(got), len(itemsOf(err)))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var last lambdapool.Snapshot
				run(t, pool(t, lambdapool.WithWorkers(4)), snapshots(&last))
				wantCounts(t, last, last.Done, last.Failed, last.Canceled)
			})
		})
	}
}

// Over nothing there is no item to name.
func TestEmptyRunsThatCannotBegin(t *testing.T) {
	closed := pool(t)
	closed.Close()
	open := pool(t)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithTimeout(t.Context(), -1)
	defer cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		e    *lambdapool.Executor
		kind error
	}{
		{"closed", t.Context(), closed, lambdapool.ErrClosed},
		{"canceled", canceled, open, lambdapool.ErrCanceled},
		{"late", late, open, lambdapool.ErrTimeout},
		{"no executor", t.Context(), nil, lambdapool.ErrBadArguments},
	} {
		for n := range 2 { // of one item it is the run that cannot begin, too
			for _, opts := range [][]lambdapool.MapOption{nil, {lambdapool.ContinueOnError()}} {
				for name, run := range map[string]func() (int, error){
					"Map": func() (int, error) {
						got, err := lambdapool.Map(tt.ctx, tt.e, double, upTo(n), opts...)
						return len(got), err
					},
					"StarMap": func() (int, error) {
						got, err := lambdapool.StarMap(tt.ctx, tt.e, "test.double", make([][]any, n), opts...)
						return len(got), err
					},
					"MapResults": func() (int, error) {
						got, err := lambdapool.MapResults(tt.ctx, tt.e, double, upTo(n), opts...)
						return len(got), err
					},
					"Stream": func() (results int, last error) {
						for _, err := range lambdapool.Stream(tt.ctx, tt.e, double, slices.Values(upTo(n)), opts...) {
							results++
							last = err
						}
						return results - 1, last
					},
					"StreamUnordered": func() (results int, last error) {
						for r := range lambdapool.StreamUnordered(tt.ctx, tt.e, double, slices.Values(upTo(n)), opts...) {
							results++
							if last = r.Err; r.Index != -1 {
								t.Errorf("Result.Index = %d, want -1", r.Index)
							}
						}
						return results - 1, last
					},
				} {
					results, err := run()
					if !errors.Is(err, tt.kind) {
						t.Errorf("%s, %d items, %s: %v does not match %v", tt.name, n, name, err, tt.kind)
						continue
					}
					if each := n == 1 && results == 1; !each && strings.Contains(err.Error(), "item 0") {
						t.Errorf("%s, %s: %v", tt.name, name, err)
					}
					if strings.HasPrefix(name, "Stream") && results != 0 {
						t.Errorf("%s, %s: %d results", tt.name, name, results+1)
					}
				}
			}
		}
	}
	got, err := lambdapool.MapResults(t.Context(), open, double, nil)
	if err != nil || got == nil || len(got) != 0 {
		t.Errorf("MapResults over nothing = %#v, %v", got, err)
	}
}

// An error of ten thousand items is as long as what is read of it; nothing is lost.
func TestTheTextOfManyErrors(t *testing.T) {
	e := pool(t)
	args := slices.Repeat([]int{-1}, 10_000)
	_, err := lambdapool.Map(t.Context(), e, half, args, lambdapool.ContinueOnError())
	wantErr(t, err, errNegative)
	if n := len(err.(interface{ Unwrap() []error }).Unwrap()); n != len(args) || len(itemsOf(err)) != n {
		t.Errorf("%d errors, %d of them items", n, len(itemsOf(err)))
	}
	want := ""
	for i := range 10 {
		want += fmt.Sprintf("item %d: lambdapool: call test.half: half of -1: negative\n", i)
	}
	want += "and 9,990 more"
	for _, verb := range []string{"%v", "%s", "%q", "%+v", "%d", "%#v"} {
		text := fmt.Sprintf(verb, err)
		if len(text) > 4096 || !strings.Contains(text, "and 9,990 more") {
			t.Errorf("%s: %d bytes: %.200s…", verb, len(text), text)
		}
	}
	if got := err.Error(); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if text := fmt.Sprintf("%+v", err); !strings.Contains(text, "wraps: negative (*errors.errorString)") {
		t.Errorf("%%+v has no details: %s", text)
	}

	// Long messages are cut, where there is more than one.
	long := strings.Repeat("é", 5000)
	_, err = lambdapool.Map(t.Context(), e, fail, slices.Repeat([]string{long}, 100), lambdapool.ContinueOnError())
	if text := err.Error(); len(text) > 8192 || !strings.Contains(text, "…\nitem 1:") {
		t.Errorf("%d bytes", len(text))
	}
	_, err = lambdapool.Map(t.Context(), e, fail, []string{long}, lambdapool.ContinueOnError())
	if text := err.Error(); !strings.HasSuffix(text, long) {
		t.Errorf("a single error is cut: %d bytes", len(text))
	}
}

var fail = lambdapool.Register("test.fail", func(_ context.Context, text string) (int, error) { return 0, errors.New(text) })

func TestItemErrors(t *testing.T) {
	item := func(i int, err error) error { return &lambdapool.ItemError{Index: i, Err: err} }
	leaf := errors.New("leaf")
	var cycle biter
	cycle.inner = &cycle
	for _, tt := range []struct {
		err  error
		want []int
	}{
		{nil, nil},
		{leaf, nil},
		{item(3, leaf), []int{3}},
		{fmt.Errorf("run: %w", item(3, leaf)), []int{3}},
		{errors.Join(item(1, leaf), fmt.Errorf("two: %w", errors.Join(item(2, leaf), leaf, item(4, leaf))), item(0, leaf)), []int{1, 2, 4, 0}},
		{item(7, errors.Join(item(8, leaf))), []int{7}}, // of another run
		{errors.Join(&cycle, item(1, leaf)), []int{1}},
	} {
		if got := itemsOf(tt.err); !slices.Equal(got, tt.want) {
			t.Errorf("%v: %v, want %v", tt.err, got, tt.want)
		}
		for range lambdapool.ItemErrors(tt.err) {
			break
		}
	}
}

// A biter is an error that wraps itself.
type biter struct{ inner error }

func (b *biter) Error() string { return "biter" }
func (b *biter) Unwrap() error { return b.inner }

func TestTotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := executor(t, inproc.New(), lambdapool.WithWorkers(1))
		for _, tt := range []struct{ said, items, first, last int }{
			{10, 10, 10, 10}, {10, 4, 10, 4}, {4, 10, 4, 10}, {0, 3, 0, 3}, {3, 0, 3, 0},
		} {
			var seen []lambdapool.Snapshot
			naps := func(yield func(time.Duration) bool) {
				time.Sleep(time.Millisecond) // so that the first Snapshot is older than the input's end
				for range tt.items {
					if !yield(time.Second) {
						return
					}
				}
			}
			for _, err := range lambdapool.Stream(t.Context(), e, sleep, naps,
				lambdapool.ChunkSize(1), lambdapool.Window(1), lambdapool.Total(tt.said),
				lambdapool.Progress(func(s lambdapool.Snapshot) { seen = append(seen, s) })) {
				if err != nil {
					t.Error(err)
				}
			}
			first, last := seen[0], seen[len(seen)-1]
			if first.Total != tt.first || last.Total != tt.last || last.Done != tt.items || last.ETA != 0 {
				t.Errorf("Total(%d) of %d items: first %+v, last %+v", tt.said, tt.items, first, last)
			}
			if tt.said == 10 && tt.items == 10 {
				if mid := seen[len(seen)/2]; mid.ETA < time.Second || mid.ETA > 10*time.Second {
					t.Errorf("ETA in the middle: %+v", mid)
				}
			}
		}
		_, err := lambdapool.Map(t.Context(), e, double, upTo(3), lambdapool.Total(3))
		if err != nil {
			t.Error(err)
		}
		for _, n := range []int{-1, 2, 4} {
			if _, err := lambdapool.Map(t.Context(), e, double, upTo(3), lambdapool.Total(n)); !errors.Is(err, lambdapool.ErrBadArguments) {
				t.Errorf("Total(%d) of a Map of 3: %v", n, err)
			}
		}
	})
}
