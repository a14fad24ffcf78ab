package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/internal/legible"
)

// listCommand prints the functions that lambdapool made. It asks for pages only, so it is fast
// also where there are many.
func (a *app) listCommand() *cobra.Command {
	return a.asJSON(&cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the functions, or services, that lambdapool made",
		Example: "  lambdapool list\n  lambdapool list --region eu-central-1 --json\n  lambdapool list --on cloudrun",
		Args:    named(0, 0, "nothing"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(p provider) (answer, error) { return p.list(cmd.Context()) })
		},
	})
}

// showCommand prints one function. An agent that does not answer is a part of what is shown,
// and no failure of the command.
func (a *app) showCommand() *cobra.Command {
	return a.asJSON(&cobra.Command{
		Use:     "show NAME",
		Short:   "Show a function's configuration, and what its agent registers",
		Long:    "Show prints the configuration of a function, when it was last used, and the functions that its\nagent registers, for which it calls it.",
		Example: "  lambdapool show demo\n  lambdapool show demo --json",
		Args:    named(1, 1, "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(p provider) (answer, error) { return p.show(cmd.Context(), args[0]) })
		},
		ValidArgsFunction: a.completeNames,
	})
}

// showFunction prints names of the environment only: its values may be secrets.
func showFunction(w io.Writer, s *deploy.Shown) {
	f := s.Function
	reserved := "none"
	if f.Reserved != nil {
		reserved = fmt.Sprint(*f.Reserved)
	}
	var aliases, tags []string
	for alias, version := range s.Aliases {
		aliases = append(aliases, alias+" → "+version)
	}
	for key, value := range f.Tags {
		tags = append(tags, key+"="+value)
	}
	slices.Sort(aliases)
	slices.Sort(tags)
	rows := [][]string{
		{"name", f.Name},
		{"arn", f.ARN},
		{"lambdapool", or(f.Lambdapool, "not made by lambdapool")},
		{"state", strings.TrimSpace(or(f.State, "Active") + " " + f.Reason)},
		{"architecture", f.Arch},
		{"memory", fmt.Sprintf("%d MB", f.Memory)},
		{"timeout", fmt.Sprintf("%d s", f.Timeout)},
		{"/tmp", fmt.Sprintf("%d MB", f.EphemeralStorage)},
		{"code", megabytes(f.CodeSize) + ", SHA-256 " + f.CodeSHA256},
		{"modified", date(f.LastModified)},
		{"last use", or(date(s.LastUse), "unknown")},
		{"reserved", reserved},
		{"role", f.Role},
		{"environment", or(strings.Join(f.EnvNames, ", "), "none")},
		{"layers", or(strings.Join(f.Layers, ", "), "none")},
		{"aliases", or(strings.Join(aliases, ", "), "none")},
		{"tags", or(strings.Join(tags, ", "), "none")},
	}
	if f.Shards > 0 {
		rows = slices.Insert(rows, 2, []string{"shards", strings.TrimSuffix(fmt.Sprintf("%d: %s", f.Shards, or(f.Uneven, "")), ": ")})
	}
	if len(f.Subnets) > 0 {
		rows = append(rows, []string{"VPC", strings.Join(slices.Concat(f.Subnets, f.SecurityGroups), ", ")})
	}
	table(w, rows)
	if s.Registry == nil {
		fmt.Fprintf(w, "\nits agent does not answer: %s\n", legible.Text(s.Problem))
		return
	}
	fmt.Fprintln(w, "\nregistered functions")
	showRegistry(w, s.Registry)
}

// date is in UTC, as all times are that this command prints: a log of another machine has to match.
func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// layersCommand lists layer versions, each with the functions that use it: an old one that nobody
// uses may go.
func (a *app) layersCommand() *cobra.Command {
	return a.asJSON(&cobra.Command{
		Use:     "layers",
		Short:   "List layers: those in use, by whom, and those there are",
		Example: "  lambdapool layers",
		Args:    named(0, 0, "nothing"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.onlyOnLambda("layers", ""); err != nil {
				return err
			}
			client, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			layers, err := client.Layers(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(layers, func(w io.Writer) {
				if len(layers) == 0 {
					fmt.Fprintf(w, "no layers in %s\n", client.Region())
					return
				}
				rows := [][]string{{"LAYER VERSION", "NEWEST", "USED BY"}}
				for _, l := range layers {
					newest := ""
					if l.Newest {
						newest = "yes"
					}
					rows = append(rows, []string{l.ARN, newest, strings.Join(l.UsedBy, ", ")})
				}
				table(w, rows)
			})
		},
	})
}

// deleteCommand asks before, with a list of what would go: the plan of a dry run.
func (a *app) deleteCommand() *cobra.Command {
	var o deploy.DeleteOptions
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a function and its role, or a service",
		Long: `Delete removes a function with all its versions and aliases, the role that create made
for it, and with --logs its log. On Cloud Run it removes the service with all its
revisions; images stay. It asks before, and refuses what lambdapool did not
make.`,
		Example: "  lambdapool delete demo\n  lambdapool delete demo --logs --yes",
		Args:    named(1, 1, "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := a.provider(cmd.Context())
			if err != nil {
				return err
			}
			defer client.close()
			plan := o
			plan.DryRun = true
			all, err := client.delete(cmd.Context(), args[0], plan)
			if err != nil {
				return err
			}
			if !o.DryRun && !yes {
				if err := a.confirm("delete "+strings.Join(all, ", "), nothingDeleted); err != nil {
					return err
				}
			}
			deleted := all
			if !o.DryRun {
				deleted, err = client.delete(cmd.Context(), args[0], o)
			}
			verb := "deleted"
			if o.DryRun {
				verb = "would delete"
			}
			for _, what := range deleted {
				fmt.Fprintln(a.stdout, verb, legible.Line(what))
			}
			return err
		},
		ValidArgsFunction: a.completeNames,
	}
	cmd.Flags().BoolVar(&o.Logs, "logs", false, "delete its log group, too")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "only print what would be deleted")
	return cmd
}

// nothingDeleted is what a no to the question means.
const nothingDeleted = "nothing was deleted"

// confirm asks whoever is there. refused is the error of a no.
func (a *app) confirm(what, refused string) error {
	fmt.Fprintf(a.stderr, "%s? [y/N] ", legible.Line(what))
	answer, err := bufio.NewReader(a.stdin).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	case "":
		if err != nil {
			fmt.Fprintln(a.stderr)
			return usage("nobody answers: --yes does it without asking")
		}
	}
	return errors.New(refused)
}

// versionCommand asks nobody. Bug reports want what it prints.
func (a *app) versionCommand() *cobra.Command {
	return a.asJSON(&cobra.Command{
		Use:     "version",
		Short:   "Print the version of lambdapool and of Go",
		Example: "  lambdapool version --json",
		Args:    named(0, 0, "nothing"),
		RunE: func(*cobra.Command, []string) error {
			v := versions()
			return a.print(v, func(w io.Writer) { fmt.Fprintf(w, "lambdapool %s, %s %s\n", v.Lambdapool, v.Go, v.Platform) })
		},
	})
}
