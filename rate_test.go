package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// A clockwork is a function that notes when it was called.
type clockwork struct {
	mu   sync.Mutex
	at   map[int][]time.Time
	fail func(n, try int) error
	took time.Duration
}

func (c *clockwork) run(_ context.Context, n int) (int, error) {
	c.mu.Lock()
	c.at[n] = append(c.at[n], time.Now())
	try := len(c.at[n])
	c.mu.Unlock()
	time.Sleep(c.took)
	if c.fail != nil {
		return n, c.fail(n, try)
	}
	return n, nil
}

// most returns how many calls of those that count began in any second at most, and how many there were.
func (c *clockwork) most(counts func(n int) bool) (most, all int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var at []time.Time
	for n, times := range c.at {
		if counts(n) {
			at = append(at, times...)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	first := 0
	for i := range at {
		for at[i].Sub(at[first]) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most, len(at)
}

func every(int) bool { return true }

func firstInts(n int) []int {
	args := make([]int, n)
	for i := range args {
		args[i] = i
	}
	return args
}

// No more items begin in a second than MaxRate allows and a tenth, whatever the chunks, with retries, and in each form.
func TestMaxRate(t *testing.T) {
	again := lambdapool.WithRetry(lambdapool.RetryPolicy{BaseDelay: time.Nanosecond, MaxDelay: 1, RetryFunctionError: func(*lambdapool.FunctionError) bool { return true }})
	for _, rate := range []float64{2, 50} {
		for _, chunk := range []int{0, 1, 7} {
			for _, workers := range []int{0, 1, 32} {
				for _, retries := range []bool{false, true} {
					t.Run(fmt.Sprint(rate, chunk, workers, retries), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							c := &clockwork{at: map[int][]time.Time{}}
							if retries {
								c.fail = func(n, try int) error {
									if n%3 == 0 && try < 3 {
										return errNegative
									}
									return nil
								}
							}
							reg := lambdapool.NewRegistry()
							fn := lambdapool.RegisterIn(reg, "tick", c.run)
							e := pool(t, lambdapool.WithRegistry(reg), lambdapool.WithWorkers(workers), again)
							n := int(6 * rate)
							began := time.Now()
							values, err := lambdapool.Map(t.Context(), e, fn, firstInts(n), lambdapool.MaxRate(rate), lambdapool.ChunkSize(chunk))
							if err != nil || !slices.Equal(values, firstInts(n)) {
								t.Fatalf("%v", err)
							}
							most, all := c.most(every)
							if most > int(rate+rate/10)+1 && (!retries || workers != 0) { // inline, a retry is the submitter's
								t.Errorf("%d in a second", most)
							}
							if took := time.Since(began); took > time.Duration(1.3*float64(all)/rate*float64(time.Second)) {
								t.Errorf("%d calls took %v", all, took)
							}
						})
					})
				}
			}
		}
	}
}

// Each key has its own rate, and holds up no other; both bounds hold together.
func TestMaxRateBy(t *testing.T) {
	for _, all := range []float64{0, 8} {
		for _, form := range []string{"map", "stream", "unordered", "async"} {
			t.Run(fmt.Sprint(all, form), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := &clockwork{at: map[int][]time.Time{}, took: 10 * time.Millisecond}
					reg := lambdapool.NewRegistry()
					fn := lambdapool.RegisterIn(reg, "tick", c.run)
					e := pool(t, lambdapool.WithRegistry(reg), lambdapool.WithWorkers(4))
					// Half of the items are of key 0, the others of 5 keys.
					key := func(n int) string {
						if n%2 == 0 {
							return "busy"
						}
						return fmt.Sprint(n % 5)
					}
					opts := []lambdapool.MapOption{lambdapool.MaxRateBy(4, key)}
					if all > 0 {
						opts = append(opts, lambdapool.MaxRate(all))
					}
					args, got, began := firstInts(60), make([]int, 0, 60), time.Now()
					var err error
					switch form {
					case "map":
						got, err = lambdapool.Map(t.Context(), e, fn, args, opts...)
					case "async":
						got, err = lambdapool.MapAsync(t.Context(), e, fn, args, opts...).Result(t.Context())
					case "stream":
						for v, failed := range lambdapool.Stream(t.Context(), e, fn, slices.Values(args), opts...) {
							got, err = append(got, v), errors.Join(err, failed)
						}
					case "unordered":
						for r := range lambdapool.StreamUnordered(t.Context(), e, fn, slices.Values(args), opts...) {
							got, err = append(got, r.Value), errors.Join(err, r.Err)
						}
						slices.Sort(got)
					}
					if err != nil || !slices.Equal(got, args) {
						t.Fatalf("%v, %v", got, err)
					}
					for _, k := range []string{"busy", "1", "3"} {
						if most, _ := c.most(func(n int) bool { return key(n) == k }); most > 5 {
							t.Errorf("%d of key %s in a second", most, k)
						}
					}
					if most, _ := c.most(every); all > 0 && most > 9 {
						t.Errorf("%d in a second", most)
					}
					want := 30. / 4 // of the busy key
					if all > 0 {
						want = 10.5 // while six keys share the common rate, the busy one has a sixth of it
					}
					if took := time.Since(began).Seconds(); took > want+1.5 {
						t.Errorf("it took %v s, %v would do", took, want)
					}
				})
			})
		}
	}
}

