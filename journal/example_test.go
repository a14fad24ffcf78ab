package journal_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/journal"
)

// cubes maps numbers with a journal and prints what became of the run.
func cubes(pool *lambdapool.Executor, dir string, numbers []int, opts ...journal.Option) {
	var last lambdapool.Snapshot
	results, err := lambdapool.Map(context.Background(), pool, cube, numbers,
		journal.WithJournal(dir, opts...), lambdapool.Progress(func(s lambdapool.Snapshot) { last = s }))
	if errors.Is(err, lambdapool.ErrJournal) {
		fmt.Println("the input is not that of the journal")
		return
	}
	fmt.Println(results, last.Skipped, "skipped", err)
}

// example runs f with a pool and an empty directory.
func example(f func(pool *lambdapool.Executor, dir string)) {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	backend := inproc.New()
	pool, err := lambdapool.New(backend)
	if err != nil {
		fmt.Println(err)
		return
	}
	f(pool, dir)
	if err := errors.Join(pool.Close(), backend.Close(), os.RemoveAll(dir)); err != nil {
		fmt.Println(err)
	}
}

func ExampleWithJournal() {
	example(func(pool *lambdapool.Executor, dir string) {
		cubes(pool, dir, []int{1, 2, 3})
		cubes(pool, dir, []int{1, 2, 3, 4, 5})
	})
	// Output:
	// [1 8 27] 0 skipped <nil>
	// [1 8 27 64 125] 3 skipped <nil>
}

func ExampleName() {
	example(func(pool *lambdapool.Executor, dir string) {
		cubes(pool, dir, []int{1, 2, 3}, journal.Name("monday"))
		cubes(pool, dir, []int{4, 5, 6}, journal.Name("tuesday"))
	})
	// Output:
	// [1 8 27] 0 skipped <nil>
	// [64 125 216] 0 skipped <nil>
}

func ExampleStartOver() {
	example(func(pool *lambdapool.Executor, dir string) {
		cubes(pool, dir, []int{1, 2, 3})
		cubes(pool, dir, []int{1, 9, 3})
		cubes(pool, dir, []int{1, 9, 3}, journal.StartOver())
	})
	// Output:
	// [1 8 27] 0 skipped <nil>
	// the input is not that of the journal
	// [1 729 27] 0 skipped <nil>
}

func ExampleRetryFailed() {
	executions.Store(1) // the second execution of moody fails, later ones do not
	example(func(pool *lambdapool.Executor, dir string) {
		for range 2 {
			_, err := lambdapool.Map(context.Background(), pool, moody, []int{1, 2, 3}, journal.WithJournal(dir), lambdapool.ContinueOnError())
			fmt.Println("failed:", errors.Is(err, errUnlucky))
		}
		results, err := lambdapool.Map(context.Background(), pool, moody, []int{1, 2, 3}, journal.WithJournal(dir, journal.RetryFailed()))
		fmt.Println(results, err)
	})
	// Output:
	// failed: true
	// failed: true
	// [1 2 3] <nil>
}
