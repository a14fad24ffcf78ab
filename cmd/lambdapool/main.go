// Lambdapool brings agents to AWS Lambda and looks after them: it creates, updates,
// lists and deletes functions, calls them, reads their logs and finds out what is
// wrong with them. `lambdapool help` says more; docs/cli.md shows a session.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/internal/suggest"
)

// What the command ends with.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	// The first signal lets a command take back what it made; the second ends it at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	os.Exit(a.run(ctx, os.Args[1:]))
}

// An app is one run of the command.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	options        []deploy.Option

	account deploy.Account
	json    bool
	quiet   bool
	file    string // --file; "": lambdapool.yaml if there is one
	began   bool   // arguments were understood, so what goes wrong from here on is no wrong usage
}

// run returns the exit code.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, deploy.ErrInvalid) || !a.began:
		fmt.Fprintf(a.stderr, "%s\n", message(err))
		fmt.Fprintf(a.stderr, "%s --help shows how it is used\n", cmd.CommandPath())
		return exitUsage
	}
	fmt.Fprintf(a.stderr, "%s\n", message(err))
	return exitFailed
}

// message begins every error alike.
func message(err error) string {
	return "lambdapool: " + strings.TrimPrefix(err.Error(), "lambdapool: ")
}

// usage is an error about how the command was called.
func usage(format string, args ...any) error {
	return &deploy.Error{Op: "read the arguments", Kind: deploy.ErrInvalid, Err: fmt.Errorf(format, args...)}
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "lambdapool",
		Short: "Run ordinary Go functions on AWS Lambda",
		Long: `Lambdapool runs ordinary Go functions on AWS Lambda. This command brings agents
there, which are main packages that call agent.Main(), and looks after them.

It finds credentials and region as the AWS CLI does. Without an account, let
'lambdapool local' play Lambda on this machine.

Exit codes: 0 done, 1 failed, 2 wrong usage.`,
		Example: `  lambdapool create demo ./examples/algorithms   # build, upload, call once
  lambdapool invoke demo fibonacci 30            # prints 832040
  lambdapool update demo ./examples/algorithms --memory 512
  lambdapool logs demo --follow
  lambdapool delete demo`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noSuchCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRun: func(*cobra.Command, []string) {
			a.began = true
		},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.account.Region, "region", "", "AWS region (default: AWS_REGION, then the profile's)")
	flags.StringVar(&a.account.Profile, "profile", "", "profile in ~/.aws (default: AWS_PROFILE)")
	flags.StringVar(&a.account.Endpoint, "endpoint-url", "", "address of another Lambda, such as that of 'lambdapool local'")
	flags.StringVarP(&a.file, "file", "f", "", "project file (default: lambdapool.yaml, if there is one)")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "no progress on stderr")
	root.AddCommand(
		a.createCommand(), a.updateCommand(), a.listCommand(), a.showCommand(), a.deleteCommand(), a.layersCommand(),
		a.logsCommand(), a.invokeCommand(), a.policyCommand(), a.doctorCommand(), a.costCommand(), a.runsCommand(), a.versionCommand(), a.localCommand(),
	)
	return root
}

// noSuchCommand is what arguments mean to a command that only has commands below it.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	return usage("unknown command %q%s", args[0], didYouMean(args[0], names))
}

func didYouMean(word string, known []string) string {
	if near := suggest.Nearest(word, known); len(near) > 0 {
		return " (did you mean " + near[0] + "?)"
	}
	return ""
}

// client opens the account. The project file may say which.
func (a *app) client(ctx context.Context) (*deploy.Client, error) {
	p, err := a.project()
	if err != nil {
		return nil, err
	}
	where := a.account
	for _, v := range []struct {
		flag *string
		file string
	}{{&where.Region, p.Region}, {&where.Profile, p.Profile}, {&where.Endpoint, p.Endpoint}} {
		if *v.flag == "" {
			*v.flag = v.file
		}
	}
	opts := a.options
	if !a.quiet {
		opts = append(opts, deploy.WithProgress(func(e deploy.Event) { fmt.Fprintf(a.stderr, "%-10s %s\n", e.Step, e.Text) }))
	}
	return deploy.Open(ctx, where, opts...)
}

// asJSON adds --json to a command that prints something to be read by programs.
func (a *app) asJSON(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return cmd
}

// completeNames lets the shell complete the names of functions.
func (a *app) completeNames(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	a.quiet = true
	client, err := a.client(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for f, err := range client.List(cmd.Context()) {
		if err != nil {
			break
		}
		names = append(names, f.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// named checks the number of arguments, and says which are missing.
func named(least, most int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usage("%s: %d arguments where %s belongs", cmd.Name(), len(args), names)
		case most >= 0 && len(args) > most:
			return usage("%s: %q is one argument too many, only %s belongs here", cmd.Name(), args[most], names)
		}
		return nil
	}
}
