package nest_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	_ "github.com/lambdapool/lambdapool/backend/awslambda/nest"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

var (
	parents = flag.Int("nest.parents", 1000, "functions at the top of TestThreeLevels")
	faults  = flag.Float64("nest.faults", 1, "how much of what goes wrong in it")
)

func TestMain(m *testing.M) {
	agent.Main()
	noleak.Main(m)
}

var errUnlucky = errors.New("unlucky")

var (
	_    = registerError()
	leaf = lambdapool.Register("leaf", func(_ context.Context, n int) (int, error) {
		if n%100 == 13 {
			return 0, fmt.Errorf("%d: %w", n, errUnlucky)
		}
		return n + 1, nil
	}, lambdapool.Idempotent())
	mid = lambdapool.Register("mid", func(ctx context.Context, n int) (int, error) {
		e, err := lambdapool.FromContext(ctx)
		if err != nil {
			return 0, err
		}
		return lambdapool.Call(ctx, e, leaf, n)
	}, lambdapool.Idempotent())
	top = lambdapool.Register("top", func(ctx context.Context, n int) (int, error) {
		e, err := lambdapool.FromContext(ctx)
		if err != nil {
			return 0, err
		}
		values, err := lambdapool.Map(ctx, e, mid, []int{n, n})
		if err != nil {
			return 0, err
		}
		return values[0] + values[1], nil
	}, lambdapool.Idempotent())
)

func registerError() bool {
	lambdapool.RegisterError("nest_test.unlucky", errUnlucky)
	return true
}

// down calls itself n times.
var down *lambdapool.Func[int, int]

func init() {
	down = lambdapool.Register("down", func(ctx context.Context, n int) (int, error) {
		if n == 0 {
			return 0, nil
		}
		e, err := lambdapool.FromContext(ctx)
		if err != nil {
			return 0, err
		}
		v, err := lambdapool.Call(ctx, e, down, n-1)
		return v + 1, err
	}, lambdapool.Idempotent())
}

// spender calls until it is refused.
var spender = lambdapool.Register("spender", func(ctx context.Context, most int) (int, error) {
	e, err := lambdapool.FromContext(ctx)
	if err != nil {
		return 0, err
	}
	for n := range most {
		if _, err := lambdapool.Call(ctx, e, leaf, n); err != nil {
			return n, err
		}
	}
	return most, nil
}, lambdapool.Idempotent())

// backends are those that functions can call on here.
var backends = map[string]func(*testing.T, ...local.Option) lambdapool.Backend{
	"inproc": func(t *testing.T, _ ...local.Option) lambdapool.Backend {
		b := inproc.New(inproc.WithConcurrency(10))
		t.Cleanup(func() { _ = b.Close() })
		return b
	},
	"local": func(t *testing.T, opts ...local.Option) lambdapool.Backend {
		b, err := local.New(append([]local.Option{local.WithConcurrency(10), local.WithTimeout(time.Minute), local.WithLogOutput(io.Discard)}, opts...)...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
		return b
	},
}

func pool(t *testing.T, b lambdapool.Backend, opts ...lambdapool.Option) *lambdapool.Executor {
	t.Helper()
	e, err := lambdapool.New(b, append([]lambdapool.Option{lambdapool.WithLogger(slog.New(slog.DiscardHandler))}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// A thousand functions call functions that call functions, on ten workers, while requests are
// refused, connections break and agents die: each ends, with its value or its function's error.
func TestThreeLevels(t *testing.T) {
	for name, open := range backends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := pool(t, open(t, local.WithFaults(local.Faults{
				Seed: 1, Refuse: 0.001 * *faults, ErrorBefore: 0.003 * *faults, ResetBefore: 0.003 * *faults,
				ResetAfter: 0.001 * *faults, ErrorAfter: 0.002 * *faults, Crash: 0.002 * *faults,
			})), lambdapool.WithRetry(lambdapool.RetryPolicy{MaxAttempts: 10}))
			args := make([]int, *parents)
			for i := range args {
				args[i] = i
			}
			began := time.Now()
			results, err := lambdapool.MapResults(t.Context(), e, top, args)
			if err != nil {
				t.Fatal(err)
			}
			failed := 0
			for i, r := range results {
				switch {
				case i%100 == 13:
					var said *lambdapool.FunctionError
					if !errors.As(r.Err, &said) || !errors.Is(r.Err, errUnlucky) {
						t.Errorf("%d ended with %v, want its leaf's error", i, r.Err)
					}
					failed++
				case r.Err != nil:
					t.Errorf("%d: %v", i, r.Err)
				case r.Value != 2*(i+1):
					t.Errorf("%d: %d", i, r.Value)
				}
			}
			if len(results) != len(args) || failed == 0 && *parents > 13 {
				t.Errorf("%d results, %d failures", len(results), failed)
			}
			s := e.Stats()
			t.Logf("%v: %+v", time.Since(began).Round(time.Millisecond), s)
			if s.Queued != 0 || s.Running != 0 || s.Submitted != s.Succeeded+s.FunctionErrors+s.PoolErrors {
				t.Errorf("left: %+v", s)
			}
		})
	}
}

func TestDepth(t *testing.T) {
	for name, open := range backends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			e := pool(t, b)
			if v, err := lambdapool.Call(t.Context(), e, down, 2); v != 2 || err != nil {
				t.Errorf("2 deep: %d, %v", v, err)
			}
			_, err := lambdapool.Call(t.Context(), e, down, 3)
			if !errors.Is(err, lambdapool.ErrTooDeep) || !strings.Contains(err.Error(), "WithMaxDepth(3)") {
				t.Errorf("3 deep: %v, want ErrTooDeep with a hint", err)
			}
			deeper := pool(t, b, lambdapool.WithMaxDepth(3))
			if v, err := lambdapool.Call(t.Context(), deeper, down, 3); v != 3 || err != nil {
				t.Errorf("3 deep, as allowed: %d, %v", v, err)
			}
			none := pool(t, b, lambdapool.WithMaxDepth(0))
			if _, err := lambdapool.Call(t.Context(), none, down, 1); !errors.Is(err, lambdapool.ErrTooDeep) {
				t.Errorf("1 deep where none is allowed: %v", err)
			}
		})
	}
}

