// Watched shows what it costs a run to be looked at: by the live page, by the page while a browser follows it, by a recorder for the report, and by
// WithLogs of functions that log nothing. Trivial items, 20 ms for each invocation, 256 workers; the agents are goroutines of this process. A million
// items in chunks that the executor chooses, and 100,000 of one item each, which the workers finish some ten thousand a second. All take turns; CPU is that of the
// whole process, medians. The last columns are to the run that nobody looks at, in the same round.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/bench/internal/far"
	"github.com/lambdapool/lambdapool/bench/internal/processes"
	"github.com/lambdapool/lambdapool/live"
	"github.com/lambdapool/lambdapool/report"
)

const (
	latency = 20 * time.Millisecond
	workers = 256
	rounds  = 7
)

var trivial = lambdapool.Register("trivial", func(_ context.Context, n int) (int, error) { return n + 1, nil })

// A looker begins to look at an executor, and says with which options and how it ends.
type looker struct {
	name  string
	begin func(ctx context.Context) (opts []lambdapool.Option, end func())
}

var lookers = []looker{
	{"nobody", func(context.Context) ([]lambdapool.Option, func()) { return nil, func() {} }},
	{"live page", func(ctx context.Context) ([]lambdapool.Option, func()) {
		p := serve(ctx)
		return []lambdapool.Option{p}, func() { exitOn(p.Close()) }
	}},
	{"live page, followed", func(ctx context.Context) ([]lambdapool.Option, func()) {
		p := serve(ctx)
		ctx, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() { defer close(done); follow(ctx, p.URL()+"events") }()
		return []lambdapool.Option{p}, func() { cancel(); <-done; exitOn(p.Close()) }
	}},
	{"recorder of the report", func(context.Context) ([]lambdapool.Option, func()) {
		return []lambdapool.Option{lambdapool.WithRecorder(new(report.Recorder))}, func() {}
	}},
	{"WithLogs", func(context.Context) ([]lambdapool.Option, func()) {
		return []lambdapool.Option{lambdapool.WithLogs(lambdapool.Logs{})}, func() {}
	}},
}

func main() {
	fmt.Fprintln(os.Stdout, "| items | chunk | looked at by | seconds | CPU seconds | seconds, nobody = 1 | CPU, nobody = 1 |")
	fmt.Fprintln(os.Stdout, "|---|---|---|---|---|---|---|")
	compare("1,000,000", "chosen", make([]int, 1_000_000))
	compare("100,000", "1", make([]int, 100_000), lambdapool.ChunkSize(1))
}

func compare(items, chunk string, args []int, opts ...lambdapool.MapOption) {
	wall, cpu := make([][]float64, len(lookers)), make([][]float64, len(lookers))
	for range rounds {
		for i, l := range lookers {
			w, c := run(l, args, opts)
			wall[i], cpu[i] = append(wall[i], w), append(cpu[i], c)
		}
	}
	for i, l := range lookers {
		fmt.Fprintf(os.Stdout, "| %s | %s | %s | %.2f | %.2f | %.3f | %.3f |\n", items, chunk, l.name, median(wall[i]), median(cpu[i]),
			median(ratios(wall[i], wall[0])), median(ratios(cpu[i], cpu[0])))
	}
}

func run(l looker, args []int, opts []lambdapool.MapOption) (wall, cpu float64) {
	ctx := context.Background()
	more, end := l.begin(ctx)
	defer end()
	pool, err := lambdapool.New(far.New(latency), append(more, lambdapool.WithWorkers(workers))...)
	exitOn(err)
	runtime.GC()
	begun, used := time.Now(), processes.CPU()
	_, err = lambdapool.Map(ctx, pool, trivial, args, opts...)
	exitOn(err)
	wall, cpu = time.Since(begun).Seconds(), (processes.CPU() - used).Seconds()
	exitOn(pool.Close())
	return wall, cpu
}

func serve(ctx context.Context) *live.Page {
	p, err := live.Serve(ctx, live.Output(io.Discard))
	exitOn(err)
	return p
}

// follow reads what a browser gets, until ctx ends.
func follow(ctx context.Context, url string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	exitOn(err)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(r)
	if err != nil {
		if ctx.Err() == nil {
			exitOn(err)
		}
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		exitOn(fmt.Errorf("the page's events: %s", resp.Status))
	}
	_, _ = io.Copy(io.Discard, resp.Body) // until ctx ends
}

func ratios(a, b []float64) []float64 {
	var all []float64
	for i := range a {
		all = append(all, a[i]/b[i])
	}
	return all
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "watched:", err)
		os.Exit(1)
	}
}
