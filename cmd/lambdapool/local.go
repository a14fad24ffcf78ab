package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/internal/legible"
)

// localRegion is where `lambdapool local` is, unless somebody says otherwise.
const localRegion = "us-east-1"

// localFlags are those of `lambdapool local`.
type localFlags struct {
	cloud        string
	address      string
	concurrency  int
	eventRetries []time.Duration
	updateTime   time.Duration
	freeze       bool
	store        storeFlags
}

// localCommand plays Lambda until it is interrupted, or until its command has ended. What it
// prints on stdout is meant for a shell: export lines to paste, or JSON.
func (a *app) localCommand() *cobra.Command {
	var f localFlags
	cmd := &cobra.Command{
		Use:   "local [-- COMMAND [ARGUMENT…]]",
		Short: "Play Lambda or Cloud Run on this machine, without an account",
		Long: `Local serves Lambda's API on loopback, as much of IAM, STS and CloudWatch Logs as this
command needs, and a bucket of S3 for large payloads and detached runs. Functions are created
from real zips, and their agents really run, as processes of this machine. The AWS CLI and
any AWS SDK work with it.

It prints what to set in another terminal, and runs until Ctrl-C. With COMMAND it sets that
for COMMAND, and ends with it. Functions, roles, queued events and the bucket's objects are gone
when it ends, unless --data says where to keep them. The credentials and the addresses are kept
with them, so that a restart changes nothing of what it printed, and detached runs go on. Logs
are not kept.

With --cloud google it plays Google Cloud instead: Cloud Run with its Admin API, a registry for
images, a bucket of Cloud Storage, a queue of Cloud Tasks and the accounts that all of them
know. Images of linux/amd64 run as processes of this machine. Nothing of it is kept.`,
		Example: `  lambdapool local                               # then, in another terminal, paste what it prints
  lambdapool local -- sh -c 'lambdapool create demo ./examples/algorithms && lambdapool invoke demo fibonacci 30'
  lambdapool local --data ~/.lambdapool          # detached runs stay: lambda://demo?bucket=lambdapool
  lambdapool local --cloud google -- sh          # cloudrun://NAME works inside
  lambdapool local --event-retries 1s,2s         # what Lambda tries again after one and two minutes`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if f.concurrency < 1 || f.concurrency > maxConcurrency {
				return usage("concurrency %d: must be at least 1 and at most %d", f.concurrency, maxConcurrency)
			}
			if f.updateTime < 0 || f.updateTime > maxUpdateTime {
				return usage("update-time %v: must be 0 to %v", f.updateTime, maxUpdateTime)
			}
			if len(f.eventRetries) > 2 || slices.ContainsFunc(f.eventRetries, func(d time.Duration) bool { return d < 0 }) {
				return usage("event-retries %v: must be at most two delays, none negative", f.eventRetries)
			}
			if err := checkAddress(f.address); err != nil {
				return err
			}
			if err := checkCloud(cmd.Flags(), f.cloud); err != nil {
				return err
			}
			if err := f.store.config().Check(); err != nil {
				return usage("store: %w", err)
			}
			if f.cloud == cloudGoogle {
				return a.runGoogle(cmd.Context(), &f, args)
			}
			return a.runLocal(cmd.Context(), &f, args)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.cloud, "cloud", cloudAWS, "whose cloud: "+cloudAWS+" or "+cloudGoogle)
	flags.StringVar(&f.address, "address", "", "loopback address to listen on (default 127.0.0.1 and any free port)")
	flags.IntVar(&f.concurrency, "concurrency", runtime.NumCPU(), "invocations that run at once on this machine; more are refused, as when the account's limit is reached (google: containers of a service; more wait)")
	flags.DurationSliceVar(&f.eventRetries, "event-retries", []time.Duration{time.Minute, 2 * time.Minute}, "when asynchronous invocations whose function failed run again, at most twice")
	flags.DurationVar(&f.updateTime, "update-time", 0, "how long a new function is Pending, and an update InProgress")
	flags.BoolVar(&f.freeze, "freeze", false, "stop agents between invocations, as Lambda does (Linux)")
	flags.StringVar(&f.store.bucket, "bucket", "lambdapool", "bucket to make")
	flags.StringVar(&f.store.data, "data", "", "directory that keeps objects, functions and queued events (default: nothing is kept)")
	flags.StringVar(&f.store.address, "s3-address", "", "loopback address of the bucket (default 127.0.0.1 and any free port)")
	return a.asJSON(cmd)
}

