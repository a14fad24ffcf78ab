//go:build linux

package local_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/local"
)

// A risk is an item that may do something to its agent.
type risk struct {
	Do   string
	N    int
	Runs string // a file that gets a line for each run
}

func risky(_ context.Context, r risk) (int, error) {
	if err := appendTo(r.Runs, fmt.Sprintf("%d\n", r.N)); err != nil {
		return 0, err
	}
	switch r.Do {
	case "exit":
		os.Exit(3)
	case "exit once":
		if data, _ := os.ReadFile(r.Runs); strings.Count(string(data), fmt.Sprintf("%d\n", r.N)) == 1 {
			os.Exit(3)
		}
	case "hoard":
		hoard(1000)
	}
	return r.N, nil
}

var (
	riskOnce  = lambdapool.Register("local_test.riskOnce", risky)
	riskAgain = lambdapool.Register("local_test.riskAgain", risky, lambdapool.Idempotent())
)

// risks are n items of which the middle one does something, and where their runs are noted.
func risks(t *testing.T, n int, do string) (items []risk, runs func() map[string]int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "runs")
	for i := range n {
		items = append(items, risk{N: i + 100, Runs: path})
	}
	items[n/2].Do = do
	return items, func() map[string]int {
		counts := map[string]int{}
		for line := range strings.FieldsSeq(string(must(os.ReadFile(path)))) {
			counts[line]++
		}
		return counts
	}
}

// agents records the ids of the environments that answered.
type agents struct{ cold atomic.Int64 }

func (a *agents) Record(r lambdapool.Record) {
	if r.Cold {
		a.cold.Add(1)
	}
}

// failed returns which items have failed, and with what.
func failedItems(t *testing.T, err error) (which []int, errs []error) {
	t.Helper()
	if err == nil {
		return nil, nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("not a joined error: %v", err)
	}
	for _, err := range joined.Unwrap() {
		var item *lambdapool.ItemError
		if errors.As(err, &item) {
			which, errs = append(which, item.Index), append(errs, item.Err)
		}
	}
	return which, errs
}

// One item that ends its process costs itself, in the same environment, and nothing runs twice.
func TestPoisonCostsItself(t *testing.T) {
	t.Parallel()
	const n = 20
	for _, tt := range []struct {
		name, do string
		fn       *lambdapool.Func[risk, int]
		kind     error
		fails    bool
		runs     int // of the culprit
	}{
		{"once", "exit", riskOnce, lambdapool.ErrAgentCrashed, true, 1},
		{"idempotent, always", "exit", riskAgain, lambdapool.ErrAgentCrashed, true, 3},
		{"idempotent, the first time", "exit once", riskAgain, nil, false, 2},
		{"out of memory", "hoard", riskOnce, lambdapool.ErrOutOfMemory, true, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var seen agents
			// So much that what the supervisor takes of it, under the race detector too, is a small part.
			b := open(t, local.WithConcurrency(1), local.WithMemory(640))
			e := must(lambdapool.New(b, lambdapool.WithRecorder(&seen)))
			t.Cleanup(func() { _ = e.Close() })
			items, runs := risks(t, n, tt.do)
			got, err := lambdapool.Map(t.Context(), e, tt.fn, items, lambdapool.ChunkSize(n), lambdapool.Parallel(1), lambdapool.ContinueOnError())
			which, errs := failedItems(t, err)
			if tt.fails {
				var pool *lambdapool.PoolError
				if !slices.Equal(which, []int{n / 2}) || !errors.Is(errs[0], tt.kind) || !errors.As(errs[0], &pool) || pool.Outcome != lambdapool.OutcomeRan {
					t.Errorf("items %v failed: %v", which, err)
				}
			} else if err != nil {
				t.Error(err)
			}
			for i, v := range got {
				if v != i+100 && (!tt.fails || i != n/2) {
					t.Errorf("item %d is %d", i, v)
				}
			}
			for item, times := range runs() {
				if want := map[bool]int{false: 1, true: tt.runs}[item == fmt.Sprint(n/2+100)]; times != want {
					t.Errorf("item %s ran %d times, want %d", item, times, want)
				}
			}
			if cold := seen.cold.Load(); cold != 1 {
				t.Errorf("%d environments were started", cold)
			}
		})
	}
}

