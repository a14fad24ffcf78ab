package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// far is a backend whose requests and replies are on their way for a while.
type far struct {
	*inproc.Backend

	there, back time.Duration
	sent        atomic.Int64
}

func (f *far) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	f.sent.Add(1)
	pause(ctx, f.there)
	response, err := f.Backend.Invoke(ctx, req)
	pause(ctx, f.back)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return response, err
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

var (
	// seven waits for the end of its context where it is told to; deaf does not even listen to that.
	seven = lambdapool.Register("test.seven", func(ctx context.Context, n int) (int, error) {
		if n == 7 {
			<-ctx.Done()
			return 0, ctx.Err()
		}
		return n, nil
	})
	deaf = lambdapool.Register("test.deaf", func(_ context.Context, n int) (int, error) {
		if n == 7 {
			time.Sleep(time.Minute)
		}
		return n, nil
	})
)

// Items that have ended keep their values when another of their chunk runs into whatever time
// limit, however long answers are on their way, and those that were not begun for it run.
func TestValuesOutliveTheTimeOfTheirChunk(t *testing.T) {
	const limit = 2 * time.Second
	for _, fn := range []*lambdapool.Func[int, int]{seven, deaf} {
		for _, by := range []string{"WithTimeout", "context", "function's timeout"} {
			for _, way := range []time.Duration{0, 30 * time.Millisecond, 150 * time.Millisecond} {
				for _, opts := range [][]lambdapool.MapOption{
					{lambdapool.ChunkSize(10)},
					{lambdapool.ChunkSize(10), lambdapool.Parallel(10)},
					{lambdapool.ChunkSize(10), lambdapool.Parallel(1)},
					{},
				} {
					t.Run(fmt.Sprintf("%s/%s/%v/%d", fn.Name(), by, way, len(opts)), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							ctx, pools, timeout := t.Context(), []lambdapool.Option{lambdapool.WithWorkers(2)}, 15*time.Minute
							switch by {
							case "WithTimeout":
								pools = append(pools, lambdapool.WithTimeout(limit))
							case "context":
								var cancel context.CancelFunc
								ctx, cancel = context.WithTimeout(ctx, limit)
								defer cancel()
							default:
								timeout = limit
							}
							e := executor(t, &far{Backend: inproc.New(inproc.WithTimeout(timeout), inproc.WithConcurrency(4)), there: way, back: way}, pools...)
							args := make([]int, 10)
							for i := range args {
								args[i] = i + 1
							}
							got, err := lambdapool.Map(ctx, e, fn, args, append(slices.Clone(opts), lambdapool.ContinueOnError())...)
							wantErr(t, err, lambdapool.ErrTimeout)
							one := len(opts) == 2 && opts[1] != nil && by == "context" // may have held up those behind it to the end of the run
							for i, v := range got {
								if i != 6 && v != args[i] && (!one || i <= 6) {
									t.Errorf("item %d is %d: %v", i, v, err)
								}
							}
							time.Sleep(2 * time.Minute) // until what was left behind has returned
						})
					})
				}
			}
		}
	}
}

// Items wait for a worker because we took them in early: their time begins when one takes them.
func TestTimeOfItemsBeginsWithTheirWorker(t *testing.T) {
	for _, tc := range []struct {
		items     int
		each, all time.Duration
	}{
		{60, 200 * time.Millisecond, 2 * time.Second},
		{100, 100 * time.Millisecond, 2 * time.Second},
		{20, 1500 * time.Millisecond, 2 * time.Second},
	} {
		for _, chunk := range []int{0, 1, 10, 60} {
			for _, parallel := range []int{1, 2} {
				synctest.Test(t, func(t *testing.T) {
					e := executor(t, &far{Backend: inproc.New(), there: 10 * time.Millisecond, back: 10 * time.Millisecond},
						lambdapool.WithWorkers(2), lambdapool.WithTimeout(tc.all))
					args := slices.Repeat([]time.Duration{tc.each}, tc.items)
					opts := []lambdapool.MapOption{lambdapool.ChunkSize(chunk), lambdapool.Parallel(parallel)}
					if _, err := lambdapool.Map(t.Context(), e, sleep, args, opts...); err != nil {
						t.Errorf("map of %d × %v, chunks of %d: %v", tc.items, tc.each, chunk, err)
					}
					n := 0
					for _, err := range lambdapool.Stream(t.Context(), e, sleep, slices.Values(args), opts...) {
						if err != nil {
							t.Errorf("stream of %d × %v, chunks of %d, item %d: %v", tc.items, tc.each, chunk, n, err)
						}
						n++
					}
					if s := e.Stats(); s.Retries != 0 {
						t.Errorf("%d retries: what was not begun is no attempt", s.Retries)
					}
				})
			}
		}
	}
}

