package mapreduce_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/mapreduce"
	"github.com/lambdapool/lambdapool/splits"
)

// What is started is there for everybody who attaches, pieces go with success, and all else with the runs.
func TestDetachedRuns(t *testing.T) {
	t.Parallel()
	pools(t, func(t *testing.T, pool *lambdapool.Executor) {
		texts := textsOf(3, 8, 200, 60)
		want := countHere(texts)
		if err := count.Start(t.Context(), pool, "words", source(texts), mapreduce.Partitions(4)); err != nil {
			t.Fatal(err)
		}
		if err := count.Start(t.Context(), pool, "words", source(texts), mapreduce.Partitions(4)); err != nil {
			t.Errorf("started again: %v", err)
		}
		if err := count.Start(t.Context(), pool, "words", source(texts), mapreduce.Partitions(5)); !errors.Is(err, lambdapool.ErrRunExists) {
			t.Errorf("started as another one: %v", err)
		}
		phases := map[string]lambdapool.Snapshot{}
		progress := mapreduce.With(lambdapool.Progress(func(s lambdapool.Snapshot) { phases[s.Func] = s }))
		for range 2 { // those who come later get the same
			if got := collect(t, 4, count.Attach(t.Context(), pool, "words", progress)); !maps.Equal(got, want) {
				t.Errorf("%d counts, want %d", len(got), len(want))
			}
			if left := leftBelow(t, pool, "runs/words/pieces/"); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		}
		if m, r := phases["mapreduce-test-count/map"], phases["mapreduce-test-count/reduce"]; m.Done != 8 || !m.Final || r.Done != 4 || !r.Final {
			t.Errorf("progress: %+v, %+v", m, r)
		}
		for _, err := range count.AttachTo(t.Context(), pool, "words", "out/") {
			if !errors.Is(err, lambdapool.ErrRunExists) {
				t.Errorf("as objects, when the results are values: %v", err)
			}
		}
		var there []string
		for info, err := range pool.Runs(t.Context()) {
			there = append(there, info.ID)
			if err == nil {
				err = pool.DeleteRun(t.Context(), info.ID)
			}
			if err != nil {
				t.Error(err)
			}
		}
		if want := []string{"words", "words.reduce"}; !slices.Equal(there, want) {
			t.Errorf("the runs %q, want %q", there, want)
		}
		if left := leftBelow(t, pool, "runs/"); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	})
}

// Delete deletes both phases, and what is no job's it leaves alone.
func TestDelete(t *testing.T) {
	t.Parallel()
	pools(t, func(t *testing.T, pool *lambdapool.Executor) {
		texts := textsOf(3, 2, 50, 20)
		for _, attached := range []bool{true, false} {
			if err := count.Start(t.Context(), pool, "words", source(texts), mapreduce.Partitions(2)); err != nil {
				t.Fatal(err)
			}
			if attached {
				collect(t, 2, count.Attach(t.Context(), pool, "words"))
			}
			if err := mapreduce.Delete(t.Context(), pool, "words.reduce"); attached && !errors.Is(err, lambdapool.ErrBadArguments) {
				t.Errorf("the second phase for a job: %v", err)
			}
			if err := mapreduce.Delete(t.Context(), pool, "words"); err != nil {
				t.Errorf("attached %v: %v", attached, err)
			}
			for info, err := range pool.Runs(t.Context()) {
				t.Errorf("attached %v: left: %s, %v", attached, info.ID, err)
			}
		}
		if err := mapreduce.Delete(t.Context(), pool, "words"); !errors.Is(err, lambdapool.ErrRunNotFound) {
			t.Errorf("again: %v", err)
		}
		if err := mapreduce.Delete(t.Context(), pool, "a/b"); err == nil {
			t.Error("a bad name is taken")
		}
	})
}

