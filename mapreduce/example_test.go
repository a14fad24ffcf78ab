package mapreduce_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/mapreduce"
	"github.com/lambdapool/lambdapool/splits"
)

// letters counts the words that begin with a letter. An input that is large would be a splits.Split.
var letters = mapreduce.Register("mapreduce-example-letters",
	func(_ context.Context, line string, emit func(string, int)) error {
		for word := range strings.FieldsSeq(line) {
			emit(word[:1], 1)
		}
		return nil
	},
	func(_ context.Context, _ string, counts iter.Seq[int]) (n int, _ error) {
		for c := range counts {
			n += c
		}
		return n, nil
	},
	mapreduce.Combine(func(a, b int) int { return a + b }))

var lines = []string{"the quick brown fox", "jumps over the lazy dog"}

func newPool() *lambdapool.Executor {
	pool, err := lambdapool.New(inproc.New(), lambdapool.WithOwnedBackend())
	if err != nil {
		panic(err)
	}
	return pool
}

func Example() {
	ctx := context.Background()
	pool := newPool()
	defer pool.Close()
	counts := map[string]int{}
	for kv, err := range letters.Run(ctx, pool, source(lines), mapreduce.Partitions(2)) {
		if err != nil {
			fmt.Println(err)
			return
		}
		counts[kv.Key] = kv.Value
	}
	for _, letter := range slices.Sorted(maps.Keys(counts)) {
		fmt.Print(letter, counts[letter], " ")
	}
	fmt.Println(letters.Name())
	// Output: b1 d1 f1 j1 l1 o1 q1 t2 mapreduce-example-letters
}

func ExampleJob_RunTo() {
	ctx := context.Background()
	pool := newPool()
	defer pool.Close()
	for o, err := range letters.RunTo(ctx, pool, source(lines), "letters/", mapreduce.As(mapreduce.CSV), mapreduce.Partitions(1)) {
		fmt.Println(o.Key, o.Records, o.Size, err)
	}
	for s, err := range splits.Stored(ctx, pool.Store(), "letters/", splits.AtMost(1)) {
		if err != nil {
			fmt.Println(err)
			return
		}
		for row, err := range s.CSV(ctx, 0) {
			fmt.Println(row, err)
			break
		}
	}
	// Output:
	// letters/part-00000-of-00001.csv 8 32 <nil>
	// [b 1] <nil>
}

func ExampleJob_Start() {
	ctx := context.Background()
	pool := newPool()
	defer pool.Close()
	if err := letters.Start(ctx, pool, "letters-of-may", source(lines), mapreduce.Partitions(1)); err != nil {
		fmt.Println(err)
		return
	}
	// The program may end here, where the backend's store and queue are not its own.
	n := 0
	for kv, err := range letters.Attach(ctx, pool, "letters-of-may") {
		if err != nil {
			fmt.Println(err)
			return
		}
		n += kv.Value
	}
	fmt.Println(n, "words")
	// Output: 9 words
}

func ExampleJob_Attach() {
	pool := newPool()
	defer pool.Close()
	for _, err := range letters.Attach(context.Background(), pool, "letters-of-june") {
		if errors.Is(err, lambdapool.ErrRunNotFound) {
			fmt.Println("nobody has started it")
		}
	}
	// Output: nobody has started it
}

func ExampleJob_AttachTo() {
	ctx := context.Background()
	pool := newPool()
	defer pool.Close()
	if err := letters.Start(ctx, pool, "letters-of-july", source(lines), mapreduce.Partitions(1)); err != nil {
		fmt.Println(err)
		return
	}
	for o, err := range letters.AttachTo(ctx, pool, "letters-of-july", "july/", mapreduce.As(mapreduce.CSV)) {
		fmt.Println(o.Key, o.Records, err)
	}
	// Output: july/part-00000-of-00001.csv 8 <nil>
}