// What --concurrency and --update-time may be at most.
const (
	maxConcurrency = 10_000
	maxUpdateTime  = 15 * time.Minute
)

// maxEventAge is how long an asynchronous invocation may wait, as on Lambda.
const maxEventAge = 6 * time.Hour

// runLocal starts the bucket before the server, which reads code from it, and ends them in
// reverse.
func (a *app) runLocal(ctx context.Context, f *localFlags, args []string) (err error) {
	keep := func(end func() error) { err = errors.Join(err, end()) }
	where := addressesIn(f.store.data)
	free := func(said *string, last string) { // of two that have been said, the explicit one
		if *said == "" && canListen(last) {
			*said = last
		}
	}
	free(&f.address, where.Lambda)
	free(&f.store.address, where.S3)
	store, err := f.store.open()
	if err != nil {
		return err
	}
	defer keep(store.close)
	opts := []local.Option{
		local.WithAgents(f.concurrency), // the account's limit stays Lambda's
		local.WithUpdateTime(f.updateTime),
		local.WithFreeze(f.freeze),
		local.WithCodeFrom(store.object),
		local.WithCredentials(store.keys.AccessKeyID, store.keys.SecretAccessKey),
		local.WithEventRetries(maxEventAge, f.eventRetries...),
	}
	if f.address != "" {
		opts = append(opts, local.WithAddress(f.address))
	}
	if f.store.data != "" {
		opts = append(opts, local.WithData(filepath.Join(f.store.data, "lambda")))
	}
	if !a.quiet {
		opts = append(opts, local.WithLogOutput(legible.Marking(a.stderr, "[agent] ")))
	}
	server, err := local.NewServer(opts...)
	if err != nil {
		return err
	}
	defer keep(server.Close)
	if f.store.data != "" {
		now := addresses{strings.TrimPrefix(server.Endpoint(), "http://"), strings.TrimPrefix(store.server.Endpoint(), "http://")}
		if where != (addresses{}) && where != now {
			fmt.Fprintf(a.stderr, "%-10s others than before: %s and %s were not free; links made before do not work\n", "addresses", where.Lambda, where.S3)
		}
		if err := now.write(f.store.data); err != nil {
			return err
		}
	}
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
	return a.offer(ctx, &surroundings{env, []string{"AWS_PROFILE", "AWS_SESSION_TOKEN"}, f.store.bucket, "", "lambda://NAME?bucket=" + f.store.bucket}, args)
}

// surroundings are what programs need to find what local plays.
type surroundings struct {
	env    []string // NAME=VALUE
	unset  []string // what would win over env
	bucket string
	queue  string // "": there is none
	url    string // of backend.Open
}

// offer runs a command in the surroundings, or prints them and waits for the end of ctx.
func (a *app) offer(ctx context.Context, s *surroundings, args []string) error {
	if len(args) > 0 {
		return a.runWith(ctx, s, args)
	}
	if !a.quiet {
		fmt.Fprintf(a.stderr, "%-10s %s\n", "bucket", s.url)
	}
	if err := a.print(s.answer(), func(w io.Writer) {
		for _, v := range s.env {
			fmt.Fprintln(w, "export", v)
		}
		fmt.Fprintln(w, "unset", strings.Join(s.unset, " "))
	}); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// answer is what local prints as JSON.
func (s *surroundings) answer() any {
	variables := map[string]string{}
	for _, v := range s.env {
		name, value, _ := strings.Cut(v, "=")
		variables[name] = value
	}
	return struct {
		Environment map[string]string `json:"environment"`
		Unset       []string          `json:"unset"`
		Bucket      string            `json:"bucket"`
		Queue       string            `json:"queue,omitempty"`
	}{variables, s.unset, s.bucket, s.queue}
}

// runWith runs a command in the surroundings, and passes an interrupt on.
func (a *app) runWith(ctx context.Context, s *surroundings, args []string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // the command is the caller's own
	cmd.Env = append(slices.DeleteFunc(cmd.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(s.unset, name) // not empty: the AWS CLI looks for a profile of that name
	}), s.env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.stdin, a.stdout, a.stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	runtime.LockOSThread() // its end would tell the command that this process has ended
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = endsWithUs()
	err := cmd.Run()
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%s was interrupted: %w", args[0], context.Cause(ctx)) // whoever waits must not take it for done
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("%s ended with %w", args[0], exit)
	}
	return err
}
