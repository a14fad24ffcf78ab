package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/lambdapool/lambdapool/backend/local"
)

// localRegion is where `lambdapool local` is, unless somebody says otherwise.
const localRegion = "us-east-1"

func (a *app) localCommand() *cobra.Command {
	var address string
	var concurrency int
	cmd := &cobra.Command{
		Use:   "local [-- COMMAND [ARGUMENT…]]",
		Short: "Play Lambda on this machine, without an account",
		Long: `Local serves Lambda's API on loopback, and as much of IAM, STS and CloudWatch Logs as
this command needs. Functions are created from real zips, and their agents really run, as
processes of this machine. The AWS CLI and any AWS SDK work with it.

It prints what to set in another terminal, and runs until Ctrl-C. With COMMAND it sets that
for COMMAND, and ends with it. Everything is gone when it ends.`,
		Example: `  lambdapool local                               # then, in another terminal, paste what it prints
  lambdapool local -- sh -c 'lambdapool create demo ./examples/algorithms && lambdapool invoke demo fibonacci 30'`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if concurrency < 1 {
				return usage("concurrency %d: must be at least 1", concurrency)
			}
			opts := []local.Option{local.WithConcurrency(concurrency)}
			if address != "" {
				opts = append(opts, local.WithAddress(address))
			}
			if !a.quiet {
				opts = append(opts, local.WithLogOutput(a.stderr))
			}
			server, err := local.NewServer(opts...)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, server.Close()) }()
			env := environment(server)
			if len(args) > 0 {
				return a.runWith(cmd.Context(), env, args)
			}
			for _, v := range env {
				fmt.Fprintln(a.stdout, "export", v)
			}
			fmt.Fprintln(a.stdout, "unset AWS_PROFILE AWS_SESSION_TOKEN")
			<-cmd.Context().Done()
			return nil
		},
	}
	cmd.Flags().StringVar(&address, "address", "", "loopback address to listen on (default 127.0.0.1 and any free port)")
	cmd.Flags().IntVar(&concurrency, "concurrency", 1000, "concurrent executions of the account")
	return cmd
}

func environment(s *local.Server) []string {
	id, secret := s.Credentials()
	region := os.Getenv("AWS_REGION")
	return []string{
		"AWS_ENDPOINT_URL=" + s.Endpoint(),
		"AWS_ACCESS_KEY_ID=" + id,
		"AWS_SECRET_ACCESS_KEY=" + secret,
		"AWS_REGION=" + or(region, localRegion),
	}
}

// runWith runs a command in the environment, and passes an interrupt on.
func (a *app) runWith(ctx context.Context, env, args []string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // the command is the caller's own
	cmd.Env = append(cmd.Environ(), append(env, "AWS_PROFILE=", "AWS_SESSION_TOKEN=")...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.stdin, a.stdout, a.stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil //nolint:nilerr // whoever pressed Ctrl-C knows
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("%s ended with %w", args[0], exit)
	}
	return err
}
