package mapreduce_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/journal"
	"github.com/lambdapool/lambdapool/mapreduce"
	"github.com/lambdapool/lambdapool/splits"
)

// Whatever the inputs are, how they are divided and what goes wrong: the counts are those of a map in memory.
func TestCountsAreThoseOfAMap(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	pools(t, func(t *testing.T, pool *lambdapool.Executor) {
		random := rand.New(rand.NewPCG(seed, 0))
		for round := range 4 {
			texts := textsOf(seed, random.IntN(30), random.IntN(2000), 1+random.IntN(1000))
			if round == 0 { // more pieces than are merged at once
				texts = textsOf(seed, 150, 20, 50)
			}
			partitions := 1 + random.IntN(9)
			memory := int64(1024 << random.IntN(8))
			if strings.HasSuffix(t.Name(), "no_forms") {
				memory = mapreduce.DefaultMemory // there are few links
			}
			job := count
			if round%2 == 1 {
				job = countEach
			}
			got := collect(t, partitions, job.Run(t.Context(), pool, source(texts), mapreduce.Partitions(partitions), mapreduce.Memory(memory)))
			if want := countHere(texts); !maps.Equal(got, want) {
				t.Fatalf("%s: %d texts in %d partitions, %d bytes of memory: %d counts, want %d", job.Name(), len(texts), partitions, memory, len(got), len(want))
			}
			if left := leftBelow(t, pool, "mapreduce/"); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		}
		if stats := pool.Stats(); stats.Retries > 0 {
			t.Logf("%d calls were sent again", stats.Retries)
		}
	})
}

// A run that an item fails ends with its error, and leaves nothing.
func TestFailures(t *testing.T) {
	t.Parallel()
	pools(t, func(t *testing.T, pool *lambdapool.Executor) {
		texts := textsOf(1, 5, 100, 50)
		texts[3].Fail = "no such text"
		poison := textsOf(1, 5, 100, 50)
		for _, test := range []struct {
			name  string
			run   iter.Seq2[mapreduce.Pair[string, int], error]
			index int
			says  string
		}{
			{"mapper", count.Run(t.Context(), pool, source(texts), oneByOne), 3, "no such text"},
			{"reducer", poisoned.Run(t.Context(), pool, source(poison), mapreduce.Partitions(1)), 0, "partition 0 of 1 has 45 bytes, the mean is 45: item 0: lambdapool: call mapreduce-test-poisoned/reduce: key poison: it is poison"},
		} {
			var last error
			for _, last = range test.run {
			}
			var item *lambdapool.ItemError
			if !errors.As(last, &item) || item.Index != test.index || !strings.Contains(last.Error(), test.says) {
				t.Errorf("%s: %v", test.name, last)
			}
		}
		if left := leftBelow(t, pool, "mapreduce/"); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	})
}

// What a source says ends the run, and so do a break and the context's end.
func TestRunsThatAreCutShort(t *testing.T) {
	t.Parallel()
	pools(t, func(t *testing.T, pool *lambdapool.Executor) {
		errSource := errors.New("the bucket is gone")
		broken := func(yield func(text, error) bool) {
			_ = yield(text{Seed: 1, Words: 10, Kinds: 3}, nil) && yield(text{}, errSource)
		}
		var last error
		for _, last = range count.Run(t.Context(), pool, broken, oneByOne) {
		}
		if !errors.Is(last, lambdapool.ErrInput) || !errors.Is(last, errSource) {
			t.Errorf("source: %v", last)
		}
		for range count.Run(t.Context(), pool, source(textsOf(1, 5, 100, 50))) {
			break
		}
		ctx, cancel := context.WithCancel(t.Context())
		for range count.Run(ctx, pool, source(textsOf(1, 5, 100, 50))) {
			cancel()
		}
		cancel()
		if left := leftBelow(t, pool, "mapreduce/"); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	})
}

