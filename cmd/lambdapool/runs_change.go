package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/detached"
	"github.com/lambdapool/lambdapool/internal/english"
)

// runsCancelCommand says before how many calls it would end, and afterwards how many it did:
// some may have begun meanwhile.
func (a *app) runsCancelCommand(where *bucketFlags) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "cancel ID",
		Short: "Cancel the calls of a run that no agent has begun",
		Long: `Cancel ends the calls that are still queued, for everybody who looks at the run: the platform
still delivers them, and their agents do nothing. Calls that run are left alone, as nothing
on Lambda stops them; their results are recorded. It asks before.`,
		Example: "  lambdapool runs cancel nightly\n  lambdapool runs cancel nightly --yes",
		Args:    oneRun,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return a.withRuns(ctx, *where, func(r *runs) error {
				run, err := r.attach(ctx, args[0])
				if err != nil {
					return err
				}
				defer run.Close() //nolint:errcheck // it returns nil
				state, err := run.State(ctx)
				if err != nil {
					return err
				}
				if state.Queued == 0 {
					fmt.Fprintf(a.stdout, "nothing of %s is queued: %s\n", run.ID(), countsOf(state))
					return nil
				}
				if !yes {
					what := fmt.Sprintf("cancel %s of %s", english.Count(state.Queued, "queued call"), run.ID())
					if state.Running > 0 {
						what += fmt.Sprintf(" (%d running go on)", state.Running)
					}
					if err := a.confirm(what, "nothing was canceled"); err != nil {
						return err
					}
				}
				n, err := run.Cancel(ctx)
				if err != nil {
					return err
				}
				if state, err = run.State(ctx); err != nil {
					return err
				}
				fmt.Fprintf(a.stdout, "canceled %s of %s; %d run on\n", english.Count(n, "call"), run.ID(), state.Running)
				return nil
			})
		},
		ValidArgsFunction: a.completeRuns(where),
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// runsCleanCommand deletes runs whose time is over, by the clock of the bucket: this machine's
// may be wrong.
func (a *app) runsCleanCommand(where *bucketFlags) *cobra.Command {
	var yes, dryRun bool
	cmd := &cobra.Command{
		Use:   "clean",
		Short: "Delete the runs whose retention is over",
		Long: `Clean deletes the runs whose retention is over, by the clock of the bucket, with all that is
recorded of them. It asks before. A lifecycle rule of the bucket does so without anybody's
help: see 'lambdapool policy lifecycle'.`,
		Example: "  lambdapool runs clean --dry-run\n  lambdapool runs clean --yes",
		Args:    named(0, 0, "nothing"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withRuns(cmd.Context(), *where, func(r *runs) error { return a.cleanRuns(cmd.Context(), r, yes, dryRun) })
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print what would be deleted")
	return cmd
}

// cleanRuns goes on after a run that cannot be deleted, and tells all errors in the end.
func (a *app) cleanRuns(ctx context.Context, r *runs, yes, dryRun bool) error {
	all, err := r.all(ctx)
	if err != nil {
		return err
	}
	var over []string
	var errs []error
	for _, one := range all {
		switch {
		case one.err != nil:
			errs = append(errs, one.err) // it may be a newer version's
		case one.Over:
			over = append(over, one.ID)
		}
	}
	switch {
	case len(over) == 0:
		if len(errs) == 0 {
			fmt.Fprintln(a.stdout, "nothing to clean")
		}
		return errors.Join(errs...)
	case dryRun:
		for _, id := range over {
			fmt.Fprintln(a.stdout, "would delete run", id)
		}
		return errors.Join(errs...)
	case !yes:
		if err := a.confirm(fmt.Sprintf("delete %s: %s", english.Count(len(over), "run"), shortList(over)), nothingDeleted); err != nil {
			return err
		}
	}
	for _, id := range over {
		err := r.DeleteRun(ctx, id)
		switch {
		case err == nil:
			fmt.Fprintln(a.stdout, "deleted run", id)
		case !errors.Is(err, lambdapool.ErrRunNotFound): // somebody else was faster
			errs = append(errs, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// shortList names a few of many.
func shortList(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// runsDeleteCommand deletes one run, also one that cannot be read any more.
func (a *app) runsDeleteCommand(where *bucketFlags) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete ID",
		Short: "Delete a run and all that is recorded of it",
		Long: `Delete removes a run from the bucket, with its results. A job of package mapreduce is two runs,
ID and ID.reduce: the second goes with the first, and can also be deleted by itself. Calls that are
still queued are not stopped by that: they run, and their results are lost. Cancel them before. It
asks before.`,
		Example: "  lambdapool runs delete nightly\n  lambdapool runs delete nightly --yes",
		Args:    oneRun,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withRuns(cmd.Context(), *where, func(r *runs) error { return a.deleteRun(cmd.Context(), r, args[0], yes) })
		},
		ValidArgsFunction: a.completeRuns(where),
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// deleteRun deletes a run and what belongs to it. The run itself goes last: what is interrupted can be done again.
func (a *app) deleteRun(ctx context.Context, r *runs, id string, yes bool) error {
	second, err := r.secondPhase(ctx, id)
	if err != nil {
		return err
	}
	if !yes {
		if err := a.confirm(r.wouldDelete(ctx, id, second), nothingDeleted); err != nil {
			return err
		}
	}
	if second != "" {
		switch err := r.DeleteRun(ctx, second); {
		case err == nil:
			fmt.Fprintf(a.stdout, "deleted run %s, the second phase of %s\n", second, id)
		case !errors.Is(err, lambdapool.ErrRunNotFound): // somebody else was faster
			return err
		}
	}
	if err := r.DeleteRun(ctx, id); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout, "deleted run", id)
	return nil
}

// wouldDelete is what the question names. What cannot be read, or was deleted by half, can still be deleted.
func (r *runs) wouldDelete(ctx context.Context, id, second string) string {
	what, left := "delete run "+id, 0
	add := func(id string) {
		if counts, err := r.counts(ctx, id); err == nil {
			what += " (" + counts.String() + ")"
			left += counts.left()
		}
	}
	add(id)
	if second != "" {
		what += " and its second phase " + second
		add(second)
	}
	if left > 0 {
		what += "; what has not ended is lost, and lambdapool runs cancel stops what is queued"
	}
	return what
}

// secondPhase returns the run that goes on with what the mappers of run id have made, or "" where there is none: id is no
// job of package mapreduce, or nobody has attached to it yet.
func (r *runs) secondPhase(ctx context.Context, id string) (string, error) {
	first, err := r.function(ctx, id)
	if err != nil || !strings.HasSuffix(first, detached.MapPhase) || detached.CheckID(id+detached.Reducing) != nil {
		return "", err
	}
	second, err := r.function(ctx, id+detached.Reducing)
	if err != nil || !detached.Continues(first, second) {
		return "", err
	}
	return id + detached.Reducing, nil
}

// function returns what a run calls, or "" where there is no run, or one that cannot be read.
func (r *runs) function(ctx context.Context, id string) (string, error) {
	run, err := r.attach(ctx, id)
	if err == nil {
		defer run.Close() //nolint:errcheck // it returns nil
		return run.Info().Func, nil
	}
	for _, unreadable := range []error{lambdapool.ErrRunNotFound, lambdapool.ErrDecode, lambdapool.ErrVersionMismatch, lambdapool.ErrBadArguments} {
		if errors.Is(err, unreadable) {
			return "", nil
		}
	}
	return "", err
}
