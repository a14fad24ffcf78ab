package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/lambdapool/lambdapool/internal/legible"
)

// updateCommand changes what differs. It has the flags of create, and those that are about
// versions. A flag that is left out leaves the deployed value.
func (a *app) updateCommand() *cobra.Command {
	var o changeOptions
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
			return a.eachWanted(cmd.Context(), args, flags, func(p provider, w wanted) (answer, error) { return p.deploy(cmd.Context(), w, o) })
		},
		ValidArgsFunction: a.completeNames,
	}
	flags = bind(cmd.Flags(), slices.Concat(fields, versionFields))
	deployFlags(cmd.Flags(), &o.dryRun, &o.noSmoke)
	completeArch(cmd)
	return a.asJSON(cmd)
}

// showUpdated prints each change. After an error it prints nothing: the error has what was
// done.
func showUpdated(out io.Writer, name string, plan []string, changed, dryRun bool, err error) {
	switch {
	case dryRun && changed:
		fmt.Fprintf(out, "%s would be changed:\n", name)
	case err != nil:
		return // the error says how far it went
	case !changed:
		fmt.Fprintf(out, "%s is up to date\n", name)
	default:
		fmt.Fprintf(out, "%s updated:\n", name)
	}
	for _, change := range plan {
		fmt.Fprintln(out, "  "+legible.Line(change))
	}
}
