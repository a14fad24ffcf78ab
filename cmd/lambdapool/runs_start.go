package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/internal/detached"
)

// detachedFlags are those of invoke that are about a call for which nobody waits.
type detachedFlags struct {
	on                     bool
	where                  bucketFlags
	name                   string
	startWithin, retention time.Duration
	set                    func(name string) bool
}

// bind adds the flags. They mean nothing without --detached, which check says.
func (d *detachedFlags) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&d.on, "detached", false, "queue the call as a detached run, and print the run's ID instead of waiting")
	d.where.bind(flags)
	flags.StringVar(&d.name, "run-name", "", "with --detached: `ID` of the run; calling again with the same one and the same arguments starts nothing new")
	flags.DurationVar(&d.startWithin, "start-within", 0, "with --detached: how long the call may be queued, from 1m (default: what Lambda allows, 6h)")
	flags.DurationVar(&d.retention, "retention", 0, "with --detached: how long the run is kept, from 1h (default 168h)")
	d.set = flags.Changed
}

// check finds wrong values before anything is sent.
func (d *detachedFlags) check() error {
	for _, name := range []string{"bucket", "bucket-endpoint", "run-name", "start-within", "retention"} {
		if !d.on && d.set(name) {
			return usage("%s: only with --detached", name)
		}
	}
	switch {
	case d.set("run-name") && detached.CheckID(d.name) != nil:
		return usage("run-name: %w", detached.CheckID(d.name))
	case d.set("start-within") && (d.startWithin < time.Minute || d.startWithin > 6*time.Hour):
		return usage("start-within %v: must be 1m to 6h", d.startWithin)
	case d.set("retention") && d.retention < time.Hour:
		return usage("retention %v: must be at least 1h", d.retention)
	}
	return nil
}

// options are those of the run. What was not said keeps the library's default.
func (d *detachedFlags) options() (opts []lambdapool.MapOption) {
	if d.name != "" {
		opts = append(opts, lambdapool.RunName(d.name))
	}
	if d.startWithin > 0 {
		opts = append(opts, lambdapool.StartWithin(d.startWithin))
	}
	if d.retention > 0 {
		opts = append(opts, lambdapool.Retention(d.retention))
	}
	return opts
}

// queue starts a detached run of one call. The agent is asked for the function's signature first,
// so that a wrong argument is found here and not when nobody looks.
func (a *app) queue(ctx context.Context, d *detachedFlags, name string, call deploy.Call) error {
	return a.withFunction(ctx, name, call.Qualifier, d.where, func(r *runs) error {
		p, err := a.provider(ctx)
		if err != nil {
			return err
		}
		defer p.close()
		fn, err := p.foreign(ctx, name, call)
		if err != nil {
			return err
		}
		to, err := deploy.NewConverter(fn)
		if err != nil {
			return err
		}
		args, err := to.Arguments(call.Args...)
		if err != nil {
			return err
		}
		run, err := r.MapDetachedEncoded(ctx, fn, []lambdapool.Encoded{args}, d.options()...)
		if errors.Is(err, lambdapool.ErrBadArguments) {
			return usage("%w", err)
		}
		if err != nil {
			return err
		}
		if !a.quiet {
			fmt.Fprintf(a.stderr, "run %s; lambdapool runs results %[1]s --wait prints its result\n", run.ID())
		}
		return a.print(lineOf(run.Info(), run.Info().Created), func(w io.Writer) { fmt.Fprintln(w, run.ID()) })
	})
}
