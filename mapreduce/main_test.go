package mapreduce_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/mapreduce"
)

func TestMain(m *testing.M) {
	agent.Main() // the local backend starts this test binary as its agents
	if play() {
		return
	}
	goleak.VerifyTestMain(m)
}

// A text is words that a seed makes.
type text struct {
	Seed  uint64
	Words int
	Kinds int    // of words
	Fail  string // what the mapper says in the end
}

func (t text) words() iter.Seq[string] {
	return func(yield func(string) bool) {
		random := rand.New(rand.NewPCG(t.Seed, 1))
		for range t.Words {
			if !yield(strconv.Itoa(random.IntN(t.Kinds))) {
				return
			}
		}
	}
}

func mapWords(_ context.Context, t text, emit func(string, int)) error {
	for word := range t.words() {
		emit(word, 1)
	}
	if t.Fail != "" {
		return errors.New(t.Fail)
	}
	return nil
}

func sum(_ context.Context, word string, counts iter.Seq[int]) (n int, err error) {
	if word == "poison" {
		return 0, errors.New("it is poison")
	}
	for c := range counts {
		n += c
	}
	return n, nil
}

func plus(a, b int) int { return a + b }

var (
	count    = mapreduce.Register("mapreduce-test-count", mapWords, sum, mapreduce.Combine(plus))
	poisoned = mapreduce.Register("mapreduce-test-poisoned", func(_ context.Context, _ text, emit func(string, int)) error {
		emit("poison", 1)
		return nil
	}, sum)
	countEach = mapreduce.Register("mapreduce-test-count-each", mapWords, sum)
)

// textsOf makes n texts.
func textsOf(seed uint64, n, words, kinds int) []text {
	all := make([]text, n)
	for i := range all {
		all[i] = text{Seed: seed + uint64(i), Words: words, Kinds: kinds}
	}
	return all
}

func source[A any](all []A) iter.Seq2[A, error] {
	return func(yield func(A, error) bool) {
		for _, a := range all {
			if !yield(a, nil) {
				return
			}
		}
	}
}

// countHere counts in memory.
func countHere(texts []text) map[string]int {
	counts := map[string]int{}
	for _, t := range texts {
		for word := range t.words() {
			counts[word]++
		}
	}
	return counts
}

// pools are where a test runs.
func pools(t *testing.T, test func(t *testing.T, pool *lambdapool.Executor)) {
	t.Helper()
	on := func(open func() (lambdapool.Backend, error)) func(t *testing.T) {
		return func(t *testing.T) {
			t.Helper()
			t.Parallel()
			b, err := open()
			if err != nil {
				t.Fatal(err)
			}
			pool, err := lambdapool.New(b, lambdapool.WithOwnedBackend(),
				lambdapool.WithRetry(lambdapool.RetryPolicy{MaxAttempts: 20, BaseDelay: time.Millisecond, MaxDelay: 4 * time.Millisecond}), lambdapool.WithLogger(slog.New(slog.DiscardHandler)))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := pool.Close(); err != nil {
					t.Error(err)
				}
			})
			test(t, pool)
		}
	}
	t.Run("inproc", on(func() (lambdapool.Backend, error) { return inproc.New(), nil }))
	t.Run("local", on(func() (lambdapool.Backend, error) { return local.New(local.WithConcurrency(2)) }))
	t.Run("faults", on(func() (lambdapool.Backend, error) {
		return local.New(local.WithConcurrency(2), local.WithFaults(local.Faults{
			Seed: 7, ErrorBefore: 0.05, ErrorAfter: 0.1, ResetAfter: 0.05, Truncate: 0.05, Crash: 0.03,
		}))
	}))
	t.Run("no forms", on(func() (lambdapool.Backend, error) {
		b, err := local.New(local.WithConcurrency(2), local.WithFaults(local.Faults{Seed: 8, ErrorAfter: 0.1, ResetAfter: 0.05}))
		return formless{b}, err
	}))
}

// A formless backend has a store that makes no forms, as Cloudflare's.
type formless struct{ *local.Backend }

func (b formless) Store() driver.Store { return formlessStore{b.Backend.Store()} }

type formlessStore struct{ driver.Store }

func (formlessStore) LinkUnder(context.Context, string, time.Duration) (driver.Link, error) {
	return driver.Link{}, errors.ErrUnsupported
}

// collect returns all results, and checks that each partition's are sorted: keys descend no more often than partitions begin.
func collect[R any](t *testing.T, partitions int, results iter.Seq2[mapreduce.Pair[string, R], error]) map[string]R {
	t.Helper()
	got := map[string]R{}
	falls, last := 0, ""
	for kv, err := range results {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := got[kv.Key]; twice {
			t.Fatalf("%q came twice", kv.Key)
		}
		if kv.Key < last {
			falls++
		}
		got[kv.Key], last = kv.Value, kv.Key
	}
	if falls >= partitions {
		t.Errorf("not sorted: %d times a key was before the last, in %d partitions", falls, partitions)
	}
	return got
}

// leftBelow checks what is in the store.
func leftBelow(t *testing.T, pool *lambdapool.Executor, prefix string) []string {
	t.Helper()
	list, err := pool.Store().List(t.Context(), prefix, "")
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, o := range list.Objects {
		keys = append(keys, o.Key)
	}
	slices.Sort(keys)
	return keys
}

// oneByOne has no mapper run when another one has failed: what it stores then has nobody to delete it.
var oneByOne = mapreduce.WithMap(lambdapool.Window(1))
