// Lambdapool brings agents to AWS Lambda and Google Cloud Run and looks after them: it creates, updates, lists and
// deletes functions, calls them, reads their logs and finds out what is wrong with them.
// `lambdapool help` says more; docs/cli.md shows a session.
//
// # What all commands have in common
//
// What a command answers is on stdout, and with --json it is JSON that scripts may rely on.
// What it does meanwhile, and errors, are on stderr. Questions are asked there, too; --yes
// answers them, and without anybody to answer the command fails. The exit code is 0 for done, 1
// for failed, and 2 for wrong usage.
//
// Everything that is printed and not ours is escaped: names, logs and errors may come from
// anybody's function, and must not move the cursor.
//
// The first interrupt lets a command take back what it made. A second one ends it at once.
//
// # Where its answers come from
//
// Credentials and region are those of the AWS CLI: the environment, ~/.aws, single sign-on, the
// metadata of a machine. --region, --profile and --endpoint-url come before; the project file
// comes after these flags and before the environment.
//
//	AWS_REGION, AWS_PROFILE   as for the AWS CLI
//	AWS_ENDPOINT_URL          another Lambda, such as that of "lambdapool local"
//	AWS_ENDPOINT_URL_S3       another S3, for detached runs
//	LAMBDAPOOL_ON             lambda, which is the default, or cloudrun
//	GOOGLE_CLOUD_PROJECT, CLOUDSDK_RUN_REGION   as for Google's tools
//	LAMBDAPOOL_QUEUE          the queue of Cloud Tasks of its detached calls
//	LAMBDAPOOL_CALL_AS        the service account that calls on Cloud Run
//	LAMBDAPOOL_BUCKET         where detached runs are recorded, NAME or NAME/PREFIX
//
// The project file, lambdapool.yaml or what --file names, says for several functions what flags
// say for one. Flags win over it. An unknown key is an error:
//
//	region: eu-central-1
//	functions:
//	  demo:
//	    package: ./examples/algorithms # relative to the file
//	    memory: 512
//	    env: {LOG: debug}
//
// # How the source is laid out
//
// Commands are thin: they read flags, call package deploy or a detached run of package
// lambdapool, and print. Each has a function that returns its cobra.Command, with its help
// beside it, and is in the file of its subject:
//
//	main.go          the program, the root command and what commands share
//	provider.go      which cloud is meant, and what commands want of it
//	lambda.go        AWS Lambda as such a provider
//	cloudrun.go      Google Cloud Run as one
//	init.go          init; fresh/ has the files that it writes
//	create.go        create; fields.go and project.go say what is wanted
//	update.go        update
//	look.go          list, show, layers, delete, version
//	call.go          invoke, logs, cost
//	doctor.go        doctor
//	policy.go        policy and what is below it; rights.go is its part of Cloud Run
//	runs.go          runs, and how a bucket is opened; runs_*.go are below it
//	local.go         local; localstore.go is its bucket, localgoogle.go plays Google Cloud
//	check.go         what is checked before anything is sent
//	output.go        tables and JSON
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/deploy/rundeploy"
	"github.com/lambdapool/lambdapool/internal/legible"
	"github.com/lambdapool/lambdapool/internal/suggest"
)

// What the command ends with.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// main runs the command. Everything below it takes its streams from an app, so that tests can run
// it too.
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

	runOptions []rundeploy.Option

	cloud   string // --on
	account deploy.Account
	place   rundeploy.Project
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
	root.SetFlagErrorFunc(flagError)
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

// message begins every error alike. No part of it can be taken for another line of ours.
func message(err error) string {
	return legible.Layout("lambdapool: " + strings.TrimPrefix(err.Error(), "lambdapool: "))
}

// usage is an error about how the command was called.
func usage(format string, args ...any) error {
	return &deploy.Error{Op: "read the arguments", Kind: deploy.ErrInvalid, Err: fmt.Errorf(format, args...)}
}

