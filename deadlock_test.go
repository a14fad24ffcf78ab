package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// within runs body as a function of n calls, each on a worker of e, and returns how they ended.
func within(t *testing.T, workers, n int, body func(ctx context.Context, e *lambdapool.Executor, leaf *lambdapool.Func[int, int]) (int, error)) []error {
	t.Helper()
	reg := lambdapool.NewRegistry()
	leaf := lambdapool.RegisterIn(reg, "leaf", func(_ context.Context, n int) (int, error) {
		time.Sleep(time.Second)
		return n + 1, nil
	})
	var e *lambdapool.Executor
	var begun sync.WaitGroup
	begun.Add(n)
	outer := lambdapool.RegisterIn(reg, "outer", func(ctx context.Context, _ int) (int, error) {
		begun.Done()
		begun.Wait() // a call of the first could have the second's worker
		return body(ctx, e, leaf)
	})
	e = pool(t, lambdapool.WithRegistry(reg), lambdapool.WithWorkers(workers))
	var fs []*lambdapool.Future[int]
	for i := range n {
		fs = append(fs, lambdapool.Submit(t.Context(), e, outer, i))
	}
	var errs []error
	for _, f := range fs {
		_, err := f.Result(t.Context())
		errs = append(errs, err)
	}
	return errs
}

// waits are the ways in which a function waits for calls.
var waits = map[string]func(context.Context, *lambdapool.Executor, *lambdapool.Func[int, int]) (int, error){
	"Call": func(ctx context.Context, e *lambdapool.Executor, leaf *lambdapool.Func[int, int]) (int, error) {
		return lambdapool.Call(ctx, e, leaf, 1)
	},
	"Submit": func(ctx context.Context, e *lambdapool.Executor, _ *lambdapool.Func[int, int]) (int, error) {
		v, err := e.Submit(ctx, "leaf", 1).Result(ctx)
		n, _ := v.(int)
		return n, err
	},
	"Collect": func(ctx context.Context, e *lambdapool.Executor, leaf *lambdapool.Func[int, int]) (int, error) {
		_, err := lambdapool.Collect(context.Background(), lambdapool.Submit(ctx, e, leaf, 1), lambdapool.Submit(ctx, e, leaf, 2))
		return 0, err
	},
	"Wait": func(ctx context.Context, e *lambdapool.Executor, leaf *lambdapool.Func[int, int]) (int, error) {
		done, _ := lambdapool.Wait(ctx, lambdapool.FirstCompleted, lambdapool.Submit(ctx, e, leaf, 1), lambdapool.Submit(ctx, e, leaf, 2))
		return done[0].Result(ctx)
	},
	"Map": func(ctx context.Context, e *lambdapool.Executor, leaf *lambdapool.Func[int, int]) (int, error) {
		values, err := lambdapool.Map(ctx, e, leaf, []int{1, 2, 3})
		return len(values), err
	},
	"Map that goes on": func(ctx context.Context, e *lambdapool.Executor, leaf *lambdapool.Func[int, int]) (int, error) {
		values, err := lambdapool.Map(ctx, e, leaf, []int{1, 2, 3}, lambdapool.ContinueOnError())
		return len(values), err
	},
	"Stream": func(ctx context.Context, e *lambdapool.Executor, leaf *lambdapool.Func[int, int]) (int, error) {
		return consume(lambdapool.Stream(ctx, e, leaf, slices.Values([]int{1, 2, 3})))
	},
	"Stream of a full window": func(ctx context.Context, e *lambdapool.Executor, leaf *lambdapool.Func[int, int]) (int, error) {
		return consume(lambdapool.Stream(ctx, e, leaf, slices.Values([]int{1, 2, 3}), lambdapool.Window(1)))
	},
}

func consume(results iter.Seq2[int, error]) (n int, err error) {
	for v, err := range results {
		if err != nil {
			return 0, err
		}
		n += v
	}
	return n, nil
}

