package agent_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/codec"
)

// wantNotBegun checks that the items from the given one on, and no others, are told as not begun.
func wantNotBegun(t *testing.T, items []codec.ItemReply, from int) {
	t.Helper()
	for i, item := range items {
		if got := item.Err != nil && item.Err.Kind == codec.KindNotBegun; got != (i >= from) {
			t.Errorf("item %d of %d: not begun is %t, want %t: %+v", i, len(items), got, i >= from, item.Err)
			return
		}
		if i >= from && (item.Err.Message != "" || item.Run != 0 || item.Value != nil) {
			t.Errorf("item %d says more than that it was not begun: %+v", i, item)
		}
	}
}

// A value that was computed is delivered, whatever becomes of its neighbors.
func TestValuesOutliveTheirNeighbors(t *testing.T) {
	type ring struct{ Next *ring }
	const limit = 50_000
	ends := map[string]func(ctx context.Context) (*ring, error){
		"error":          func(context.Context) (*ring, error) { return nil, errors.New("no") },
		"panic":          func(context.Context) (*ring, error) { panic("no") },
		"panics in text": func(context.Context) (*ring, error) { panic(hostile{}) },
		"Goexit":         func(context.Context) (*ring, error) { runtime.Goexit(); return new(ring), nil },
		"unencodable":    func(context.Context) (*ring, error) { p := new(ring); p.Next = p; return p, nil },
		"long error":     func(context.Context) (*ring, error) { return nil, errors.New(string(make([]byte, 2*limit))) },
		"deadline":       func(ctx context.Context) (*ring, error) { <-ctx.Done(); return nil, ctx.Err() },
		"ignores it":     func(context.Context) (*ring, error) { <-time.After(time.Hour); return new(ring), nil },
	}
	for name, end := range ends {
		for _, remaining := range []time.Duration{0, 3 * time.Second} {
			for _, parallel := range []int{1, 2, 10} {
				t.Run(fmt.Sprint(name, remaining, parallel), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						r := lambdapool.NewRegistry()
						lambdapool.RegisterIn(r, "seven", func(ctx context.Context, n int) (*ring, error) {
							if n == 7 {
								return end(ctx)
							}
							return &ring{}, nil
						})
						h := agent.NewHandler(r)
						h.MaxReply = limit
						ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
						defer cancel()
						req := request(t, r, "seven", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
						req.Remaining, req.Parallel = remaining, parallel
						data, err := h.Invoke(ctx, encode(t, req))
						if err != nil || ctx.Err() != nil {
							t.Fatal(err, ctx.Err())
						}
						items := decodeReply(t, data).Items
						for i, item := range items {
							switch {
							case i == 6:
								if item.Err == nil || item.Err.Kind == codec.KindNotBegun {
									t.Errorf("the item itself: %+v", item.Err)
								}
							case item.Err == nil:
							case item.Err.Kind == codec.KindNotBegun && parallel == 1 && i > 6: // it held up the others
							default:
								t.Errorf("item %d: %+v", i, item.Err)
							}
						}
						h.Wait(t.Context())
					})
				})
			}
		}
	}
}

type hostile struct{}

func (hostile) Error() string { panic("in Error") }

// An item is not begun when it would not end in time if it takes as long as those before;
// what is not begun is not begun later either.
func TestNoItemWithoutTime(t *testing.T) {
	const second = time.Second
	for _, tt := range []struct {
		name      string
		remaining time.Duration
		parallel  int
		takes     []any
		arrive    int
		answered  time.Duration
	}{
		{"all", 10 * second, 1, []any{second, second, second, second}, 4, 4 * second},
		{"the last would be cut short", 2 * second, 1, []any{second, second, second}, 1, second},
		{"several", 4 * second, 2, []any{second, second, second, second, second, second, second}, 6, 3 * second},
		{"one that runs tells as much", 2 * second, 2, []any{2 * second, second, second}, 2, 2 * second},
		{"the first whatever is left", second, 1, []any{time.Minute, second}, 1, second},
		{"no time at all", 1, 1, []any{second, second}, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := napping()
				req := request(t, r, "wait", tt.takes...)
				req.Remaining, req.Parallel = tt.remaining, tt.parallel
				began := time.Now()
				reply := invoke(t, agent.NewHandler(r), req)
				if got := time.Since(began); got != tt.answered {
					t.Errorf("answered after %v, want %v", got, tt.answered)
				}
				wantNotBegun(t, reply.Items, tt.arrive)
			})
		})
	}
}

