package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/internal/legible"
)

// completeArch lets the shell complete --arch.
func completeArch(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("arch", cobra.FixedCompletions([]string{deploy.ARM64, deploy.X8664}, cobra.ShellCompDirectiveNoFileComp)) // fails only if there is no such flag
}

// createCommand creates the function that is named, or all of the project file. Its flags are
// the fields of a project file: see bind.
func (a *app) createCommand() *cobra.Command {
	o := changeOptions{fresh: true}
	var flags map[string]*said
	cmd := &cobra.Command{
		Use:   "create [NAME [PACKAGE]]",
		Short: "Build an agent and create the function or service it runs in",
		Long: `Create builds PACKAGE, a main package that calls agent.Main(), for Lambda, makes
the function NAME of it with a role that may write its own log and nothing else, waits
until it is active, and calls it once. With --on cloudrun it makes a container image of
it, pushes that to Artifact Registry, and makes a service of Cloud Run. With
--source-bucket it uploads an archive to that bucket instead.

Interrupted with Ctrl-C it removes again what it has made. Without NAME it creates
all functions of the project file; without PACKAGE it takes the project file's.`,
		Example: `  lambdapool create demo ./examples/algorithms
  lambdapool create demo ./examples/algorithms --memory 512 --timeout 30s --env LOG=debug
  lambdapool create demo ./examples/algorithms --reserved-concurrency 200 --log-retention 14
  lambdapool create demo ./examples/algorithms --shards 10    # demo, demo-1 … demo-9: 10000 environments at once
  lambdapool create demo ./examples/algorithms --on cloudrun --instances 200
  lambdapool create demo ./examples/algorithms --on cloudrun --source-bucket my-agents
  lambdapool create --dry-run                    # everything in lambdapool.yaml`,
		Args: named(0, 2, "NAME and PACKAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.eachWanted(cmd.Context(), args, flags, func(p provider, w wanted) (answer, error) { return p.deploy(cmd.Context(), w, o) })
		},
	}
	flags = bind(cmd.Flags(), slices.Concat(fields, createFields))
	deployFlags(cmd.Flags(), &o.dryRun, &o.noSmoke)
	completeArch(cmd)
	return a.asJSON(cmd)
}

// deployFlags are those that create and update share and that no project file has.
func deployFlags(flags *pflag.FlagSet, dryRun, noSmoke *bool) {
	flags.BoolVar(dryRun, "dry-run", false, "only print what would be done")
	flags.BoolVar(noSmoke, "no-smoke", false, "do not call the agent at the end")
	flags.SortFlags = false
}

// eachWanted does something for each function that was asked for, and prints the results. One that
// fails does not keep the others from their turn, unless it was interrupted; the errors come
// together at the end. As JSON the results are one array, also where there is one.
func (a *app) eachWanted(ctx context.Context, args []string, flags map[string]*said,
	do func(provider, wanted) (answer, error)) error {
	all, err := a.wanted(args, flags)
	if err != nil {
		return err
	}
	p, err := a.provider(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	var errs []error
	results := []any{}
	for _, w := range all {
		result, err := do(p, w)
		errs = append(errs, err)
		if result.json != nil {
			results = append(results, result.json)
			if !a.json {
				result.show(a.stdout)
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	if a.json {
		errs = append(errs, a.print(results, nil))
	}
	return errors.Join(errs...)
}

// showCreated prints what was made, for a dry run what would be.
func showCreated(out io.Writer, c *deploy.Created, dryRun bool) {
	if dryRun {
		showPlan(out, c.Plan)
		return
	}
	fmt.Fprintf(out, "created %s, %d MB, %s\n", legible.Line(c.Function.ARN), c.Function.Memory, c.Function.Arch)
	showRegistry(out, c.Registry)
}

// showPlan prints what a dry run would do.
func showPlan(out io.Writer, plan []string) {
	for _, step := range plan {
		fmt.Fprintln(out, "would", legible.Line(step))
	}
}

// showRegistry prints the functions that an agent has named. None is printed if it was not asked.
func showRegistry(out io.Writer, r *deploy.Registry) {
	if r == nil {
		return
	}
	rows := [][]string{}
	for _, f := range r.Functions {
		rows = append(rows, []string{"  " + f.Name, f.Shape})
	}
	table(out, rows)
}