// wantDeadlock checks how a function ended that waited for its own executor.
func wantDeadlock(t *testing.T, err error) {
	t.Helper()
	var failed *lambdapool.FunctionError
	if !errors.As(err, &failed) || !errors.Is(err, lambdapool.ErrBadArguments) || !strings.Contains(failed.Message, "raise WithWorkers") {
		t.Errorf("ended with %v, want the function's error, with a hint", err)
	}
}

func TestFunctionsThatRunInlineCannotWaitForTheirOwnExecutor(t *testing.T) {
	for name, body := range waits {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				for _, err := range within(t, 0, 1, body) {
					wantDeadlock(t, err)
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// Whoever waits lends its worker.
func TestFunctionsThatHoldAllWorkersWaitForCallsOfTheirs(t *testing.T) {
	for name, body := range waits {
		for _, workers := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s, %d workers", name, workers), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					for _, err := range within(t, workers, workers, body) {
						if err != nil {
							t.Error(err)
						}
					}
				})
			})
		}
	}
}

// What is called with another context is not known to be a function's, until that waits for it.
func TestFunctionsThatWaitForCallsOfOtherContextsFail(t *testing.T) {
	for _, workers := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d workers", workers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				for _, err := range within(t, workers, workers, func(ctx context.Context, e *lambdapool.Executor, leaf *lambdapool.Func[int, int]) (int, error) {
					return lambdapool.Submit(context.Background(), e, leaf, 1).Result(ctx)
				}) {
					wantDeadlock(t, err)
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestFunctionsMayWaitForTheirOwnExecutorWhileAWorkerIsLeft(t *testing.T) {
	for name, body := range waits {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, err := range within(t, 3, 2, body) {
					if err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

// The context of the call, or that of the wait, says who waits.
func TestAFunctionThatWaitsWithItsContextForACallOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, err := range within(t, 1, 1, func(ctx context.Context, e *lambdapool.Executor, leaf *lambdapool.Func[int, int]) (int, error) {
			return lambdapool.Submit(context.Background(), e, leaf, 1).Result(ctx)
		}) {
			wantDeadlock(t, err)
		}
	})
}

// A worker that is held by a function which does not wait will be free.
func TestAFunctionThatWaitsBesideOneThatWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := make(chan struct{}, 1)
		first <- struct{}{}
		for _, err := range within(t, 2, 2, func(ctx context.Context, e *lambdapool.Executor, leaf *lambdapool.Func[int, int]) (int, error) {
			select {
			case <-first:
				return lambdapool.Call(ctx, e, leaf, 1)
			default:
				time.Sleep(time.Minute)
				return 0, nil
			}
		}) {
			if err != nil {
				t.Error(err)
			}
		}
	})
}

func TestAFunctionThatSubmitsAndDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		submitted := make(chan *lambdapool.Future[int], 1)
		for _, err := range within(t, 1, 1, func(_ context.Context, e *lambdapool.Executor, leaf *lambdapool.Func[int, int]) (int, error) {
			submitted <- lambdapool.Submit(context.Background(), e, leaf, 1)
			time.Sleep(time.Minute)
			return 0, nil
		}) {
			if err != nil {
				t.Error(err)
			}
		}
		if v, err := (<-submitted).Result(t.Context()); v != 2 || err != nil {
			t.Error(v, err)
		}
	})
}

// Who gives up by itself is no deadlock, and its worker is another's then.
func TestAFunctionThatWaitsForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, err := range within(t, 1, 1, func(ctx context.Context, e *lambdapool.Executor, leaf *lambdapool.Func[int, int]) (int, error) {
			short, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			if _, err := lambdapool.Call(short, e, leaf, 1); err != nil {
				t.Errorf("Call: %v", err) // it has a place of its own, whoever waits
			}
			f := lambdapool.Submit(context.Background(), e, leaf, 1)
			again, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			if _, err := f.Result(again); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Result: %v, want its timeout", err)
			}
			return 0, nil
		}) {
			if err != nil {
				t.Error(err)
			}
		}
	})
}