// In a request that asks for it, nothing is begun after a failure; what runs ends.
func TestNothingIsBegunAfterAFailure(t *testing.T) {
	for _, stop := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var ran atomic.Int64
			r := lambdapool.NewRegistry()
			lambdapool.RegisterIn(r, "third", func(_ context.Context, n int) (int, error) {
				ran.Add(1)
				<-time.After(time.Duration(n) * time.Second)
				if n == 3 {
					return 0, errors.New("the third")
				}
				return n, nil
			})
			req := request(t, r, "third", 1, 5, 3, 1, 1, 1)
			req.Parallel, req.Stop = 2, stop
			reply := invoke(t, agent.NewHandler(r), req)
			if got := result[int](t, reply.Items[1]); got != 5 {
				t.Errorf("the item that ran meanwhile is %d", got)
			}
			if stop {
				wantNotBegun(t, reply.Items, 3)
			} else {
				wantNotBegun(t, reply.Items, 6)
			}
			for i, item := range reply.Items {
				if begun := item.Err == nil || item.Err.Kind != codec.KindNotBegun; begun && i != 2 && item.Err != nil {
					t.Errorf("item %d: %+v", i, item.Err)
				}
			}
			if want := map[bool]int64{true: 3, false: 6}[stop]; ran.Load() != want {
				t.Errorf("%d items ran, want %d", ran.Load(), want)
			}
		})
	}
}

// The end of the platform's time is no reason to keep silent: whoever can still be answered is.
func TestLateAnswerIsAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := lambdapool.NewRegistry()
		lambdapool.RegisterIn(r, "late", func(_ context.Context, n int) (int, error) {
			if n == 2 {
				return 0, errors.New("no")
			}
			return n, nil
		})
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		data, err := agent.NewHandler(r).Invoke(ctx, encode(t, request(t, r, "late", 1, 2)))
		if err != nil {
			t.Fatal(err)
		}
		wantNotBegun(t, decodeReply(t, data).Items, 0)
	})
}

// Where nothing can be sent again, an item that takes all the time does not hold up those behind
// it: they are begun beside it. Where they can, or where the caller has set how many run at
// once, they are given back.
func TestItemsPassOneThatHoldsThemUp(t *testing.T) {
	for _, tt := range []struct {
		last     bool
		parallel int
		arrive   int
	}{{true, 0, 10}, {false, 0, 4}, {true, 1, 4}} {
		synctest.Test(t, func(t *testing.T) {
			t.Setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769") // one at a time
			r := napping()
			args := []any{time.Millisecond, time.Millisecond, time.Millisecond, time.Hour}
			for range 3 {
				args = append(args, time.Hour, 100*time.Millisecond)
			}
			req := request(t, r, "wait", args...)
			req.Remaining, req.Last, req.Parallel = 4*time.Second, tt.last, tt.parallel
			began := time.Now()
			reply := invoke(t, agent.NewHandler(r), req)
			if took := time.Since(began); took != 4*time.Second {
				t.Errorf("took %v", took)
			}
			wantNotBegun(t, reply.Items, tt.arrive)
			for i := range tt.arrive {
				if long := args[i] == time.Hour; !long && reply.Items[i].Err != nil {
					t.Errorf("item %d: %+v", i, reply.Items[i].Err)
				}
			}
		})
	}
}