// Without isolation nobody knows which items of a dead agent ran, and says so.
func TestPoisonWithoutIsolation(t *testing.T) {
	t.Parallel()
	const n = 6
	b := open(t, local.WithConcurrency(1), local.WithIsolation(false))
	e := must(lambdapool.New(b))
	t.Cleanup(func() { _ = e.Close() })
	items, _ := risks(t, n, "exit")
	_, err := lambdapool.Map(t.Context(), e, riskOnce, items, lambdapool.ChunkSize(n), lambdapool.Parallel(1), lambdapool.ContinueOnError())
	which, errs := failedItems(t, err)
	if len(which) != n {
		t.Fatalf("items %v failed: %v", which, err)
	}
	for _, err := range errs {
		var pool *lambdapool.PoolError
		if !errors.As(err, &pool) || pool.Outcome != lambdapool.OutcomeUnknown || !errors.Is(err, lambdapool.ErrUnknownOutcome) ||
			!errors.Is(err, lambdapool.ErrAgentCrashed) || !strings.Contains(err.Error(), "exit status 3") {
			t.Errorf("%v", err)
		}
	}
	items, _ = risks(t, n, "exit")
	_, err = lambdapool.Map(t.Context(), e, riskAgain, items, lambdapool.ChunkSize(n), lambdapool.Parallel(1), lambdapool.ContinueOnError())
	if which, _ := failedItems(t, err); !slices.Equal(which, []int{n / 2}) {
		t.Errorf("of an idempotent function items %v failed: %v", which, err)
	}
}

// A single call that ends its process fails alone; its agent answers, and serves on.
func TestCrashOfASingleCall(t *testing.T) {
	t.Parallel()
	var seen agents
	b := open(t, local.WithConcurrency(1))
	e := must(lambdapool.New(b, lambdapool.WithRecorder(&seen)))
	t.Cleanup(func() { _ = e.Close() })
	path := filepath.Join(t.TempDir(), "runs")
	_, err := lambdapool.Call(t.Context(), e, riskOnce, risk{Do: "exit", N: 1, Runs: path})
	var pool *lambdapool.PoolError
	if !errors.Is(err, lambdapool.ErrAgentCrashed) || !errors.As(err, &pool) || pool.Outcome != lambdapool.OutcomeRan || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("%v", err)
	}
	if got, err := lambdapool.Call(t.Context(), e, riskOnce, risk{N: 2, Runs: path}); got != 2 || err != nil {
		t.Errorf("afterwards: %d, %v", got, err)
	}
	if cold := seen.cold.Load(); cold != 1 {
		t.Errorf("%d environments were started", cold)
	}
}

// A detached run loses what ran when its process died, or nothing if that may run again.
func TestPoisonInADetachedRun(t *testing.T) {
	t.Parallel()
	const n = 8
	for _, tt := range []struct {
		name, do string
		fn       *lambdapool.Func[risk, int]
		fails    bool
		runs     int
	}{
		{"once", "exit", riskOnce, true, 1},
		{"idempotent, always", "exit", riskAgain, true, 3},
		{"idempotent, the first time", "exit once", riskAgain, false, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := open(t, local.WithConcurrency(1))
			e := must(lambdapool.New(b))
			t.Cleanup(func() { _ = e.Close() })
			items, runs := risks(t, n, tt.do)
			run, err := lambdapool.MapDetached(t.Context(), e, tt.fn, items, lambdapool.ChunkSize(n), lambdapool.Parallel(1), lambdapool.RunName("poison"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = run.Close() })
			for res := range run.Results(t.Context()) {
				poisoned := tt.fails && res.Index == n/2
				if poisoned != (res.Err != nil) || poisoned && !errors.Is(res.Err, lambdapool.ErrAgentCrashed) || !poisoned && res.Value != res.Index+100 {
					t.Errorf("item %d: %d, %v", res.Index, res.Value, res.Err)
				}
			}
			for item, times := range runs() {
				if want := map[bool]int{false: 1, true: tt.runs}[item == fmt.Sprint(n/2+100)]; times != want {
					t.Errorf("item %s ran %d times, want %d", item, times, want)
				}
			}
		})
	}
}