// Items of one invocation hold one worker, which one that waits lends.
func TestAnItemThatWaitsAmongOthersOfItsInvocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := lambdapool.NewRegistry()
		var e *lambdapool.Executor
		var fn *lambdapool.Func[int, int]
		fn = lambdapool.RegisterIn(reg, "fn", func(ctx context.Context, n int) (int, error) {
			if n == 0 {
				return lambdapool.Call(ctx, e, fn, 1)
			}
			time.Sleep(time.Second)
			return n, nil
		})
		e = pool(t, lambdapool.WithRegistry(reg), lambdapool.WithWorkers(1))
		results, err := lambdapool.MapResults(t.Context(), e, fn, []int{0, 1, 2}, lambdapool.ChunkSize(3), lambdapool.Parallel(3))
		if err != nil {
			t.Fatal(err)
		}
		if want := []int{1, 1, 2}; results[0].Err != nil || results[0].Value != want[0] || results[1].Value != want[1] || results[2].Value != want[2] {
			t.Errorf("%v, want %v", results, want)
		}
	})
}

// Another executor's workers are others.
func TestAFunctionThatWaitsForAnotherExecutor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := executor(t, inproc.New(), lambdapool.WithWorkers(1))
		for _, err := range within(t, 1, 1, func(ctx context.Context, _ *lambdapool.Executor, _ *lambdapool.Func[int, int]) (int, error) {
			return lambdapool.Call(ctx, other, double, 1)
		}) {
			if err != nil {
				t.Error(err)
			}
		}
	})
}

// The executor is as good as new afterwards.
func TestCallsThatAreTooDeep(t *testing.T) {
	for _, workers := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			reg := lambdapool.NewRegistry()
			var down *lambdapool.Func[int, int]
			down = lambdapool.RegisterIn(reg, "down", func(ctx context.Context, n int) (int, error) {
				if n == 0 {
					return 0, nil
				}
				e, err := lambdapool.FromContext(ctx)
				if err != nil {
					return 0, err
				}
				v, err := lambdapool.Call(ctx, e, down, n-1)
				return v + 1, err
			})
			e := pool(t, lambdapool.WithRegistry(reg), lambdapool.WithWorkers(workers), lambdapool.WithMaxDepth(3))
			for range 3 {
				if v, err := lambdapool.Call(t.Context(), e, down, 3); v != 3 || err != nil {
					t.Errorf("3 deep on %d workers: %d, %v", workers, v, err)
				}
				began := time.Now()
				_, err := lambdapool.Call(t.Context(), e, down, 4)
				var failed *lambdapool.FunctionError
				if !errors.As(err, &failed) || !errors.Is(err, lambdapool.ErrTooDeep) || !strings.Contains(failed.Message, "WithMaxDepth(4)") {
					t.Errorf("ended with %v, want ErrTooDeep through every level, with a hint", err)
				}
				if _, err := lambdapool.Map(t.Context(), e, down, []int{4}); !errors.Is(err, lambdapool.ErrTooDeep) {
					t.Errorf("Map: %v", err)
				}
				if took := time.Since(began); took > 0 {
					t.Errorf("it took %v", took)
				}
			}
			if s := e.Stats(); s.Running != 0 || s.Queued != 0 {
				t.Errorf("left: %+v", s)
			}
		})
	}
}

// What a function has called and not waited for ends with it.
func TestCallsThatOutliveTheirFunctionEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := make(chan *lambdapool.Future[int], 1)
		for _, err := range within(t, 1, 1, func(ctx context.Context, _ *lambdapool.Executor, leaf *lambdapool.Func[int, int]) (int, error) {
			e, err := lambdapool.FromContext(ctx)
			if err != nil {
				return 0, err
			}
			calls <- lambdapool.Submit(ctx, e, leaf, 1)
			return 0, nil
		}) {
			if err != nil {
				t.Error(err)
			}
		}
		if _, err := (<-calls).Result(t.Context()); !errors.Is(err, lambdapool.ErrCanceled) {
			t.Errorf("%v, want ErrCanceled", err)
		}
	})
}
