package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/internal/legible"
)

// doctorCommand prints all findings, good ones, too: what was looked at is a part of the
// answer. A problem makes the exit code 1, a warning does not.
func (a *app) doctorCommand() *cobra.Command {
	var workers int
	cmd := &cobra.Command{
		Use:   "doctor [NAME [PACKAGE]]",
		Short: "Find out why calls fail, or would",
		Long: `Doctor looks at credentials, region, the function's state and version, its memory and
what CPU comes with it, the account's concurrency and what a run would take from others. With
PACKAGE, here or in the project file, it compares the deployed code, and the functions that it
registers, with the local ones. On Cloud Run it looks at credentials and whether they mint
ID tokens, APIs, the repository, who may call, billing and the number of instances. Each finding comes with its remedy. The exit code is 1 if there
is a problem.`,
		Example: `  lambdapool doctor
  lambdapool doctor demo ./examples/algorithms
  lambdapool doctor demo --workers 800
  lambdapool doctor demo --on cloudrun`,
		Args: named(0, 2, "NAME and PACKAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o := deploy.DoctorOptions{Workers: workers}
			if workers < 1 {
				return usage("workers %d: must be at least 1", workers)
			}
			name := ""
			if len(args) > 0 {
				all, err := a.wanted(args, nil)
				if err != nil {
					return err
				}
				name, o.Package, o.Dir = args[0], all[0].Package, all[0].Dir
			}
			if o.Package != "" {
				o.Local = func(ctx context.Context) ([]deploy.RegisteredFn, error) { return localFunctions(ctx, o.Dir, o.Package) }
			}
			if !cmd.Flags().Changed("workers") {
				o.Workers = 0 // which is the cloud's own
			}
			client, err := a.provider(cmd.Context())
			if err != nil {
				return err
			}
			defer client.close()
			findings, err := client.doctor(cmd.Context(), name, o)
			if err != nil {
				return err
			}
			if err := a.print(findings, func(w io.Writer) { showFindings(w, findings) }); err != nil {
				return err
			}
			for _, f := range findings {
				if f.Level == deploy.Problem {
					return errors.New("there are problems")
				}
			}
			return nil
		},
		ValidArgsFunction: a.completeNames,
	}
	cmd.Flags().IntVar(&workers, "workers", 256, "workers of the run that is planned (Cloud Run: 100)")
	return a.asJSON(cmd)
}

// showFindings prints a line per finding, and its remedy below.
func showFindings(w io.Writer, findings []deploy.Finding) {
	for _, f := range findings {
		fmt.Fprintf(w, "%-8s %-12s %s\n", f.Level, f.Check, legible.Text(f.Text))
		if f.Remedy != "" {
			fmt.Fprintf(w, "%21s → %s\n", "", legible.Text(f.Remedy))
		}
	}
}

// localFunctions starts the local code as an agent on this machine, and asks it what
// it registers.
func localFunctions(ctx context.Context, dir, pkg string) (_ []deploy.RegisteredFn, err error) {
	tmp, err := os.MkdirTemp("", "lambdapool-doctor-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	program := filepath.Join(tmp, "agent")
	if err := deploy.BuildHere(ctx, dir, pkg, program); err != nil {
		return nil, err
	}
	backend, err := local.New(local.WithBinary(program), local.WithConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, backend.Close()) }()
	registry, err := deploy.Ask(ctx, backend)
	if err != nil {
		return nil, err
	}
	return registry.Functions, nil
}
