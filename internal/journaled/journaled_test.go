package journaled_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/journaled"
	"github.com/lambdapool/lambdapool/internal/registry"
)

func function(t *testing.T) *registry.Function {
	t.Helper()
	f, err := registry.NewTyped("half", func(_ context.Context, x int) (int, error) { return x / 2, nil })
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestWhatIsFinal(t *testing.T) {
	t.Parallel()
	ran := func(kind error) *failure.Pool {
		return &failure.Pool{Op: "call", Func: "half", Kind: kind, Err: errors.New("so it is"), Outcome: driver.OutcomeRan, Attempts: 2, RequestID: "r", Hint: "h", LogTail: "l"}
	}
	said := func(codes ...string) *failure.Function {
		return &failure.Function{RequestID: "r", Wire: &codec.Error{
			Kind: codec.KindFunction, Type: "*errors.errorString", Message: "no", Codes: codes,
			Chain: []codec.ErrorLink{{Type: "a", Message: "b"}}, Values: []codec.ErrorValue{{Code: "c", Shape: 1, Data: []byte{1}}},
		}}
	}
	panicked := said()
	panicked.Wire.Kind, panicked.Wire.Stack = codec.KindPanic, "main.half()"
	canceled := ran(driver.ErrUnknownOutcome)
	canceled.Err = fmt.Errorf("then: %w", context.Canceled)
	notRun := ran(driver.ErrEncode)
	notRun.Outcome = driver.OutcomeNotRun
	for name, tt := range map[string]struct {
		err        error
		final      bool
		idempotent bool // of a function that may run again
	}{
		"an error":              {said(), true, true},
		"a panic":               {panicked, true, true},
		"its time was up":       {said(registry.CodeDeadline), false, false},
		"its run was canceled":  {said(registry.CodeCanceled), false, false},
		"out of memory":         {ran(driver.ErrOutOfMemory), true, false},
		"a crash":               {ran(driver.ErrAgentCrashed), true, false},
		"an unknown outcome":    {ran(driver.ErrUnknownOutcome), true, false},
		"throttled":             {ran(driver.ErrThrottled), false, false},
		"timed out":             {ran(driver.ErrTimeout), false, false},
		"canceled":              {canceled, false, false},
		"not run":               {notRun, false, false},
		"somebody else's error": {errors.New("no"), false, false},
		"what wraps a failure":  {fmt.Errorf("he says: %w", ran(driver.ErrOutOfMemory)), false, false},
	} {
		once, again := function(t), function(t)
		registry.SetIdempotent(again)
		data, ok := journaled.EncodeFinal(once, tt.err)
		if ok != tt.final {
			t.Errorf("%s: final: %t", name, ok)
		}
		if _, ok := journaled.EncodeFinal(again, tt.err); ok != tt.idempotent {
			t.Errorf("%s, of a function that may run again: final: %t", name, ok)
		}
		if !ok {
			continue
		}
		got, err := journaled.DecodeFinal("half", data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if pool := failure.Of(tt.err); pool != nil { // the cause is kept as its text
			read := failure.Of(got)
			if read == nil || read.Err.Error() != pool.Err.Error() {
				t.Errorf("%s: read as %v", name, got)
				continue
			}
			read.Err = pool.Err
		}
		if !reflect.DeepEqual(any(got), any(tt.err)) {
			t.Errorf("%s: read as %#v, was %#v", name, got, tt.err)
		}
	}
	if _, err := journaled.DecodeFinal("half", []byte("not this")); err == nil {
		t.Error("garbage was read")
	}
}

// A consumer is what a Recording works for.
type consumer struct {
	mu        sync.Mutex
	committed []int // entries, in order
	commits   int
	handed    []string
	stopped   []*failure.Pool
	disk      func() *failure.Pool
}

func (c *consumer) start() *journaled.Recording[int, string] {
	return journaled.Start(journaled.Config[int, string]{
		Commit: func(groups [][]int) *failure.Pool {
			if c.disk != nil {
				if why := c.disk(); why != nil {
					return why
				}
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.commits++
			c.committed = append(c.committed, slices.Concat(groups...)...)
			return nil
		},
		Stop: func(why *failure.Pool) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.stopped = append(c.stopped, why)
		},
		Refuse: func(batch string, why *failure.Pool) string { return batch + " " + why.Op },
		Hand: func(batches []string) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.handed = append(c.handed, batches...)
		},
	})
}

// What ends while a commit goes on is in the next one, and nothing is handed over before its commit.
func TestCommitsGrow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &consumer{disk: func() *failure.Pool { time.Sleep(time.Second); return nil }}
		r := c.start()
		r.Add(append(r.Group(1), 0), "first")
		synctest.Wait()
		for i := 1; i <= 100; i++ {
			r.Add(append(r.Group(1), i), "more")
		}
		r.Add(nil, "nothing to record")
		synctest.Wait()
		if len(c.handed) != 0 {
			t.Errorf("%v was handed over before it was recorded", c.handed)
		}
		r.Close()
		if c.commits != 2 || len(c.committed) != 101 || len(c.handed) != 102 || !slices.IsSorted(c.committed) {
			t.Errorf("%d commits of %d entries, %d batches", c.commits, len(c.committed), len(c.handed))
		}
		if r.Failed() != nil || len(c.stopped) != 0 {
			t.Errorf("failed: %v", r.Failed())
		}
	})
}

// After a commit that failed nothing is recorded, everything is refused, and the run is stopped once.
func TestCommitFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		full := &failure.Pool{Op: "refused"}
		tries := 0
		c := &consumer{disk: func() *failure.Pool { tries++; return full }}
		r := c.start()
		r.Add(append(r.Group(1), 0), "a")
		synctest.Wait()
		r.Add(append(r.Group(1), 1), "b")
		r.Close()
		if tries != 1 || r.Failed() != full || !slices.Equal(c.stopped, []*failure.Pool{full}) {
			t.Errorf("%d commits, failed: %v, stopped: %v", tries, r.Failed(), c.stopped)
		}
		if want := []string{"a refused", "b refused"}; !slices.Equal(c.handed, want) {
			t.Errorf("handed over: %q, want %q", c.handed, want)
		}
	})
}

// Who ends the run for another reason has nothing recorded after it, and the first reason stays.
func TestAbort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &consumer{}
		r := c.start()
		first, second := &failure.Pool{Op: "first"}, &failure.Pool{Op: "second"}
		r.Abort(first)
		r.Abort(second)
		r.Add(append(r.Group(1), 0), "a")
		r.Close()
		if r.Failed() != first || c.commits != 0 || !slices.Equal(c.handed, []string{"a first"}) {
			t.Errorf("failed: %v, %d commits, handed over: %q", r.Failed(), c.commits, c.handed)
		}
	})
}

// Groups are used again once they are recorded, empty and with nothing in them.
func TestGroupsAreUsedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &consumer{}
		r := c.start()
		defer r.Close()
		r.Add(append(r.Group(8), 1, 2, 3), "a")
		synctest.Wait()
		group := r.Group(1)
		if len(group) != 0 || cap(group) != 8 || slices.Max(group[:3]) != 0 {
			t.Errorf("the next group: %d of %d, %v", len(group), cap(group), group[:cap(group)])
		}
	})
}
