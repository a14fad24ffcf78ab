// Restart is meant to be killed. It counts the primes below 2,000,000 in 200
// ranges, records each result in a journal, and when it is started again it goes
// on where it was:
//
//	go run ./examples/restart            # interrupt it, or kill -9 it
//	go run ./examples/restart            # prints what it skips, runs the rest
//	go run ./examples/restart -die 60    # kills itself after 60 results
//	go run ./examples/restart -over      # forgets what was done
//
// The agents are processes of this same program.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/interrupt"
	"github.com/lambdapool/lambdapool/journal"
)

const (
	ranges = 200
	width  = 10_000
)

// CountPrimes counts the primes of one range. It takes a while, so that there
// is time to kill the program.
var CountPrimes = lambdapool.Register("count-primes", func(ctx context.Context, from int) (int, error) {
	count := 0
	for n := max(from, 2); n < from+width; n++ {
		if isPrime(n) {
			count++
		}
	}
	select {
	case <-time.After(50 * time.Millisecond):
		return count, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
})

// isPrime tries every divisor up to the root: simple, and slow on purpose.
func isPrime(n int) bool {
	for d := 2; d*d <= n; d++ {
		if n%d == 0 {
			return false
		}
	}
	return true
}

func main() {
	agent.Main() // when this process is an agent, it serves here and never returns

	dir := flag.String("dir", filepath.Join(os.TempDir(), "lambdapool-restart"), "`directory` of the journal")
	die := flag.Int("die", 0, "kill this process after so many results; 0: never")
	over := flag.Bool("over", false, "start over: forget what was done")
	flag.Parse()
	err := run(context.Background(), os.Stdout, *dir, *die, *over)
	if err != nil {
		fmt.Fprintln(os.Stderr, "restart:", err)
		os.Exit(1)
	}
}

// run counts, and prints what it skipped.
func run(ctx context.Context, w io.Writer, dir string, die int, over bool) (err error) {
	b, err := local.New()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	e, err := lambdapool.New(b)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()

	ctx, stop := interrupt.Context(ctx, e, os.Stderr) // the first Ctrl-C lets what runs come to its end, and be recorded
	defer stop()

	var opts []journal.Option
	if over {
		opts = append(opts, journal.StartOver())
	}
	// A Stream gives results in the order of the input, one at a time, and an item is recorded
	// before it is given out. So what this loop has seen is never computed again.
	var last lambdapool.Snapshot
	counts := lambdapool.Stream(ctx, e, CountPrimes, slices.Values(starts()),
		journal.WithJournal(dir, opts...),
		lambdapool.ChunkSize(1), // so that a kill costs little
		lambdapool.Progress(func(s lambdapool.Snapshot) { last = s }))
	primes, results := 0, 0
	for count, err := range counts {
		if err != nil {
			fmt.Fprintf(w, "stopped after %d of %d ranges; start it again to go on\n", results, ranges)
			return err
		}
		primes += count
		if results++; results == die {
			fmt.Fprintf(w, "%d of %d ranges are done, killed\n", results, ranges)
			return kill()
		}
	}
	fmt.Fprintf(w, "%d ranges were done before and skipped, %d were run\n", last.Skipped, ranges-last.Skipped)
	fmt.Fprintf(w, "%d primes below %d\n", primes, ranges*width)
	return nil
}

// starts returns where the ranges begin.
func starts() []int {
	starts := make([]int, ranges)
	for i := range starts {
		starts[i] = i * width
	}
	return starts
}

// kill ends this process as kill -9 does: nothing is closed, nothing is flushed.
func kill() error {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	if err := self.Kill(); err != nil {
		return err
	}
	select {}
}
