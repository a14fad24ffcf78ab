// Journal compares a run of 1,000,000 small results without and with a journal
// on a disk, and with one that has them all already. 256 workers; every
// invocation takes 20 ms beside its items; the agents are goroutines of this
// process, so all of it shares the processor. One item per invocation is
// measured with 200,000. Of five turns the fastest counts, which is the one that
// other programs disturbed least. The last column is the throughput that is lost.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/bench/internal/far"
	"github.com/lambdapool/lambdapool/journal"
)

const (
	latency = 20 * time.Millisecond
	workers = 256
)

var next = lambdapool.Register("next", func(_ context.Context, n int) (int, error) { return n + 1, nil })

func main() {
	rounds := flag.Int("rounds", 5, "of which the fastest is shown")
	flag.Parse()
	dir, err := os.MkdirTemp("", "journal")
	exitOn(err)
	defer func() { exitOn(os.RemoveAll(dir)) }()
	fmt.Fprintln(os.Stdout, "| items | per invocation | journal | seconds | items/s | file | lost |")
	fmt.Fprintln(os.Stdout, "|---|---|---|---|---|---|---|")
	compare(dir, *rounds, 1_000_000, 0)
	compare(dir, *rounds, 1_000_000, 100)
	compare(dir, 1, 200_000, 1)
}

// compare takes turns, so that what else the machine does meets all alike.
func compare(dir string, rounds, items, chunk int) {
	args := make([]int, items)
	for i := range args {
		args[i] = i
	}
	names := []string{"none", "new", "complete"}
	took := make([][]float64, len(names))
	file, size := filepath.Join(dir, next.Name()+".journal"), int64(0)
	for range rounds {
		for i := range names {
			opts := []lambdapool.MapOption{lambdapool.ChunkSize(chunk)}
			switch names[i] {
			case "new":
				exitOn(os.RemoveAll(file))
				fallthrough
			case "complete":
				opts = append(opts, journal.WithJournal(dir))
			}
			took[i] = append(took[i], run(args, opts))
		}
		info, err := os.Stat(file)
		exitOn(err)
		size = info.Size()
	}
	per := fmt.Sprint(chunk)
	if chunk == 0 {
		per = "chosen"
	}
	for i, name := range names {
		seconds, without := slices.Min(took[i]), slices.Min(took[0])
		written := ""
		if i > 0 {
			written = fmt.Sprintf("%d MB", size>>20)
		}
		fmt.Fprintf(os.Stdout, "| %d | %s | %s | %.2f | %.0f | %s | %.0f %% |\n", items, per, name, seconds, float64(items)/seconds, written, max(0, 100*(1-without/seconds)))
	}
}

func run(args []int, opts []lambdapool.MapOption) (seconds float64) {
	pool, err := lambdapool.New(far.New(latency), lambdapool.WithWorkers(workers))
	exitOn(err)
	start := time.Now()
	results, err := lambdapool.Map(context.Background(), pool, next, args, opts...)
	exitOn(err)
	seconds = time.Since(start).Seconds()
	for i, result := range results {
		if result != i+1 {
			exitOn(fmt.Errorf("item %d: %d, want %d", i, result, i+1))
		}
	}
	exitOn(pool.Close())
	return seconds
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
