package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/english"
)

// runsRetryCommand starts a run of what has failed in another. A bucket does not know which function its runs were sent
// to, so that is named.
func (a *app) runsRetryCommand(where *bucketFlags) *cobra.Command {
	var function, qualifier string
	cmd := &cobra.Command{
		Use:   "retry ID --function NAME",
		Short: "Start a run of the calls that have failed",
		Long: `Retry starts a detached run of the calls of another one that have failed so far: by an error of
the function, by a crash, or because they expired or were canceled. Their arguments are beside
the run. The new run is named as the other, with .retry-1 or the next number behind it; the other
stays as it is. Doing it again goes on with the same run, unless more has failed since.`,
		Example: "  lambdapool runs retry nightly --function algorithms\n  lambdapool runs results nightly.retry-1 --wait",
		Args:    oneRun,
		RunE: func(cmd *cobra.Command, args []string) error {
			if function == "" {
				return usage("which function? --function NAME says where the calls are to run")
			}
			ctx := cmd.Context()
			return a.withFunction(ctx, function, qualifier, *where, func(r *runs) error {
				run, err := r.attach(ctx, args[0])
				if err != nil {
					return err
				}
				defer run.Close() //nolint:errcheck // it returns nil
				again, err := run.RetryFailed(ctx)
				if errors.Is(err, lambdapool.ErrBadArguments) {
					return usage("%w", err)
				}
				if err != nil {
					return err
				}
				if !a.quiet {
					fmt.Fprintf(a.stderr, "run %s has the %s of %s that failed; lambdapool runs results %[1]s --wait prints their results\n",
						again.ID(), english.Count(again.Len(), "call"), run.ID())
				}
				return a.print(lineOf(again.Info(), again.Info().Created), func(w io.Writer) { fmt.Fprintln(w, again.ID()) })
			})
		},
		ValidArgsFunction: a.completeRuns(where),
	}
	cmd.Flags().StringVar(&function, "function", "", "function that runs the calls, `NAME`: where the run was started")
	cmd.Flags().StringVar(&qualifier, "qualifier", "", "version or alias of the function, or on Cloud Run a tag")
	return a.asJSON(cmd)
}
