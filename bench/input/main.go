// Input shows the peak memory of a client whose input grows: lines of 100 bytes that a server makes up as they are asked for, read by URL
// in splits of 64 MiB, by the embedded Lambda with an agent for each core. Agents count the lines in a stream of calls, and by their level in a job
// of package mapreduce. Each client is a process of its own, and the server is another. All lines are counted, and each is read once, or it fails.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/splits"
)

func main() {
	agent.Main()
	if child() {
		return
	}
	sizes := flag.String("sizes", "1000,10000", "of the inputs, in MB, the smallest first")
	split := flag.Int64("split", splits.DefaultSize, "bytes of a part of an input")
	flag.Parse()
	if err := table(context.Background(), *sizes, *split, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "input:", err)
		os.Exit(1)
	}
}

// table measures all ways with all sizes, and writes what it finds.
func table(ctx context.Context, sizes string, split int64, out io.Writer) error {
	all, err := measureAll(ctx, sizes, split)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "| agents | input, MB | splits | MiB, client | times that of the smallest | MiB, largest agent | MB through the client | seconds | CPU of client and agents, s |\n|---|---|---|---|---|---|---|---|---|")
	for _, m := range all {
		fmt.Fprintf(out, "| %s | %d | %d | %.1f | %.2f | %.1f | %.2f | %.1f | %.1f |\n", m.what, m.Size/1e6, m.Splits, mib(m.Client), m.growth, mib(m.Agent),
			float64(m.Through)/1e6, m.Took.Seconds(), m.CPU.Seconds())
	}
	return nil
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// A row is what a client took, beside that with the smallest input.
type row struct {
	measure

	what   string
	growth float64 // of the client's memory
}

// measureAll runs a client for each way and size, in turns.
func measureAll(ctx context.Context, sizes string, split int64) (all []row, err error) {
	s, err := serve()
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }() // nobody asks any more
	smallest := map[string]int64{}
	for field := range strings.SplitSeq(sizes, ",") {
		mb, err := strconv.ParseInt(field, 10, 64)
		if err != nil || mb < 1 {
			return nil, fmt.Errorf("a size of %q MB: it must be a positive number", field)
		}
		for _, way := range ways {
			m, err := inChild(ctx, way.name, s.url(mb*1e6), split)
			if err != nil {
				return nil, fmt.Errorf("%s of %d MB: %w", way.name, mb, err)
			}
			if err := m.Seen.check(mb * 1e6); err != nil {
				return nil, fmt.Errorf("%s of %d MB: %w", way.name, mb, err)
			}
			m.Size = mb * 1e6
			if smallest[way.name] == 0 {
				smallest[way.name] = m.Client
			}
			all = append(all, row{m, way.what, float64(m.Client) / float64(smallest[way.name])})
		}
	}
	return all, nil
}