func ExampleDelete() {
	ctx := context.Background()
	pool := newPool()
	defer pool.Close()
	if err := letters.Start(ctx, pool, "letters-of-august", source(lines), mapreduce.Partitions(1)); err != nil {
		fmt.Println(err)
		return
	}
	for _, err := range letters.Attach(ctx, pool, "letters-of-august") {
		if err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(mapreduce.Delete(ctx, pool, "letters-of-august")) // both phases
	for run := range pool.Runs(ctx) {
		fmt.Println(run.ID, "is left")
	}
	// Output: <nil>
}

func ExampleRegisterIn() {
	registry := lambdapool.NewRegistry()
	largest := mapreduce.RegisterIn(registry, "largest",
		func(_ context.Context, n int, emit func(int, int)) error {
			emit(n%10, n)
			return nil
		},
		func(_ context.Context, _ int, numbers iter.Seq[int]) (int, error) {
			return slices.Max(slices.Collect(numbers)), nil
		})
	fmt.Println(largest.Name())
	// Output: largest
}

func ExampleOption() {
	ctx := context.Background()
	pool := newPool()
	defer pool.Close()
	n := 0
	for _, err := range letters.Run(ctx, pool, source(lines),
		mapreduce.Partitions(1),
		mapreduce.Memory(64<<20),
		mapreduce.Name("letters-of-november"),
		mapreduce.Logger(slog.New(slog.DiscardHandler)),
		mapreduce.With(lambdapool.ChunkSize(1)),
		mapreduce.WithMap(lambdapool.Total(len(lines))),
		mapreduce.WithReduce(lambdapool.Window(4)),
	) {
		if err != nil {
			fmt.Println(err)
			return
		}
		n++
	}
	fmt.Println(n)
	// Output: 8
}

var longest = mapreduce.RegisterFold("mapreduce-example-longest",
	func(_ context.Context, line string) (string, error) { return line, nil },
	func(_ context.Context, a, b string) (string, error) {
		if len(b) > len(a) {
			return b, nil
		}
		return a, nil
	})

func ExampleFold() {
	ctx := context.Background()
	pool := newPool()
	defer pool.Close()
	line, err := longest.Run(ctx, pool, source(lines), mapreduce.Batch(1))
	fmt.Printf("%s: %q, %v\n", longest.Name(), line, err)
	// Output: mapreduce-example-longest: "jumps over the lazy dog", <nil>
}

func ExampleRegisterFoldIn() {
	registry := lambdapool.NewRegistry()
	total := mapreduce.RegisterFoldIn(registry, "total",
		func(_ context.Context, n int) (int, error) { return n * n, nil },
		func(_ context.Context, a, b int) (int, error) { return a + b, nil })
	fmt.Println(total.Name())
	// Output: total
}

var lengths = mapreduce.Register("mapreduce-example-lengths", func(_ context.Context, line string, emit func(int, float64)) error {
	for word := range strings.FieldsSeq(line) {
		emit(len(word), 0.5)
	}
	return nil
}, mapreduce.Sum[int, float64], mapreduce.Combine(mapreduce.Add[float64]))

func ExampleSum() {
	pool := newPool()
	defer pool.Close()
	for kv, err := range lengths.Run(context.Background(), pool, source(lines), mapreduce.Partitions(1)) {
		fmt.Println(kv.Key, kv.Value, err)
	}
	// Output:
	// 3 2 <nil>
	// 4 1 <nil>
	// 5 1.5 <nil>
}

// sortLines sorts lines by their first word. An input that is large would be a splits.Split.
var sortLines = mapreduce.Register("mapreduce-example-sort", func(_ context.Context, line string, emit func(string, []byte)) error {
	word, _, _ := strings.Cut(line, " ")
	emit(word, []byte(line+"\n"))
	return nil
}, mapreduce.Concat)

func ExampleRanges() {
	ctx := context.Background()
	pool := newPool()
	defer pool.Close()
	bounds, err := sortLines.Bounds(ctx, pool, source(lines), 2)
	fmt.Println(bounds, err)
	for o, err := range sortLines.RunTo(ctx, pool, source(lines), "sorted/", mapreduce.Ranges(bounds...), mapreduce.As(mapreduce.Raw)) {
		fmt.Println(o.Key, o.Size, err)
	}
	// Output:
	// [the] <nil>
	// sorted/part-00000-of-00002 24 <nil>
	// sorted/part-00001-of-00002 20 <nil>
}

func ExampleJob_Bounds() {
	ctx := context.Background()
	pool := newPool()
	defer pool.Close()
	bounds, err := letters.Bounds(ctx, pool, source(lines), 4)
	fmt.Println(bounds, err)
	// Output: [j o t] <nil>
}

func ExampleConcat() {
	pool := newPool()
	defer pool.Close()
	for kv, err := range sortLines.Run(context.Background(), pool, source([]string{"b 1", "a 2", "b 3"}), mapreduce.Ranges("b")) {
		fmt.Printf("%s %q %v\n", kv.Key, kv.Value, err)
	}
	// Output:
	// a "a 2\n" <nil>
	// b "b 1\nb 3\n" <nil>
}
