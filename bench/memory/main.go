// Memory shows the peak resident size of processes that submit a million calls
// at once, and that stream 100,000 and 10,000,000 items. The agents are
// goroutines of the same process.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

var next = lambdapool.Register("next", func(_ context.Context, n int) (int, error) { return n + 1, nil })

func main() {
	futures := flag.Int("futures", 0, "submit this many calls and keep their futures")
	stream := flag.Int("stream", 0, "stream this many items")
	flag.Parse()
	pool, err := lambdapool.New(inproc.New())
	exitOn(err)
	switch ctx := context.Background(); {
	case *futures > 0:
		fs := make([]*lambdapool.Future[int], *futures)
		for i := range fs {
			fs[i] = lambdapool.Submit(ctx, pool, next, i)
		}
		for i, f := range fs {
			n, err := f.Result(ctx)
			exitOn(err)
			exitUnless(n == i+1)
		}
	case *stream > 0:
		naturals := func(yield func(int) bool) {
			for i := range *stream {
				if !yield(i) {
					return
				}
			}
		}
		i := 0
		for n, err := range lambdapool.Stream(ctx, pool, next, naturals) {
			exitOn(err)
			i++
			exitUnless(n == i)
		}
		exitUnless(i == *stream)
	default:
		table()
		return
	}
	exitOn(pool.Close())
	printPeak()
}

func table() {
	fmt.Fprintln(os.Stdout, "| process | peak resident size |")
	fmt.Fprintln(os.Stdout, "|---|---|")
	fmt.Fprintf(os.Stdout, "| 1,000,000 futures, all kept | %.0f MiB |\n", peak("-futures", "1000000"))
	small := peak("-stream", "100000")
	large := peak("-stream", "10000000")
	fmt.Fprintf(os.Stdout, "| stream of 100,000 items | %.1f MiB |\n", small)
	fmt.Fprintf(os.Stdout, "| stream of 10,000,000 items | %.1f MiB, %.2f times that of 100,000 |\n", large, large/small)
}

// peak runs this program again and returns its VmHWM in MiB.
func peak(args ...string) float64 {
	self, err := os.Executable()
	exitOn(err)
	cmd := exec.Command(self, args...) //nolint:gosec,noctx // this program
	out, err := cmd.Output()
	exitOn(err)
	kb, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	exitOn(err)
	return kb / 1024
}

// printPeak prints this process's highest resident size in kB.
func printPeak() {
	status, err := os.ReadFile("/proc/self/status")
	exitOn(err)
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			fmt.Fprintln(os.Stdout, strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
		}
	}
}

func exitUnless(right bool) {
	if !right {
		exitOn(errors.New("a result is wrong"))
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