// An input that is sorted by size: chunks are formed while items are fast.
func TestChunkFormedWhenItemsWereFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		args := slices.Concat(make([]time.Duration, 600), slices.Repeat([]time.Duration{400 * time.Millisecond}, 40))
		e := executor(t, &far{Backend: inproc.New(), back: 5 * time.Millisecond}, lambdapool.WithWorkers(2), lambdapool.WithTimeout(5*time.Second))
		got, err := lambdapool.Map(t.Context(), e, sleep, args, lambdapool.Parallel(1))
		if err != nil || !slices.Equal(got, args) {
			t.Errorf("%v", err)
		}
	})
}

// unwilling is a backend whose agents begin nothing.
type unwilling struct{ *inproc.Backend }

func (u *unwilling) Invoke(_ context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	return &lambdapool.Response{Payload: notBegun(req)}, nil
}

// An agent that begins nothing is as good as one that refuses: tried again with patience, within the
// time there is, and no longer.
func TestAgentThatBeginsNothing(t *testing.T) {
	for _, timeout := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			opts := []lambdapool.Option{lambdapool.WithWorkers(2)}
			if timeout > 0 {
				opts = append(opts, lambdapool.WithTimeout(timeout))
			}
			e := executor(t, &unwilling{inproc.New()}, opts...)
			began := time.Now()
			_, single := lambdapool.Call(t.Context(), e, double, 1)
			_, all := lambdapool.Map(t.Context(), e, double, upTo(10), lambdapool.ChunkSize(5), lambdapool.ContinueOnError())
			for _, err := range append(all.(interface{ Unwrap() []error }).Unwrap(), single) {
				var pool *lambdapool.PoolError
				if !errors.As(err, &pool) || pool.Outcome != lambdapool.OutcomeNotRun || pool.Attempts != 0 || !errors.Is(err, lambdapool.ErrTimeout) {
					t.Errorf("%v", err)
				}
			}
			if took := time.Since(began); timeout > 0 && took > 3*timeout || took > 15*time.Minute {
				t.Errorf("took %v", took)
			}
		})
	}
}

// After its first error a run begins nothing more and sends nothing more, in whatever chunks its items are.
func TestNothingAfterTheFirstError(t *testing.T) {
	for _, chunk := range []int{0, 1, 5, 100} {
		for _, run := range []string{"Map", "Stream", "StreamUnordered"} {
			t.Run(fmt.Sprint(run, chunk), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var mu sync.Mutex
					var began []int
					reg := lambdapool.NewRegistry()
					third := lambdapool.RegisterIn(reg, "third", func(_ context.Context, n int) (int, error) {
						mu.Lock()
						began = append(began, n)
						mu.Unlock()
						time.Sleep(10 * time.Millisecond)
						if n == 3 {
							return 0, errNegative
						}
						return n, nil
					})
					b := &far{Backend: inproc.New(), back: 5 * time.Millisecond}
					e := executor(t, b, lambdapool.WithRegistry(reg), lambdapool.WithWorkers(1))
					opts := []lambdapool.MapOption{lambdapool.ChunkSize(chunk), lambdapool.Parallel(1)}
					var err error
					good := 0
					switch run {
					case "Map":
						_, err = lambdapool.Map(t.Context(), e, third, upTo(100), opts...)
						good = 3
					case "Stream":
						for _, err = range lambdapool.Stream(t.Context(), e, third, slices.Values(upTo(100)), opts...) {
							if err == nil {
								good++
							}
						}
					default:
						for r := range lambdapool.StreamUnordered(t.Context(), e, third, slices.Values(upTo(100)), opts...) {
							if err = r.Err; err == nil {
								good++
							}
						}
					}
					if function := (*lambdapool.FunctionError)(nil); !errors.As(err, &function) {
						t.Error(err)
					}
					if good != 3 {
						t.Errorf("%d values before the error, want 3", good)
					}
					sent := b.sent.Load()
					time.Sleep(time.Minute)
					if !slices.Equal(began, []int{0, 1, 2, 3}) || b.sent.Load() != sent {
						t.Errorf("began %v, and sent %d invocations after the end", began, b.sent.Load()-sent)
					}
				})
			})
		}
	}
}