// A run with a name and a journal goes on at the partition where it was.
func TestARunGoesOn(t *testing.T) {
	t.Parallel()
	pools(t, func(t *testing.T, pool *lambdapool.Executor) {
		texts, dir := textsOf(1, 5, 300, 50), t.TempDir()
		opts := func(skipped map[string]int) []mapreduce.Option {
			return []mapreduce.Option{
				mapreduce.Name("goes-on"), mapreduce.Partitions(4),
				mapreduce.With(journal.WithJournal(dir), lambdapool.ChunkSize(1), lambdapool.Window(1), lambdapool.Progress(func(s lambdapool.Snapshot) {
					skipped[s.Func] = s.Skipped
				})),
			}
		}
		first := map[string]int{}
		for range count.Run(t.Context(), pool, source(texts), opts(map[string]int{})...) {
			if first["taken"]++; first["taken"] == 30 { // within the third of four partitions
				break
			}
		}
		if len(leftBelow(t, pool, "mapreduce/goes-on/")) == 0 {
			t.Error("nothing is there to go on with")
		}
		skipped := map[string]int{}
		got := collect(t, 4, count.Run(t.Context(), pool, source(texts), opts(skipped)...))
		if want := countHere(texts); !maps.Equal(got, want) {
			t.Errorf("%d counts, want %d", len(got), len(want))
		}
		if m, r := skipped["mapreduce-test-count/map"], skipped["mapreduce-test-count/reduce"]; m != 5 || r < 2 { // the loop stood in the third; those behind it may have come in meanwhile
			t.Errorf("of the run before: %d inputs of 5, %d partitions of 4", m, r)
		}
		if left := leftBelow(t, pool, "mapreduce/"); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
		var last error
		for _, last = range count.Run(t.Context(), pool, source(texts), mapreduce.With(journal.WithJournal(dir, journal.StartOver()))) {
		}
		for _, last = range count.Run(t.Context(), pool, source(texts), mapreduce.With(journal.WithJournal(dir))) {
		}
		if !errors.Is(last, lambdapool.ErrJournal) || !strings.Contains(last.Error(), "needs a Name") {
			t.Errorf("without a name: %v", last)
		}
	})
}

// Results as objects are the same results.
func TestObjects(t *testing.T) {
	t.Parallel()
	pools(t, func(t *testing.T, pool *lambdapool.Executor) {
		texts := textsOf(1, 5, 300, 50)
		want := countHere(texts)
		for _, format := range []mapreduce.Format{mapreduce.JSONLines, mapreduce.CSV, mapreduce.Msgpack} {
			records, size := int64(0), int64(0)
			var keys []string
			for o, err := range count.RunTo(t.Context(), pool, source(texts), fmt.Sprintf("out/%d/", format), mapreduce.As(format), mapreduce.Partitions(3)) {
				if err != nil {
					t.Fatal(err)
				}
				records, size, keys = records+o.Records, size+o.Size, append(keys, o.Key)
			}
			if there := leftBelow(t, pool, fmt.Sprintf("out/%d/", format)); !slices.Equal(there, keys) || records != int64(len(want)) {
				t.Errorf("%v: %d records in %q, there is %q", format, records, keys, there)
			}
			got := map[string]int{}
			for s, err := range splits.Stored(t.Context(), pool.Store(), fmt.Sprintf("out/%d/", format)) {
				if err != nil {
					t.Fatal(err)
				}
				size -= s.Size
				if format == mapreduce.Msgpack {
					body, err := s.Open(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					for kv, err := range mapreduce.ReadMsgpack[string, int](body) {
						if err != nil {
							t.Fatal(err)
						}
						got[kv.Key] = kv.Value
					}
					_ = body.Close() // it was read
					continue
				}
				if format == mapreduce.CSV {
					for row, err := range s.CSV(t.Context(), 0) {
						if err != nil {
							t.Fatal(err)
						}
						got[row[0]], _ = strconv.Atoi(row[1])
					}
					continue
				}
				for kv, err := range splits.JSONLines[mapreduce.Pair[string, int]](t.Context(), s) {
					if err != nil {
						t.Fatal(err)
					}
					got[kv.Key] = kv.Value
				}
			}
			if !maps.Equal(got, want) || size != 0 {
				t.Errorf("%v: %d counts, want %d; sizes differ by %d", format, len(got), len(want), size)
			}
		}
		if left := leftBelow(t, pool, "mapreduce/"); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	})
}

func TestWhatCannotBegin(t *testing.T) {
	b := inproc.New()
	defer b.Close()
	pool, err := lambdapool.New(b)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	bare, err := lambdapool.New(storeless{b})
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	texts := source(textsOf(1, 1, 1, 1))
	for _, test := range []struct {
		pool   *lambdapool.Executor
		inputs iter.Seq2[text, error]
		opt    mapreduce.Option
		says   string
	}{
		{nil, texts, mapreduce.Partitions(1), "the executor is nil"},
		{bare, texts, mapreduce.Partitions(1), "WithBucket"},
		{pool, nil, mapreduce.Partitions(1), "the inputs are nil"},
		{pool, texts, nil, "an option is nil"},
		{pool, texts, mapreduce.Partitions(0), "Partitions(0)"},
		{pool, texts, mapreduce.Partitions(mapreduce.MaxPartitions + 1), "from 1 to 10000"},
		{pool, texts, mapreduce.Memory(1), "Memory(1)"},
		{pool, texts, mapreduce.Name("a/b"), `Name("a/b")`},
		{pool, texts, mapreduce.Name(".."), `Name("..")`},
		{pool, texts, mapreduce.Logger(nil), "Logger"},
		{pool, texts, mapreduce.As(7), "Format(7)"},
		{pool, texts, mapreduce.With(lambdapool.ChunkSize(-1)), "ChunkSize(-1)"},
	} {
		var last error
		for _, last = range count.Run(t.Context(), test.pool, test.inputs, test.opt) {
		}
		if last == nil || !strings.Contains(last.Error(), test.says) {
			t.Errorf("%v, want %q", last, test.says)
		}
	}
	for _, prefix := range []string{"", "/", "out", "mapreduce/x/", "/out/"} {
		var last error
		for _, last = range count.RunTo(t.Context(), pool, texts, prefix) {
		}
		if last == nil || !strings.Contains(last.Error(), "the prefix") {
			t.Errorf("%q: %v", prefix, last)
		}
	}
}

// A storeless backend has no store.
type storeless struct{ lambdapool.Backend }

func TestMisuse(t *testing.T) {
	for name, register := range map[string]func(r *lambdapool.Registry){
		"the mapper is nil": func(r *lambdapool.Registry) {
			mapreduce.RegisterIn(r, "j", mapreduce.Mapper[text, string, int](nil), sum)
		},
		"the reducer is nil": func(r *lambdapool.Registry) {
			mapreduce.RegisterIn(r, "j", mapWords, mapreduce.Reducer[string, int, int](nil))
		},
		"the function is nil": func(r *lambdapool.Registry) { mapreduce.RegisterIn(r, "j", mapWords, sum, mapreduce.Combine[int](nil)) },
		"an option is nil":    func(r *lambdapool.Registry) { mapreduce.RegisterIn(r, "j", mapWords, sum, nil) },
		"chan int": func(r *lambdapool.Registry) {
			mapreduce.RegisterIn(r, "j", func(context.Context, text, func(string, chan int)) error { return nil },
				func(context.Context, string, iter.Seq[chan int]) (int, error) { return 0, nil })
		},
	} {
		func() {
			defer func() {
				if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), name) {
					t.Errorf("%s: %v", name, p)
				}
			}()
			register(lambdapool.NewRegistry())
		}()
	}
}

