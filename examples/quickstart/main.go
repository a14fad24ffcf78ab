// Quickstart parses every Go file of the standard library on a pool of agents and prints what it
// found and what the run took:
//
//	go run ./examples/quickstart
//
// The agents are processes of this same program, each behind the Lambda Runtime API; with --backend
// lambda://NAME the same code runs on AWS. They have no disk in common with the client: the files
// travel as arguments.
//
// # What to read
//
// parse/parse.go has the function that runs on the agents. It is ordinary Go in a package of its
// own, and its registration is a package-level variable: whoever imports the package has it, client
// and agent alike.
//
// job.go has the pool's part: a call is submitted for each file, and results are taken as they
// complete. It also does the same in goroutines, for comparison. Parsing a file takes a third of a
// millisecond, and a call as much again, so on one machine goroutines win; a pool pays where calls
// do more, or where it has thousands of cores.
//
// main.go opens the backend and the executor, and closes both. report.go and tally.go are about
// output, and know nothing of a pool.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend"
	"github.com/lambdapool/lambdapool/interrupt"
)

// Exit codes. An interrupt ends with 128 + SIGINT, as a shell would say it.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	agent.Main() // when this process is an agent, it serves here and never returns

	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// options is what the flags say.
type options struct {
	backend string
	dir     string
	workers int
	compare bool
	json    bool
}

// run is main without the process: it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage
	}
	err = job(ctx, opts, stdout, stderr)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil, errors.Is(err, interrupt.ErrInterrupted):
		fmt.Fprintln(stderr, "quickstart: interrupted")
		return exitInterrupted
	default:
		fmt.Fprintln(stderr, "quickstart:", err)
		return exitFailed
	}
}

// parseFlags reads the flags. agent.Main comes before it in main: agents are started without flags,
// and what a function needs has to come as an argument.
func parseFlags(args []string, stderr io.Writer) (options, error) {
	var opts options
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&opts.backend, "backend", "", "where the agents run: local:, inproc: or lambda://NAME?region=… (default local:, with an agent per worker)")
	flags.StringVar(&opts.dir, "dir", "", "parse the .go files below this directory (default the standard library)")
	flags.IntVar(&opts.workers, "workers", 0, "calls in flight at most; 0: what the backend suggests")
	flags.BoolVar(&opts.compare, "compare", true, "do the same in goroutines afterwards, and compare")
	flags.BoolVar(&opts.json, "json", false, "print JSON")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	var err error
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q (a directory is named with --dir)", flags.Arg(0))
	case opts.workers < 0:
		err = fmt.Errorf("--workers %d: must not be negative", opts.workers)
	}
	if err != nil {
		fmt.Fprintln(stderr, "quickstart:", err)
	}
	if opts.backend == "" {
		opts.backend = "local:"
		if opts.workers > 0 {
			opts.backend += fmt.Sprintf("?concurrency=%d", opts.workers)
		}
	}
	return opts, err
}

// job does the whole of it. Whoever opens a backend closes it, after the executor that uses it:
// deferred calls run in reverse.
func job(ctx context.Context, opts options, stdout, stderr io.Writer) (err error) {
	if opts.dir == "" {
		if opts.dir, err = standardLibrary(ctx); err != nil {
			return err
		}
	}
	files, err := goFiles(opts.dir)
	if err != nil {
		return err
	}

	b, err := backend.Open(ctx, opts.backend)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	pool := []lambdapool.Option{lambdapool.WithLogger(slog.New(slog.NewTextHandler(stderr, nil)))}
	if opts.workers > 0 {
		pool = append(pool, lambdapool.WithWorkers(opts.workers))
	}
	executor, err := lambdapool.New(b, pool...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, executor.Close()) }()

	// The first Ctrl-C lets what runs come to its end, the second abandons it.
	ctx, stop := interrupt.Context(ctx, executor, stderr)
	defer stop()
	defer func() {
		if err != nil && interrupt.Seen(ctx) {
			err = interrupt.ErrInterrupted
		}
	}()

	r := &report{Dir: opts.dir, Backend: opts.backend}
	progress := newProgress(stderr, len(files))
	r.Totals, r.Pool, err = onPool(ctx, executor, opts.dir, files, progress.done)
	progress.clear()
	if err != nil {
		return err
	}
	if opts.compare {
		here, took, err := inGoroutines(ctx, opts.dir, files)
		if err != nil {
			return err
		}
		if !here.equal(r.Totals) {
			return fmt.Errorf("pool and goroutines disagree: %+v and %+v (is something writing to %s?)", r.Totals, here, opts.dir)
		}
		r.Goroutines = took
	}
	if opts.json {
		return r.writeJSON(stdout)
	}
	return r.writeText(stdout)
}
