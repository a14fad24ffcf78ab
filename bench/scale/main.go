// Scale shows how what one item costs changes with how many there are: calls submitted at once, items mapped, workers, and runs at once. Each
// measurement is a process of its own that has served a thousand calls before; all take turns, and medians are shown. Memory is what the process's
// peak grows by, for each item. Growth is to the smallest of a series. Calls with many workers take so long that 40,000 a second can be served, whatever
// the number of workers; all others return at once. Beside the executor stands an errgroup with a limit, which runs closures.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func main() {
	if child() {
		return
	}
	rounds := flag.Int("rounds", 3, "of all measurements")
	only := flag.String("only", "", "measure this series: errgroup, submit, map, workers or runs")
	flag.Parse()
	all, err := chosen(*only)
	if err == nil {
		err = report(context.Background(), all, *rounds, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

// A series is something of which there are more and more.
type series struct {
	load  string // of loads
	name  string
	sizes []int
}

// full is what the law is about.
var full = []series{
	{"errgroup", "errgroup: closures", []int{10_000, 100_000, 1_000_000, 3_000_000}},
	{"submit", "calls submitted at once", []int{10_000, 100_000, 1_000_000, 3_000_000}},
	{"map", "items mapped", []int{10_000, 100_000, 1_000_000, 10_000_000}},
	{"workers", "workers", []int{10, 100, 1_000, 10_000}},
	{"runs", "runs at once", []int{1, 10, 100, 500}},
}

// chosen returns the series of that load, or all.
func chosen(load string) ([]series, error) {
	if load == "" {
		return full, nil
	}
	i := slices.IndexFunc(full, func(s series) bool { return s.load == load })
	if i < 0 {
		return nil, fmt.Errorf("-only %s: there is no such series", load)
	}
	return full[i : i+1], nil
}

// A point is what an item costs in a series at a size.
type point struct {
	size      int
	wall, cpu float64 // nanoseconds
	bytes     float64
}

// measureAll returns the points of each series.
func measureAll(ctx context.Context, all []series, rounds int) ([][]point, error) {
	if rounds < 1 {
		return nil, fmt.Errorf("%d rounds: at least one", rounds)
	}
	found := make([][][]point, len(all)) // by series, size and round
	for range rounds {
		for i, s := range all {
			if found[i] == nil {
				found[i] = make([][]point, len(s.sizes))
			}
			for j, n := range s.sizes {
				p, err := inChild(ctx, s.load, n)
				if err != nil {
					return nil, fmt.Errorf("%s, %d: %w", s.name, n, err)
				}
				found[i][j] = append(found[i][j], p)
			}
		}
	}
	points := make([][]point, len(all))
	for i := range all {
		for j, n := range all[i].sizes {
			points[i] = append(points[i], point{
				n, median(found[i][j], func(p point) float64 { return p.wall }),
				median(found[i][j], func(p point) float64 { return p.cpu }), median(found[i][j], func(p point) float64 { return p.bytes }),
			})
		}
	}
	return points, nil
}

func median(points []point, of func(point) float64) float64 {
	var all []float64
	for _, p := range points {
		all = append(all, of(p))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// report writes a table, and a plot of how much an item's cost grows.
func report(ctx context.Context, all []series, rounds int, out io.Writer) error {
	points, err := measureAll(ctx, all, rounds)
	if err != nil {
		return err
	}
	write(out, all, points)
	return nil
}

func write(out io.Writer, all []series, points [][]point) {
	fmt.Fprintln(out, "| | how many | µs an item | CPU, µs an item | bytes an item | growth of CPU | growth of bytes |\n|---|---|---|---|---|---|---|")
	var plot strings.Builder
	for i, s := range all {
		for _, p := range points[i] {
			first := points[i][0]
			fmt.Fprintf(out, "| %s | %d | %.2f | %.2f | %.0f | %.2f | %.2f |\n", s.name, p.size, p.wall/1e3, p.cpu/1e3, p.bytes, p.cpu/first.cpu, growth(p.bytes, first.bytes))
			fmt.Fprintf(&plot, "%-24s %8d  CPU %s\n%33s  mem %s\n", s.name, p.size, bar(p.cpu/first.cpu), "", bar(growth(p.bytes, first.bytes)))
		}
	}
	fmt.Fprintf(out, "\nThe same as a plot: the mark is where it would be 1.3 times what it was with the smallest.\n\n```\n%s```\n", &plot)
}

// growth is 1 where the smallest took no memory that can be seen: then nothing has grown that is worth a word, or the bytes show it.
func growth(bytes, first float64) float64 {
	if first < 1 {
		return 1
	}
	return bytes / first
}

// bar draws a growth: twenty characters are 1.
func bar(growth float64) string {
	const one, mark, most = 20, 26, 60
	line := []rune(strings.Repeat(" ", most))
	for i := range min(int(growth*one+0.5), most) {
		line[i] = '█'
	}
	if line[mark-1] == ' ' {
		line[mark-1] = '|'
	}
	return strings.TrimRight(string(line), " ") + fmt.Sprintf(" %.2f", growth)
}