func TestDetachedObjects(t *testing.T) {
	t.Parallel()
	pools(t, func(t *testing.T, pool *lambdapool.Executor) {
		texts := textsOf(4, 6, 200, 60)
		if err := count.Start(t.Context(), pool, "words", source(texts), mapreduce.Partitions(3)); err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for o, err := range count.AttachTo(t.Context(), pool, "words", "out/") {
			if err != nil {
				t.Fatal(err)
			}
			for s, err := range splits.Stored(t.Context(), pool.Store(), o.Key) {
				if err != nil {
					t.Fatal(err)
				}
				for kv, err := range splits.JSONLines[mapreduce.Pair[string, int]](t.Context(), s) {
					if err != nil {
						t.Fatal(err)
					}
					got[kv.Key] = kv.Value
				}
			}
		}
		if want := countHere(texts); !maps.Equal(got, want) {
			t.Errorf("%d counts, want %d", len(got), len(want))
		}
	})
}

// What failed says so to everybody, and leaves its pieces with the run: they go with it.
func TestDetachedRunsThatFail(t *testing.T) {
	t.Parallel()
	pools(t, func(t *testing.T, pool *lambdapool.Executor) {
		texts := textsOf(1, 5, 100, 50)
		texts[3].Fail = "no such text"
		for _, test := range []struct {
			name  string
			job   *mapreduce.Job[text, string, int, int]
			index int
			says  string
		}{
			{"mapper", count, 3, "no such text"},
			{"reducer", poisoned, 0, "partition 0 of 1 has 45 bytes, the mean is 45: item 0: "},
		} {
			if err := test.job.Start(t.Context(), pool, test.name, source(texts), mapreduce.Partitions(1)); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				var last error
				for _, last = range test.job.Attach(t.Context(), pool, test.name) {
				}
				var item *lambdapool.ItemError
				if !errors.As(last, &item) || item.Index != test.index || !strings.Contains(last.Error(), test.says) {
					t.Errorf("%s: %v", test.name, last)
				}
			}
			if len(leftBelow(t, pool, "runs/"+test.name+"/pieces/")) == 0 {
				t.Errorf("%s: the pieces are gone", test.name)
			}
			if err := pool.DeleteRun(t.Context(), test.name); err != nil {
				t.Error(err)
			}
			if left := leftBelow(t, pool, "runs/"+test.name+"/"); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		}
	})
}

func TestDetachedMisuse(t *testing.T) {
	pool, err := lambdapool.New(inproc.New(), lambdapool.WithOwnedBackend())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	texts := source(textsOf(1, 1, 1, 1))
	errSource := errors.New("the bucket is gone")
	broken := func(yield func(text, error) bool) { yield(text{}, errSource) }
	start := func(name string, inputs iter.Seq2[text, error], opt mapreduce.Option) error {
		return count.Start(t.Context(), pool, name, inputs, opt)
	}
	attach := func(name string, opt mapreduce.Option) (last error) {
		for _, last = range count.Attach(t.Context(), pool, name, opt) {
		}
		return last
	}
	attachTo := func(name, prefix string) (last error) {
		for _, last = range count.AttachTo(t.Context(), pool, name, prefix) {
		}
		return last
	}
	plain := mapreduce.With()
	for _, test := range []struct {
		err  error
		says string
	}{
		{start("a/b", texts, plain), `the name "a/b": must be`},
		{start("n", nil, plain), "the inputs are nil"},
		{start("n", texts, mapreduce.Name("other")), "has a name already"},
		{start("n", texts, mapreduce.With(lambdapool.WithBudget(lambdapool.Budget{Dollars: 1}))), "WithBudget does not apply"},
		{start("n", broken, plain), "input failed: the bucket is gone"},
		{attach("", plain), `the name "": must be`},
		{attach("n", plain), "there is no run n"},
		{attach("n", nil), "an option is nil"},
		{attach("n", mapreduce.Partitions(4)), "do not apply any more"},
		{attachTo("n", "out"), "the prefix"},
		{attachTo("n", "runs/n/"), "the prefix"},
	} {
		if test.err == nil || !strings.Contains(test.err.Error(), test.says) {
			t.Errorf("%v, want %q", test.err, test.says)
		}
	}
	if err := start("n", broken, plain); !errors.Is(err, lambdapool.ErrInput) || !errors.Is(err, errSource) {
		t.Error(err)
	}
	if err := attach("n", plain); !errors.Is(err, lambdapool.ErrRunNotFound) {
		t.Error(err)
	}
}