// A stream in order yields what comes before an item that has failed, although that had ended first.
func TestStreamYieldsWhatComesBeforeAnError(t *testing.T) {
	for _, chunk := range []int{1, 2, 4, 10} {
		synctest.Test(t, func(t *testing.T) {
			reg := lambdapool.NewRegistry()
			backwards := lambdapool.RegisterIn(reg, "backwards", func(_ context.Context, n int) (int, error) {
				if n == 5 {
					return 0, errNegative
				}
				time.Sleep(time.Duration(10-n) * time.Second)
				return n, nil
			})
			e := pool(t, lambdapool.WithRegistry(reg), lambdapool.WithWorkers(3))
			var got []int
			var failed error
			for n, err := range lambdapool.Stream(t.Context(), e, backwards, slices.Values(upTo(10)), lambdapool.ChunkSize(chunk), lambdapool.Parallel(2)) {
				if err == nil {
					got = append(got, n)
				} else {
					failed = err
				}
			}
			if !slices.Equal(got, []int{0, 1, 2, 3, 4}) || failed == nil || itemIndex(t, failed) != 5 {
				t.Errorf("chunks of %d: %v, then %v", chunk, got, failed)
			}
		})
	}
}

// A run whose context has ended starts nothing that it had queued: not even at that very moment.
func TestNothingAfterTheEndOfTheContext(t *testing.T) {
	for _, chunk := range []int{1, 4} {
		for _, how := range []string{"canceled", "deadline"} {
			synctest.Test(t, func(t *testing.T) {
				b := &far{Backend: inproc.New()}
				e := executor(t, b, lambdapool.WithWorkers(2))
				ctx, cancel := context.WithCancel(t.Context())
				if how == "deadline" {
					cancel()
					ctx, cancel = context.WithTimeout(t.Context(), 3*time.Second)
				}
				defer cancel()
				ended := time.Now().Add(3 * time.Second)
				time.AfterFunc(3*time.Second, func() { // when items end that take a second
					if how == "canceled" {
						cancel()
					}
				})
				var late atomic.Int64
				reg := lambdapool.NewRegistry()
				second := lambdapool.RegisterIn(reg, "second", func(context.Context, int) (int, error) {
					if !time.Now().Before(ended) {
						late.Add(1)
					}
					time.Sleep(time.Second)
					return 1, nil
				})
				e2 := executor(t, b, lambdapool.WithRegistry(reg), lambdapool.WithWorkers(2))
				_, err := lambdapool.Map(ctx, e2, second, upTo(100), lambdapool.ChunkSize(chunk), lambdapool.ContinueOnError())
				if err == nil {
					t.Error("no error")
				}
				if _, err := lambdapool.Call(t.Context(), e, double, 1); err != nil {
					t.Error(err)
				}
				if how == "deadline" && late.Load() != 0 {
					t.Errorf("%d items began after the deadline", late.Load())
				}
				time.Sleep(time.Minute)
			})
		}
	}
}

// Of a chunk whose agent died nobody knows which items ran: not that they ran, either.
func TestOutcomeOfALostChunk(t *testing.T) {
	for _, size := range []int{1, 4} {
		m := &mortal{Backend: inproc.New(), deadly: func([]byte) bool { return true }}
		e := executor(t, m, lambdapool.WithWorkers(1))
		_, err := lambdapool.Map(t.Context(), e, double, upTo(4), lambdapool.ChunkSize(size), lambdapool.ContinueOnError())
		want := lambdapool.OutcomeUnknown
		if size == 1 {
			want = lambdapool.OutcomeRan
		}
		for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
			wantErr(t, err, lambdapool.ErrOutOfMemory)
			var pool *lambdapool.PoolError
			if !errors.As(err, &pool) || pool.Outcome != want {
				t.Errorf("chunks of %d: outcome %v, want %v", size, pool.Outcome, want)
			}
		}
	}
}