// root has what all commands share: the account, --file, --quiet. --json is added where there is
// something to be read by programs.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "lambdapool",
		Short: "Run ordinary Go functions on AWS Lambda and Google Cloud Run",
		Long: `Lambdapool runs ordinary Go functions on AWS Lambda and Google Cloud Run. This
command brings agents there, which are main packages that call agent.Main(), and
looks after them.

It finds credentials and region as the AWS CLI does. With --on cloudrun it works on
services of Cloud Run, with Google's application default credentials. Without an
account, let 'lambdapool local' play either cloud on this machine.

Exit codes: 0 done, 1 failed, 2 wrong usage.`,
		Example: `  lambdapool init demo                           # a program to begin with
  lambdapool create demo ./examples/algorithms   # build, upload, call once
  lambdapool invoke demo fibonacci 30            # prints 832040
  lambdapool update demo ./examples/algorithms --memory 512
  lambdapool logs demo --follow
  lambdapool delete demo
  lambdapool create demo ./examples/algorithms --on cloudrun --project my-project --region europe-west1`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noSuchCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRun: func(*cobra.Command, []string) {
			a.began = true
		},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.cloud, "on", "", onLambda+" or "+onCloudRun+" (default: "+onVariable+", then "+onLambda+")")
	flags.StringVar(&a.account.Region, "region", "", "AWS region (default: AWS_REGION, then the profile's), or Google's (default: CLOUDSDK_RUN_REGION)")
	flags.StringVar(&a.account.Profile, "profile", "", "profile in ~/.aws (default: AWS_PROFILE)")
	flags.StringVar(&a.account.Endpoint, "endpoint-url", "", "address of another Lambda, such as that of 'lambdapool local', or of other APIs of Google's")
	flags.StringVar(&a.place.ID, "project", "", "Cloud Run: id of the project (default: GOOGLE_CLOUD_PROJECT, then the credentials')")
	flags.StringVar(&a.place.Repository, "repository", "", "Cloud Run: repository of Artifact Registry for images (default: "+rundeploy.Repository+")")
	flags.StringVar(&a.place.CallAs, "call-as", "", "Cloud Run: service account whose tokens calls have, by impersonation (default: "+rundeploy.CallAsVariable+")")
	flags.StringVarP(&a.file, "file", "f", "", "project file (default: lambdapool.yaml, if there is one)")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "no progress on stderr")
	root.AddCommand(
		a.initCommand(), a.createCommand(), a.updateCommand(), a.listCommand(), a.showCommand(), a.deleteCommand(), a.layersCommand(),
		a.logsCommand(), a.invokeCommand(), a.policyCommand(), a.doctorCommand(), a.costCommand(), a.runsCommand(), a.versionCommand(), a.localCommand(),
	)
	return root
}

// negative is what a shell's user means as an argument, and pflag takes for a flag.
var negative = regexp.MustCompile(`^-[0-9.]`)

// flagError names the way out where an argument was taken for a flag.
func flagError(cmd *cobra.Command, err error) error {
	if word := taken.FindStringSubmatch(err.Error()); word != nil && negative.MatchString(word[1]) {
		return usage("%s: %s was taken for a flag: arguments that begin with '-' go after '--', as in %s NAME FUNCTION -- %[2]s", cmd.Name(), word[1], cmd.CommandPath())
	}
	return err
}

// taken finds the word in pflag's error: unknown shorthand flag: '1' in -1.
var taken = regexp.MustCompile(`^unknown shorthand flag: .* in (-.*)$`)

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

// didYouMean is empty where no known word is near.
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
		opts = append(opts, deploy.WithProgress(a.progress))
	}
	return deploy.Open(ctx, where, opts...)
}

// progress tells whoever waits.
func (a *app) progress(e deploy.Event) {
	fmt.Fprintf(a.stderr, "%-10s %s\n", e.Step, legible.Text(e.Text))
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
	p, err := a.provider(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer p.close()
	all, err := p.list(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return all.names, cobra.ShellCompDirectiveNoFileComp
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