// A partition that is far larger than the others is named.
func TestSkewIsSaid(t *testing.T) {
	b := inproc.New()
	defer b.Close()
	r := lambdapool.NewRegistry()
	blobs := mapreduce.RegisterIn(r, "blobs", func(_ context.Context, n int, emit func(int, []byte)) error {
		for range n {
			emit(1, make([]byte, 1<<20))
		}
		return nil
	}, func(_ context.Context, _ int, blobs iter.Seq[[]byte]) (n int, err error) {
		for blob := range blobs {
			n += len(blob)
		}
		return n, nil
	})
	pool, err := lambdapool.New(b, lambdapool.WithRegistry(r))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var said bytes.Buffer
	for kv, err := range blobs.Run(t.Context(), pool, source([]int{10, 10}), mapreduce.Logger(slog.New(slog.NewTextHandler(&said, nil)))) {
		if err != nil || kv.Value != 20<<20 {
			t.Errorf("%v, %v", kv, err)
		}
	}
	if !strings.Contains(said.String(), "skewed keys: partition 13 of 16 has 20971860 bytes") {
		t.Errorf("said: %s", &said)
	}
}

// Where links are used up, the error says what to do.
func TestTooFewLinks(t *testing.T) {
	b, err := local.New(local.WithConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	pool, err := lambdapool.New(formless{b}, lambdapool.WithOwnedBackend())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var last error
	for _, last = range count.Run(t.Context(), pool, source(textsOf(1, 1, 5000, 5000)), mapreduce.Memory(1024)) {
	}
	if last == nil || !strings.Contains(last.Error(), "give the run more Memory") {
		t.Error(last)
	}
	if left := leftBelow(t, pool, "mapreduce/"); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}