// What functions call is counted once, wherever they run.
func TestCosts(t *testing.T) {
	for name, open := range backends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := pool(t, open(t))
			var last lambdapool.Snapshot
			_, err := lambdapool.Map(t.Context(), e, down, []int{2, 2, 2, 1, 0}, lambdapool.ChunkSize(1), lambdapool.Progress(func(s lambdapool.Snapshot) { last = s }))
			if err != nil {
				t.Fatal(err)
			}
			s := e.Stats()
			if last.Invocations != 12 || s.Invocations != 12 {
				t.Errorf("%d invocations in the run, %d in all, want 12", last.Invocations, s.Invocations)
			}
			if last.Billed != s.Billed || name == "local" && last.Billed < 12*time.Millisecond {
				t.Errorf("billed %v in the run, %v in all", last.Billed, s.Billed)
			}
			_, err = lambdapool.Call(t.Context(), e, spender, 3)
			if s := e.Stats(); err != nil || s.Invocations != 16 {
				t.Errorf("%d invocations after a single call, want 16; %v", s.Invocations, err)
			}
		})
	}
}

// A function whose run has spent its budget cannot call any more.
func TestBudgetOfTheRunAbove(t *testing.T) {
	for name, open := range backends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := pool(t, open(t))
			_, err := lambdapool.Map(t.Context(), e, spender, []int{12, 12, 12}, lambdapool.WithBudget(lambdapool.Budget{Dollars: 1e-9}))
			var item *lambdapool.ItemError
			var said *lambdapool.FunctionError
			if !errors.As(err, &item) || !errors.As(err, &said) || !errors.Is(err, lambdapool.ErrBudget) {
				t.Errorf("%v, want ErrBudget of a function's call", err)
			}
			if s := e.Stats(); s.Invocations > 6 {
				t.Errorf("%d invocations", s.Invocations)
			}
		})
	}
}

// With a worker for a parent and one for its child there is none for what that calls, whether the
// executor has no more or the platform.
func TestNoRoom(t *testing.T) {
	for name, e := range map[string]func(*testing.T) *lambdapool.Executor{
		"workers": func(t *testing.T) *lambdapool.Executor {
			return pool(t, backends["local"](t), lambdapool.WithWorkers(2))
		},
		"platform": func(t *testing.T) *lambdapool.Executor {
			return pool(t, backends["local"](t, local.WithConcurrency(2)), lambdapool.WithWorkers(10))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := e(t)
			if v, err := lambdapool.Call(t.Context(), e, down, 1); v != 1 || err != nil {
				t.Errorf("1 deep: %d, %v", v, err)
			}
			_, err := lambdapool.Call(t.Context(), e, down, 2)
			if !errors.Is(err, lambdapool.ErrBadArguments) || !strings.Contains(err.Error(), "3 workers or more with WithWorkers") {
				t.Errorf("2 deep: %v, want ErrBadArguments with a hint", err)
			}
		})
	}
}

func TestOutsideOfAFunction(t *testing.T) {
	_, err := lambdapool.FromContext(t.Context())
	var pool *lambdapool.PoolError
	if !errors.As(err, &pool) || !errors.Is(err, lambdapool.ErrBadArguments) || pool.Hint == "" {
		t.Errorf("%v", err)
	}
}
