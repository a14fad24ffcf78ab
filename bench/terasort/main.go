// Terasort compares two ways to sort the same generated file of records of 100 bytes, by their first 10: LC_ALL=C sort
// --parallel with as many threads as cores and a buffer of 512 MB (-S 512M), and a job of package mapreduce: on the embedded Lambda with an agent for each
// core, and on goroutines. All take turns, each in a process of its own; the least of the rounds' seconds and CPU are shown, the latter of all
// processes of a way. What each has sorted is read again: in order, as many records, and the same sum of their checksums.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/bench/internal/processes"
)

func main() {
	agent.Main()
	if child() {
		return
	}
	p := params{}
	flag.Int64Var(&p.records, "records", 10_000_000, "how many of 100 bytes")
	flag.IntVar(&p.rounds, "rounds", 3, "how often each way sorts")
	flag.Uint64Var(&p.seed, "seed", 1, "of the records")
	flag.Parse()
	if err := compare(context.Background(), p, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "terasort:", err)
		os.Exit(1)
	}
}

type params struct {
	records int64
	rounds  int
	seed    uint64
}

// ways are what is compared. The first is what others are compared with.
var ways = []struct {
	name string
	sort func(ctx context.Context, file string) (measure, order, error)
}{
	{"LC_ALL=C sort", shell},
	{"mapreduce, agents", func(ctx context.Context, file string) (measure, order, error) { return inChild(ctx, "local", file) }},
	{"mapreduce, goroutines", func(ctx context.Context, file string) (measure, order, error) { return inChild(ctx, "inproc", file) }},
}

// A measure is what one way took.
type measure struct {
	Took, CPU    time.Duration
	Through      int64 // the client, in bytes
	Client, Peak int64 // the resident size of the client, and of the largest other process, in bytes
}

// least joins two measures of a way.
func (m measure) least(n measure) measure {
	if m.Took == 0 {
		return n
	}
	return measure{min(m.Took, n.Took), min(m.CPU, n.CPU), min(m.Through, n.Through), max(m.Client, n.Client), max(m.Peak, n.Peak)}
}

// compare generates the records, sorts them in all ways, and writes a table.
func compare(ctx context.Context, p params, out io.Writer) error {
	if p.records < 1 || p.rounds < 1 {
		return fmt.Errorf("%d records, %d rounds: at least one of each", p.records, p.rounds)
	}
	dir, err := os.MkdirTemp("", "terasort-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary directory
	file := filepath.Join(dir, "records")
	want, err := generate(file, p)
	if err != nil {
		return err
	}
	results := make([]measure, len(ways))
	for range p.rounds {
		for i, way := range ways {
			m, got, err := way.sort(ctx, file)
			if err != nil {
				return fmt.Errorf("%s: %w", way.name, err)
			}
			if err := got.check(want); err != nil {
				return fmt.Errorf("%s: %w", way.name, err)
			}
			results[i] = results[i].least(m)
		}
	}
	fmt.Fprintf(out, "| %s records, %d MB | seconds | CPU, s | seconds to sort | CPU to sort | MB through the client | MiB, client | MiB, largest other process |\n|---|---|---|---|---|---|---|---|\n",
		thousands(p.records), p.records*size/1e6)
	for i, m := range results {
		fmt.Fprintf(out, "| %s | %.2f | %.2f | %.2f | %.2f | %s | %s | %s |\n", ways[i].name, m.Took.Seconds(), m.CPU.Seconds(), m.Took.Seconds()/results[0].Took.Seconds(),
			m.CPU.Seconds()/results[0].CPU.Seconds(), some(m.Through, 1e6, "%.2f"), some(m.Client, 1<<20, "%.0f"), some(m.Peak, 1<<20, "%.0f"))
	}
	return nil
}

// some writes n in a unit, or nothing where there is none.
func some(n int64, unit float64, format string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(format, float64(n)/unit)
}

// thousands writes n with commas.
func thousands(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// shell sorts by sort, and reads what that wrote.
func shell(ctx context.Context, file string) (m measure, got order, err error) {
	sorted := file + ".sorted"
	defer func() { _ = os.Remove(sorted) }()                                                                                                          // it goes with its directory at the latest
	cmd := exec.CommandContext(ctx, "sort", "--parallel="+strconv.Itoa(runtime.NumCPU()), "-S", "512M", "-T", filepath.Dir(file), "-o", sorted, file) //nolint:gosec // these files
	cmd.Env, cmd.Stderr = append(os.Environ(), "LC_ALL=C"), os.Stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return m, got, err
	}
	m = measure{Took: time.Since(began), CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), Peak: processes.PeakOf(cmd.ProcessState)}
	f, err := os.Open(sorted)
	if err != nil {
		return m, got, err
	}
	defer f.Close() //nolint:errcheck // it was read
	return m, got, got.read(f)
}
