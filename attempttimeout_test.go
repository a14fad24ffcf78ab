package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// slowly registers functions that take an hour the first so many times, by argument, and listen to their context or not.
func slowly(slow int, idempotent, listens bool) (*lambdapool.Registry, *lambdapool.Func[int, int], func(int) int) {
	var mu sync.Mutex
	tries := map[int]int{}
	var opts []lambdapool.FuncOption
	if idempotent {
		opts = append(opts, lambdapool.Idempotent())
	}
	reg := lambdapool.NewRegistry()
	fn := lambdapool.RegisterIn(reg, "slowly", func(ctx context.Context, n int) (int, error) {
		mu.Lock()
		tries[n]++
		try := tries[n]
		mu.Unlock()
		switch {
		case n != 1 || try > slow:
			return n, nil
		case listens:
			<-ctx.Done()
			return 0, ctx.Err()
		}
		time.Sleep(time.Hour)
		return n, nil
	}, opts...)
	return reg, fn, func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return tries[n]
	}
}

// An attempt that took too long is tried again if the function is idempotent, whatever its time was
// bounded by, alone or among others.
func TestAttemptsThatTimeOut(t *testing.T) {
	for _, by := range []string{"function's timeout", "executor", "run"} {
		for _, chunk := range []int{0, 1, 5} { // 0: a single call
			for _, listens := range []bool{false, true} {
				for _, idempotent := range []bool{false, true} {
					if chunk == 0 && by == "run" {
						continue
					}
					t.Run(fmt.Sprint(by, chunk, listens, idempotent), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							reg, fn, tries := slowly(1, idempotent, listens)
							pools := []lambdapool.Option{lambdapool.WithRegistry(reg), lambdapool.WithWorkers(2), lambdapool.WithTimeout(time.Minute)}
							opts := []lambdapool.MapOption{lambdapool.ChunkSize(chunk), lambdapool.ContinueOnError()}
							timeout := 15 * time.Minute
							switch by {
							case "executor":
								pools = append(pools, lambdapool.WithAttemptTimeout(2*time.Second))
							case "run":
								opts = append(opts, lambdapool.WithAttemptTimeout(2*time.Second))
								pools = append(pools, lambdapool.WithAttemptTimeout(time.Hour))
							default:
								timeout = 2 * time.Second
							}
							e := executor(t, inproc.New(inproc.WithTimeout(timeout)), pools...)
							began := time.Now()
							var got []int
							var err error
							if chunk == 0 {
								var v int
								v, err = lambdapool.Call(t.Context(), e, fn, 1)
								got = []int{0, v}
							} else {
								got, err = lambdapool.Map(t.Context(), e, fn, upTo(10), opts...)
							}
							if took := time.Since(began); took > 10*time.Second {
								t.Errorf("took %v", took)
							}
							for i, v := range got {
								if i != 1 && v != i {
									t.Errorf("item %d is %d", i, v)
								}
							}
							if idempotent {
								if err != nil || got[1] != 1 || tries(1) != 2 {
									t.Errorf("%v, %d tries: %v", got, tries(1), err)
								}
							} else if !errors.Is(err, lambdapool.ErrTimeout) || tries(1) != 1 {
								t.Errorf("%v, %d tries: %v", got, tries(1), err)
							}
							time.Sleep(2 * time.Hour) // until what was left behind has returned
						})
					})
				}
			}
		}
	}
}

// As often as the policy says, and no longer than the call has time.
func TestAttemptsThatTimeOutEnd(t *testing.T) {
	for _, chunk := range []int{1, 5} {
		synctest.Test(t, func(t *testing.T) {
			reg, fn, tries := slowly(100, true, true)
			e := pool(t, lambdapool.WithRegistry(reg), lambdapool.WithAttemptTimeout(time.Second))
			_, err := lambdapool.Map(t.Context(), e, fn, upTo(5), lambdapool.ChunkSize(chunk))
			var failed *lambdapool.PoolError
			if !errors.As(err, &failed) || !errors.Is(err, lambdapool.ErrTimeout) || tries(1) != 3 || failed.Attempts != 3 {
				t.Errorf("%d tries: %v", tries(1), err)
			}
		})
	}
}

// hanging is a backend whose first invocations bring no answer before they are given up.
type hanging struct {
	*inproc.Backend

	mu   sync.Mutex
	left int
}

func (h *hanging) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	h.mu.Lock()
	h.left--
	hang := h.left >= 0
	h.mu.Unlock()
	if hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h.Backend.Invoke(ctx, req)
}

// An attempt that brings no answer is given up, and nobody knows whether it ran.
func TestAttemptWithoutAnAnswer(t *testing.T) {
	for _, chunk := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			e := executor(t, &hanging{Backend: inproc.New(), left: 1}, lambdapool.WithWorkers(1), lambdapool.WithAttemptTimeout(time.Second))
			got, err := lambdapool.Map(t.Context(), e, again, upTo(4), lambdapool.ChunkSize(chunk))
			if err != nil || got[3] != 3 {
				t.Errorf("idempotent: %v, %v", got, err)
			}
			e = executor(t, &hanging{Backend: inproc.New(), left: 1}, lambdapool.WithWorkers(1), lambdapool.WithAttemptTimeout(time.Second))
			_, err = lambdapool.Map(t.Context(), e, double, upTo(4), lambdapool.ChunkSize(chunk))
			wantErr(t, err, lambdapool.ErrTimeout, lambdapool.ErrUnknownOutcome)
		})
	}
}

func TestBadCallOptions(t *testing.T) {
	broken := errors.New("broken")
	for _, opt := range []lambdapool.CallOption{lambdapool.WithAttemptTimeout(0), lambdapool.WithAttemptTimeout(-1), lambdapool.InvalidOption(broken), lambdapool.InvalidOption(nil)} {
		if _, err := lambdapool.New(inproc.New(), opt); !errors.Is(err, lambdapool.ErrBadArguments) {
			t.Errorf("New: %v", err)
		}
		if _, err := lambdapool.Map(t.Context(), pool(t), double, upTo(1), opt); !errors.Is(err, lambdapool.ErrBadArguments) {
			t.Errorf("Map: %v", err)
		}
	}
}

func ExampleWithAttemptTimeout() {
	var tries int
	reg := lambdapool.NewRegistry()
	moody := lambdapool.RegisterIn(reg, "moody", func(ctx context.Context, n int) (int, error) {
		if tries++; tries == 1 {
			<-ctx.Done() // a machine that hangs, say
			return 0, ctx.Err()
		}
		return 2 * n, nil
	}, lambdapool.Idempotent())
	pool := mustPool(lambdapool.WithRegistry(reg), lambdapool.WithTimeout(time.Minute), lambdapool.WithAttemptTimeout(50*time.Millisecond))
	defer pool.Close()

	n, err := lambdapool.Call(context.Background(), pool, moody, 21)
	fmt.Println(n, err, "after", tries, "attempts")
	// Output: 42 <nil> after 2 attempts
}

// ExampleCallOption sets for one run what the executor has set for all.
func ExampleCallOption() {
	pool := mustPool()
	defer pool.Close()
	patient := lambdapool.WithAttemptTimeout(time.Minute)
	values, err := lambdapool.Map(context.Background(), pool, double, []int{1, 2}, patient)
	fmt.Println(values, err)
	// Output: [2 4] <nil>
}

func ExampleInvalidOption() {
	_, err := lambdapool.New(inproc.New(), lambdapool.InvalidOption(errors.New("mine: the size is -1")))
	fmt.Println(err)
	// Output: lambdapool: new executor: bad arguments: mine: the size is -1
}
