// Report counts prime numbers on a pool of agents, shows how far it is, and
// leaves a report of what every invocation did:
//
//	go run ./examples/report
//
// The agents are processes of this same program; with --backend lambda://NAME
// the same code runs on AWS, and the cost is real. --out says where
// report.html, report.json and trace.json go; open the last one in
// https://ui.perfetto.dev.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend"
	"github.com/lambdapool/lambdapool/interrupt"
	"github.com/lambdapool/lambdapool/progress"
	"github.com/lambdapool/lambdapool/report"
)

// A Block is a range of numbers.
type Block struct{ From, To int }

// CountPrimes counts the primes of a block: more work the larger they are.
var CountPrimes = lambdapool.Register("count-primes", func(ctx context.Context, b Block) (int, error) {
	count := 0
	for n := max(b.From, 2); n < b.To; n++ {
		if isPrime(n) {
			count++
		}
		// A function should look at its context now and then: what ignores it holds up its agent.
		if n%1024 == 0 && ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	return count, nil
}, lambdapool.Idempotent())

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

	err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

// run is main without the process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	flags.SetOutput(stderr)
	address := flags.String("backend", "local:", "where the agents run: local:, inproc: or lambda://NAME?region=…")
	below := flags.Int("below", 4_000_000, "count the primes below this number")
	size := flags.Int("block", 10_000, "how many numbers a call looks at")
	out := flags.String("out", ".", "directory for report.html, report.json and trace.json")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *size < 1 || flags.NArg() > 0 {
		return fmt.Errorf("--block %d %q: want a positive size, and no other arguments", *size, flags.Args())
	}
	blocks := []Block{}
	for from := 0; from < *below; from += *size {
		blocks = append(blocks, Block{from, min(from+*size, *below)})
	}

	b, err := backend.Open(ctx, *address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	// One recorder hears of every invocation. The log goes above the progress bar, not through it.
	var recorder report.Recorder
	pool, err := lambdapool.New(b,
		lambdapool.WithRecorder(&recorder),
		lambdapool.WithLogger(slog.New(slog.NewTextHandler(progress.Writer(stderr), nil))))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()

	ctx, stop := interrupt.Context(ctx, pool, progress.Writer(stderr)) // the first Ctrl-C lets what runs come to its end
	defer stop()

	// Chunk size and workers are left to the executor: the report shows what it made of them.
	counts, err := lambdapool.Map(ctx, pool, CountPrimes, blocks, progress.Bar(stderr))
	// What a run that failed has done is worth a report, too.
	if err := errors.Join(err, write(recorder.Report(), *out, stdout)); err != nil {
		return err
	}
	total := 0
	for _, n := range counts {
		total += n
	}
	fmt.Fprintf(stdout, "%d primes below %d\n", total, *below)
	return nil
}

// write puts the report's three forms into dir.
func write(r *report.Report, dir string, stdout io.Writer) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	for _, form := range []struct {
		name  string
		write func(io.Writer, *report.Report) error
	}{
		{"report.html", report.WriteHTML},
		{"report.json", report.WriteJSON},
		{"trace.json", report.WriteTrace},
	} {
		path := filepath.Join(dir, form.name)
		file, err := os.Create(path)
		if err != nil {
			return err
		}
		if err := errors.Join(form.write(file, r), file.Close()); err != nil {
			return err
		}
		fmt.Fprintln(stdout, "wrote", path)
	}
	return nil
}
