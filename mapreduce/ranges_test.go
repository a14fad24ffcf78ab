package mapreduce_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/mapreduce"
	"github.com/lambdapool/lambdapool/splits"
)

// sorted sorts the words of texts, each with a newline. The same word in two texts is two records.
var sorted = mapreduce.Register("mapreduce-test-sorted", func(_ context.Context, t text, emit func(string, []byte)) error {
	for word := range t.words() {
		emit(word, []byte(word+"\n"))
	}
	return nil
}, mapreduce.Concat)

// Whatever the inputs and the partitions are: the objects, one after another, are what sorting in memory makes.
func TestObjectsOfRangesAreSorted(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	pools(t, func(t *testing.T, pool *lambdapool.Executor) {
		random := rand.New(rand.NewPCG(seed, 0))
		for round := range 2 {
			texts := textsOf(seed, random.IntN(40), random.IntN(1000), 1+random.IntN(1000))
			bounds, err := sorted.Bounds(t.Context(), pool, source(texts), 1+random.IntN(20))
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			prefix, last := fmt.Sprintf("sorted/%d/", round), -1
			for o, err := range sorted.RunTo(t.Context(), pool, source(texts), prefix, mapreduce.Ranges(bounds...), mapreduce.As(mapreduce.Raw)) {
				if err != nil {
					t.Fatal(err)
				}
				if o.Partition <= last || o.Key != fmt.Sprintf("%spart-%05d-of-%05d", prefix, o.Partition, len(bounds)+1) {
					t.Errorf("%s is partition %d, after %d", o.Key, o.Partition, last)
				}
				last = o.Partition
			}
			for s, err := range splits.Stored(t.Context(), pool.Store(), prefix) {
				if err != nil {
					t.Fatal(err)
				}
				read(t, &got, s)
			}
			var want []string
			for _, text := range texts {
				want = slices.AppendSeq(want, text.words())
			}
			slices.Sort(want)
			if lines := strings.Fields(got.String()); !slices.Equal(lines, want) {
				t.Fatalf("%d texts, %q: %d lines that are not the %d words in order", len(texts), bounds, len(lines), len(want))
			}
		}
	})
}

func read(t *testing.T, into *bytes.Buffer, s splits.Split) {
	t.Helper()
	body, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(into, body)
	if err := errors.Join(err, body.Close()); err != nil {
		t.Fatal(err)
	}
}

// Bounds divide what a sample has seen evenly, as far as its keys let them, and each time alike.
func TestBounds(t *testing.T) {
	pool := newPool()
	defer pool.Close()
	many := textsOf(1, 40, 25_000, 1_000_000)
	bounds, err := countEach.Bounds(t.Context(), pool, source(many), 10)
	if err != nil || len(bounds) != 9 {
		t.Fatalf("%q, %v", bounds, err)
	}
	again, err := countEach.Bounds(t.Context(), pool, source(many), 10)
	if err != nil || !slices.Equal(again, bounds) {
		t.Errorf("another time: %q, %v; first %q", again, err, bounds)
	}
	words, sizes := 0, make([]int, 10)
	for _, text := range many {
		for word := range text.words() {
			words++
			at, found := slices.BinarySearch(bounds, word)
			if found {
				at++
			}
			sizes[at]++
		}
	}
	for _, n := range sizes {
		if n < words/10*8/10 || n > words/10*12/10 {
			t.Errorf("of %d words: %d", words, sizes)
			break
		}
	}
	for _, test := range []struct {
		name  string
		texts []text
		want  []string
	}{
		{"no input", nil, nil},
		{"no key", textsOf(1, 3, 0, 5), nil},
		{"one key", textsOf(1, 3, 100, 1), nil},
		{"two keys", textsOf(1, 3, 100, 2), []string{"1"}},
		{"a small input counts little", append(textsOf(1, 1, 20_000, 1), textsOf(1, 1, 100, 2)...), []string{"1"}},
	} {
		if got, err := countEach.Bounds(t.Context(), pool, source(test.texts), 10); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, %v; want %q", test.name, got, err, test.want)
		}
	}
}

// What a sample fails with is said, unless the sample had enough by then.
func TestBoundsFail(t *testing.T) {
	pool := newPool()
	defer pool.Close()
	early, late := textsOf(1, 1, 100, 50), textsOf(1, 1, 30_000, 50)
	early[0].Fail, late[0].Fail = "no such text", "no such text"
	if bounds, err := countEach.Bounds(t.Context(), pool, source(late), 2); err != nil || len(bounds) != 1 {
		t.Errorf("%q, %v", bounds, err)
	}
	var item *lambdapool.ItemError
	if _, err := countEach.Bounds(t.Context(), pool, source(early), 2); !errors.As(err, &item) || !strings.Contains(err.Error(), "no such text") {
		t.Error(err)
	}
	errSource := errors.New("the bucket is gone")
	broken := func(yield func(text, error) bool) { yield(text{}, errSource) }
	if _, err := countEach.Bounds(t.Context(), pool, broken, 2); !errors.Is(err, lambdapool.ErrInput) || !errors.Is(err, errSource) {
		t.Error(err)
	}
	for _, test := range []struct {
		pool       *lambdapool.Executor
		partitions int
		says       string
	}{
		{nil, 1, "the executor is nil"},
		{pool, 0, "bounds for 0 partitions"},
		{pool, mapreduce.MaxPartitions + 1, "from 1 to 10000"},
	} {
		if _, err := countEach.Bounds(t.Context(), test.pool, source(early), test.partitions); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%v, want %q", err, test.says)
		}
	}
	if _, err := countEach.Bounds(t.Context(), pool, nil, 1); err == nil || !strings.Contains(err.Error(), "the inputs are nil") {
		t.Error(err)
	}
}

func TestBadRanges(t *testing.T) {
	pool := newPool()
	defer pool.Close()
	for _, test := range []struct {
		opts []mapreduce.Option
		says string
	}{
		{[]mapreduce.Option{mapreduce.Ranges("b", "a")}, `bound 1, a, is not above the one before, b`},
		{[]mapreduce.Option{mapreduce.Ranges("a", "a")}, "name each once"},
		{[]mapreduce.Option{mapreduce.Ranges(math.NaN())}, "NaN"},
		{[]mapreduce.Option{mapreduce.Ranges(1)}, "Ranges of int: the job's keys are of type string"},
		{[]mapreduce.Option{mapreduce.Ranges(make([]int, mapreduce.MaxPartitions)...)}, "at most 9999"},
		{[]mapreduce.Option{mapreduce.Ranges("a"), mapreduce.Partitions(3)}, "leave Partitions out"},
		{[]mapreduce.Option{mapreduce.As(mapreduce.Raw)}, "As(Raw): the reducer returns int"},
	} {
		var last error
		for _, last = range count.RunTo(t.Context(), pool, source(textsOf(1, 1, 1, 1)), "out/", test.opts...) {
		}
		if last == nil || !strings.Contains(last.Error(), test.says) {
			t.Errorf("%v, want %q", last, test.says)
		}
	}
}

// Ranges order results of Run as a whole, by the order of numbers too.
func TestRangesOfNumbers(t *testing.T) {
	pool := newPool()
	defer pool.Close()
	var got []int
	for kv, err := range lengths.Run(t.Context(), pool, source([]string{"a bb ccc dddd eeeee ffffffffffff", "a b cccc"}), mapreduce.Ranges(2, 4, 12), mapreduce.Partitions(4)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, kv.Key)
	}
	if want := []int{1, 2, 3, 4, 5, 12}; !slices.Equal(got, want) {
		t.Errorf("%d, want %d", got, want)
	}
}
