package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/lambdapool/lambdapool/deploy"
)

func (a *app) updateCommand() *cobra.Command {
	var o deploy.UpdateOptions
	var flags map[string]*said
	cmd := &cobra.Command{
		Use:   "update [NAME [PACKAGE]]",
		Short: "Change what differs between a function and what is wanted",
		Long: `Update compares code and configuration with what is deployed, changes what
differs and leaves the rest alone. Without PACKAGE, here or in the project file, the code
stays. Without NAME it updates all functions of the project file.

With --publish and --alias, clients that invoke the alias keep the old code until the
new version has answered a call. Two updates at the same time do not overwrite each
other: the later one is told.`,
		Example: `  lambdapool update demo ./examples/algorithms
  lambdapool update demo --memory 512            # code unchanged
  lambdapool update demo ./examples/algorithms --publish --alias live
  lambdapool update --dry-run                    # everything in lambdapool.yaml`,
		Args: named(0, 2, "NAME and PACKAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.eachWanted(cmd.Context(), args, flags, func(client *deploy.Client, w wanted) (any, func(io.Writer), error) {
				each := o
				each.Publish, each.Alias = w.publish, w.alias
				updated, err := client.Update(cmd.Context(), w.Spec, each)
				if updated == nil {
					return nil, nil, err
				}
				return updated, func(out io.Writer) { showUpdated(out, updated, o.DryRun, err) }, err
			})
		},
		ValidArgsFunction: a.completeNames,
	}
	flags = bind(cmd.Flags(), slices.Concat(fields, versionFields))
	deployFlags(cmd.Flags(), &o.DryRun, &o.NoSmoke)
	completeArch(cmd)
	return a.asJSON(cmd)
}

func showUpdated(out io.Writer, u *deploy.Updated, dryRun bool, err error) {
	name := u.Function.Name
	switch {
	case dryRun:
		fmt.Fprintf(out, "%s would be changed:\n", name)
	case err != nil:
		return // the error says how far it went
	case !u.Changed && u.Version == "":
		fmt.Fprintf(out, "%s is up to date\n", name)
	default:
		fmt.Fprintf(out, "%s updated:\n", name)
	}
	for _, change := range u.Plan {
		fmt.Fprintln(out, "  "+change)
	}
}
