package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/lambdapool/lambdapool/backend/local"
)

// localRegion is where `lambdapool local` is, unless somebody says otherwise.
const localRegion = "us-east-1"

// localFlags are those of `lambdapool local`.
type localFlags struct {
	address      string
	concurrency  int
	eventRetries []time.Duration
	store        storeFlags
}

func (a *app) localCommand() *cobra.Command {
	var f localFlags
	cmd := &cobra.Command{
		Use:   "local [-- COMMAND [ARGUMENT…]]",
		Short: "Play Lambda on this machine, without an account",
		Long: `Local serves Lambda's API on loopback, as much of IAM, STS and CloudWatch Logs as this
command needs, and a bucket of S3 for large payloads and detached runs. Functions are created
from real zips, and their agents really run, as processes of this machine. The AWS CLI and
any AWS SDK work with it.

It prints what to set in another terminal, and runs until Ctrl-C. With COMMAND it sets that
for COMMAND, and ends with it. Functions, logs and queued events are gone when it ends, and
so are the bucket's objects, unless --data says where to keep them; the credentials are
kept with them. With --address and --s3-address as well, a restart changes nothing of what
it printed.`,
		Example: `  lambdapool local                               # then, in another terminal, paste what it prints
  lambdapool local -- sh -c 'lambdapool create demo ./examples/algorithms && lambdapool invoke demo fibonacci 30'
  lambdapool local --data ~/.lambdapool          # detached runs stay: lambda://demo?bucket=lambdapool
  lambdapool local --event-retries 1s,2s         # what Lambda tries again after one and two minutes`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if f.concurrency < 1 {
				return usage("concurrency %d: must be at least 1", f.concurrency)
			}
			if len(f.eventRetries) > 2 || slices.ContainsFunc(f.eventRetries, func(d time.Duration) bool { return d < 0 }) {
				return usage("event-retries %v: must be at most two delays, none negative", f.eventRetries)
			}
			if err := checkAddress(f.address); err != nil {
				return err
			}
			if err := f.store.config().Check(); err != nil {
				return usage("store: %w", err)
			}
			return a.runLocal(cmd.Context(), &f, args)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.address, "address", "", "loopback address to listen on (default 127.0.0.1 and any free port)")
	flags.IntVar(&f.concurrency, "concurrency", 1000, "concurrent executions of the account")
	flags.DurationSliceVar(&f.eventRetries, "event-retries", []time.Duration{time.Minute, 2 * time.Minute}, "when asynchronous invocations whose function failed run again, at most twice")
	flags.StringVar(&f.store.bucket, "bucket", "lambdapool", "bucket to make")
	flags.StringVar(&f.store.data, "data", "", "directory that keeps the bucket's objects (default: a temporary one, removed at the end)")
	flags.StringVar(&f.store.address, "s3-address", "", "loopback address of the bucket (default 127.0.0.1 and any free port)")
	return a.asJSON(cmd)
}

// maxEventAge is how long an asynchronous invocation may wait, as on Lambda.
const maxEventAge = 6 * time.Hour

func (a *app) runLocal(ctx context.Context, f *localFlags, args []string) (err error) {
	keep := func(end func() error) { err = errors.Join(err, end()) }
	store, err := f.store.open()
	if err != nil {
		return err
	}
	defer keep(store.close)
	opts := []local.Option{
		local.WithConcurrency(f.concurrency),
		local.WithCredentials(store.keys.AccessKeyID, store.keys.SecretAccessKey),
		local.WithEventRetries(maxEventAge, f.eventRetries...),
	}
	if f.address != "" {
		opts = append(opts, local.WithAddress(f.address))
	}
	if !a.quiet {
		opts = append(opts, local.WithLogOutput(a.stderr))
	}
	server, err := local.NewServer(opts...)
	if err != nil {
		return err
	}
	defer keep(server.Close)
	region := or(os.Getenv("AWS_REGION"), localRegion)
	env := []string{
		"AWS_ENDPOINT_URL=" + server.Endpoint(),
		"AWS_ENDPOINT_URL_S3=" + store.server.Endpoint(),
		"AWS_ACCESS_KEY_ID=" + store.keys.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + store.keys.SecretAccessKey,
		"AWS_REGION=" + region,
		"AWS_DEFAULT_REGION=" + region, // what boto3 and version 1 of the AWS CLI read
		bucketVariable + "=" + f.store.bucket,
	}
	if len(args) > 0 {
		return a.runWith(ctx, env, args)
	}
	if !a.quiet {
		fmt.Fprintf(a.stderr, "%-10s lambda://NAME?bucket=%s\n", "bucket", f.store.bucket)
	}
	if err := a.print(localAnswer(env, f.store.bucket), func(w io.Writer) {
		for _, v := range env {
			fmt.Fprintln(w, "export", v)
		}
		fmt.Fprintln(w, "unset", strings.Join(unset, " "))
	}); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// unset is what would win over the environment that local makes.
var unset = []string{"AWS_PROFILE", "AWS_SESSION_TOKEN"}

func localAnswer(env []string, bucket string) any {
	variables := map[string]string{}
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		variables[name] = value
	}
	return struct {
		Environment map[string]string `json:"environment"`
		Unset       []string          `json:"unset"`
		Bucket      string            `json:"bucket"`
	}{variables, unset, bucket}
}

// runWith runs a command in the environment, and passes an interrupt on.
func (a *app) runWith(ctx context.Context, env, args []string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // the command is the caller's own
	cmd.Env = append(slices.DeleteFunc(cmd.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(unset, name) // not empty: the AWS CLI looks for a profile of that name
	}), env...)
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