// A run whose items wait for their turn ends when it is to end: nothing is left, each item has its fate.
func TestMaxRateAndEnds(t *testing.T) {
	for _, how := range []string{"cancel", "fail", "break", "drain", "close"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				c := &clockwork{at: map[int][]time.Time{}}
				if how == "fail" {
					c.fail = func(n, _ int) error {
						if n == 4 {
							return errNegative
						}
						return nil
					}
				}
				reg := lambdapool.NewRegistry()
				fn := lambdapool.RegisterIn(reg, "tick", c.run)
				e := executor(t, inproc.New(), lambdapool.WithRegistry(reg))
				opts := []lambdapool.MapOption{lambdapool.MaxRateBy(1, func(n int) string { return fmt.Sprint(n % 2) })}
				time.AfterFunc(2500*time.Millisecond, func() {
					switch how {
					case "cancel":
						cancel()
					case "drain":
						_ = e.Drain(t.Context())
					case "close":
						_ = e.Close()
					}
				})
				if how == "break" {
					for range lambdapool.Stream(ctx, e, fn, slices.Values(firstInts(100)), opts...) {
						break
					}
					return
				}
				results, err := lambdapool.MapResults(ctx, e, fn, firstInts(100), opts...)
				if how == "fail" {
					_, err = lambdapool.Map(ctx, e, fn, firstInts(100), opts...)
					if itemIndex(t, err) != 4 {
						t.Error(err)
					}
					return
				}
				if err == nil || len(results) != 100 {
					t.Errorf("%d results, %v", len(results), err)
				}
				for i, r := range results {
					if r.Index != i || r.Err == nil && r.Value != i {
						t.Errorf("%+v", r)
					}
				}
			})
		})
	}
}

// Keys that are mistakes are told.
func TestBadRates(t *testing.T) {
	t.Parallel()
	e := pool(t)
	for _, opt := range []lambdapool.MapOption{
		lambdapool.MaxRate(0), lambdapool.MaxRate(-1), lambdapool.MaxRateBy(0, func(int) string { return "" }),
		lambdapool.MaxRateBy[int](1, nil), lambdapool.MaxRateBy(1, func(string) string { return "" }),
	} {
		_, err := lambdapool.Map(t.Context(), e, double, []int{1}, opt)
		wantErr(t, err, lambdapool.ErrBadArguments)
	}
	_, err := lambdapool.MapDetached(t.Context(), e, double, []int{1}, lambdapool.MaxRate(1))
	wantErr(t, err, lambdapool.ErrBadArguments)
	_, err = lambdapool.Map(t.Context(), e, double, []int{1, 2}, lambdapool.MaxRateBy(100, func(n int) string {
		if n == 2 {
			panic("no key")
		}
		return ""
	}))
	wantErr(t, err, lambdapool.ErrHook)
	if itemIndex(t, err) != 1 {
		t.Error(err)
	}
	sums, err := lambdapool.StarMap(t.Context(), e, "test.add", [][]any{{1, 2}, {3, 4}}, lambdapool.MaxRateBy(100, func(args []any) string { return fmt.Sprint(args[0]) }))
	if err != nil || len(sums) != 2 {
		t.Errorf("%v, %v", sums, err)
	}
}
