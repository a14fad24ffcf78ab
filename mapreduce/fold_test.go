package mapreduce_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/journal"
	"github.com/lambdapool/lambdapool/mapreduce"
)

// A fragment is some text: joining it is associative, and not commutative.
type fragment struct {
	Number int
	Length int
	Fail   bool
}

var joined = mapreduce.RegisterFold("mapreduce-test-joined", func(_ context.Context, f fragment) (string, error) {
	if f.Fail {
		return "", errors.New("no such fragment")
	}
	return fmt.Sprintf("%d%s;", f.Number, strings.Repeat("x", f.Length)), nil
}, func(_ context.Context, a, b string) (string, error) { return a + b, nil })

func fragments(n, length int) (all []fragment, text string) {
	var b strings.Builder
	for i := range n {
		all = append(all, fragment{Number: i, Length: length})
		fmt.Fprintf(&b, "%d%s;", i, strings.Repeat("x", length))
	}
	return all, b.String()
}

// The result is that of a loop: in order, nothing lost and nothing twice.
func TestFold(t *testing.T) {
	t.Parallel()
	pools(t, func(t *testing.T, pool *lambdapool.Executor) {
		for _, test := range []struct{ n, length, batch int }{
			{1, 1, 1}, {1, 5000, 1}, {5, 1, 10}, {33, 1, 1}, {40, 2000, 1}, {1500, 30, 1}, // three levels, within the client and in the store
		} {
			inputs, want := fragments(test.n, test.length)
			got, err := joined.Run(t.Context(), pool, source(inputs), mapreduce.Batch(test.batch))
			if err != nil || got != want {
				t.Fatalf("%+v: %d bytes, want %d: %v", test, len(got), len(want), err)
			}
		}
		if left := leftBelow(t, pool, "mapreduce/"); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
		inputs, _ := fragments(10, 1)
		inputs[7].Fail = true
		if _, err := joined.Run(t.Context(), pool, source(inputs), mapreduce.Batch(2)); err == nil || !strings.Contains(err.Error(), "input 7: no such fragment") {
			t.Errorf("an input that fails: %v", err)
		}
		if _, err := joined.Run(t.Context(), pool, source(inputs[:0])); !errors.Is(err, mapreduce.ErrNoInput) {
			t.Errorf("no input: %v", err)
		}
		if _, err := joined.Run(t.Context(), pool, nil); err == nil || !strings.Contains(err.Error(), "the inputs are nil") {
			t.Errorf("nil: %v", err)
		}
		if _, err := joined.Run(t.Context(), pool, source(inputs), mapreduce.Batch(0)); err == nil || !strings.Contains(err.Error(), "Batch(0)") {
			t.Errorf("a bad option: %v", err)
		}
	})
}

// All levels of the tree have one journal: what ended is not run again.
func TestAFoldGoesOn(t *testing.T) {
	t.Parallel()
	pools(t, func(t *testing.T, pool *lambdapool.Executor) {
		inputs, want := fragments(40, 100)
		dir, skipped := t.TempDir(), map[string]int{}
		for range 2 {
			got, err := joined.Run(t.Context(), pool, source(inputs), mapreduce.Batch(1), mapreduce.Name("fold"),
				mapreduce.With(journal.WithJournal(dir), lambdapool.Progress(func(s lambdapool.Snapshot) { skipped[s.Func] = s.Skipped })))
			if err != nil || got != want {
				t.Fatalf("%d bytes, want %d: %v", len(got), len(want), err)
			}
		}
		if skipped["mapreduce-test-joined/fold"] != 40 || skipped["mapreduce-test-joined/join"] != 3 {
			t.Errorf("of the run before: %v", skipped)
		}
	})
}