// A slow job counts what runs of it.
type slowJob struct {
	*mapreduce.Job[int, int, int, int]

	registry         *lambdapool.Registry
	mapped, reducers atomic.Int64
}

// newSlowJob makes one whose mapper and reducers take a second each, and a little more or less.
func newSlowJob() *slowJob {
	s := &slowJob{registry: lambdapool.NewRegistry()}
	s.Job = mapreduce.RegisterIn(s.registry, "slow", func(_ context.Context, n int, emit func(int, int)) error {
		s.mapped.Add(1)
		time.Sleep(time.Second + time.Duration(n)*time.Millisecond)
		for i := range 20 {
			emit(i, n)
		}
		return nil
	}, func(_ context.Context, key int, values iter.Seq[int]) (sum int, _ error) {
		s.reducers.Add(1)
		time.Sleep(time.Second/4 + time.Duration(key)*time.Millisecond)
		for v := range values {
			sum += v
		}
		return sum, nil
	})
	return s
}

func (s *slowJob) pool(t *testing.T, b lambdapool.Backend) *lambdapool.Executor {
	t.Helper()
	pool, err := lambdapool.New(b, lambdapool.WithRegistry(s.registry))
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// A client that goes away, whenever that is, costs nothing: whoever attaches goes on, and nothing runs twice.
func TestDetachedRunsSurviveTheirClients(t *testing.T) {
	for after := 500 * time.Millisecond; after < 12*time.Second; after += 1700 * time.Millisecond {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSlowJob()
				b := inproc.New(inproc.WithConcurrency(2))
				defer b.Close()
				first := s.pool(t, b)
				if err := s.Start(t.Context(), first, "slow", source([]int{1, 2, 3, 4, 5, 6, 7}), mapreduce.Partitions(5)); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), after)
				defer cancel()
				for _, err := range s.Attach(ctx, first, "slow") {
					if err != nil && ctx.Err() == nil {
						t.Error(err)
					}
				}
				if err := first.Close(); err != nil {
					t.Error(err)
				}
				second := s.pool(t, b)
				defer second.Close()
				got := map[int]int{}
				for kv, err := range s.Attach(t.Context(), second, "slow") {
					if err != nil {
						t.Fatal(err)
					}
					got[kv.Key] = kv.Value
				}
				for key := range 20 {
					if got[key] != 28 {
						t.Errorf("key %d: %d, want 28", key, got[key])
					}
				}
				if m, r := s.mapped.Load(), s.reducers.Load(); m != 7 || r != 20 {
					t.Errorf("%d mappers and %d reducers ran, want 7 and 20", m, r)
				}
				if left := leftBelow(t, second, "runs/slow/pieces/"); len(left) > 0 {
					t.Errorf("left: %q", left)
				}
			})
		})
	}
}

// Several clients that attach at once start the reducers once, and each gets everything.
func TestSeveralAttach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlowJob()
		b := inproc.New(inproc.WithConcurrency(2))
		defer b.Close()
		pool := s.pool(t, b)
		defer pool.Close()
		if err := s.Start(t.Context(), pool, "slow", source([]int{1, 2, 3}), mapreduce.Partitions(5)); err != nil {
			t.Fatal(err)
		}
		said := make(chan error)
		for i := range 3 {
			go func() {
				time.Sleep(time.Duration(i) * 7 * time.Microsecond)
				n := 0
				for _, err := range s.Attach(t.Context(), pool, "slow") {
					if err != nil {
						said <- err
						return
					}
					n++
				}
				if n != 20 {
					said <- fmt.Errorf("%d results, want 20", n)
					return
				}
				said <- nil
			}()
		}
		for range 3 {
			if err := <-said; err != nil {
				t.Error(err)
			}
		}
		if r := s.reducers.Load(); r != 20 {
			t.Errorf("%d reducers ran, want 20", r)
		}
	})
}
