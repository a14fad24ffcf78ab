package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lambdapool/lambdapool/deploy"
)

func completeArch(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("arch", cobra.FixedCompletions([]string{deploy.ARM64, deploy.X8664}, cobra.ShellCompDirectiveNoFileComp)) // fails only if there is no such flag
}

func (a *app) createCommand() *cobra.Command {
	var o deploy.CreateOptions
	var flags map[string]*said
	cmd := &cobra.Command{
		Use:   "create [NAME [PACKAGE]]",
		Short: "Build an agent and create the Lambda function it runs in",
		Long: `Create builds PACKAGE, a main package that calls agent.Main(), for Lambda, makes
the function NAME of it with a role that may write its own log and nothing else, waits
until it is active, and calls it once.

Interrupted with Ctrl-C it removes again what it has made. Without NAME it creates
all functions of the project file; without PACKAGE it takes the project file's.`,
		Example: `  lambdapool create demo ./examples/algorithms
  lambdapool create demo ./examples/algorithms --memory 512 --timeout 30s --env LOG=debug
  lambdapool create demo ./examples/algorithms --reserved-concurrency 200 --log-retention 14
  lambdapool create --dry-run                    # everything in lambdapool.yaml`,
		Args: named(0, 2, "NAME and PACKAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.eachWanted(cmd.Context(), args, flags, func(client *deploy.Client, w wanted) (any, func(io.Writer), error) {
				created, err := client.Create(cmd.Context(), w.Spec, o)
				if created == nil {
					return nil, nil, err
				}
				return created, func(out io.Writer) { showCreated(out, created, o.DryRun) }, err
			})
		},
	}
	flags = bind(cmd.Flags(), fields)
	deployFlags(cmd.Flags(), &o.DryRun, &o.NoSmoke)
	completeArch(cmd)
	return a.asJSON(cmd)
}

func deployFlags(flags *pflag.FlagSet, dryRun, noSmoke *bool) {
	flags.BoolVar(dryRun, "dry-run", false, "only print what would be done")
	flags.BoolVar(noSmoke, "no-smoke", false, "do not call the agent at the end")
	flags.SortFlags = false
}

// eachWanted does something for each function that was asked for, and prints the results.
func (a *app) eachWanted(ctx context.Context, args []string, flags map[string]*said,
	do func(*deploy.Client, wanted) (any, func(io.Writer), error)) error {
	all, err := a.wanted(args, flags)
	if err != nil {
		return err
	}
	client, err := a.client(ctx)
	if err != nil {
		return err
	}
	var errs []error
	results := []any{}
	for _, w := range all {
		result, show, err := do(client, w)
		errs = append(errs, err)
		if result != nil {
			results = append(results, result)
			if !a.json {
				show(a.stdout)
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

func showCreated(out io.Writer, c *deploy.Created, dryRun bool) {
	if dryRun {
		showPlan(out, c.Plan)
		return
	}
	fmt.Fprintf(out, "created %s, %d MB, %s\n", c.Function.ARN, c.Function.Memory, c.Function.Arch)
	showRegistry(out, c.Registry)
}

func showPlan(out io.Writer, plan []string) {
	for _, step := range plan {
		fmt.Fprintln(out, "would", step)
	}
}

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
