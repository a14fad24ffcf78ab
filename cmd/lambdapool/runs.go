package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/internal/detached"
)

// bucketVariable names the bucket unless a flag or the project file does.
const bucketVariable = "LAMBDAPOOL_BUCKET"

// runsCommand lists the runs of a bucket, and has the commands that are about one. The flags
// that name the bucket are those of all of them.
func (a *app) runsCommand() *cobra.Command {
	var where bucketFlags
	var state bool
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "List detached runs, and look after them",
		Long: `Runs lists the detached runs of a bucket: calls that were queued by MapDetached, or by
'lambdapool invoke --detached', and that go on without whoever started them. The commands
below it show one, print its results, cancel what is still queued, and clean up.

A run is found by its bucket alone; no function need be named. Say it once with
` + bucketVariable + `=NAME, or NAME/PREFIX where a program uses another prefix than lambdapool.`,
		Example: `  lambdapool runs --bucket payloads
  export ` + bucketVariable + `=payloads
  lambdapool runs --state                        # with how far each is: a listing for each
  lambdapool runs show nightly --follow
  lambdapool runs results nightly > results.jsonl`,
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withRuns(cmd.Context(), where, func(r *runs) error { return a.listRuns(cmd.Context(), r, state) })
		},
	}
	where.bind(cmd.PersistentFlags())
	cmd.Flags().BoolVar(&state, "state", false, "say how far each run is, which takes a listing for each")
	cmd.AddCommand(a.runsShowCommand(&where), a.runsResultsCommand(&where), a.runsCancelCommand(&where), a.runsRetryCommand(&where), a.runsCleanCommand(&where), a.runsDeleteCommand(&where))
	return a.asJSON(cmd)
}

// bucketFlags say where detached runs are recorded.
type bucketFlags struct{ bucket, endpoint string }

// bind adds the flags that name the bucket.
func (s *bucketFlags) bind(flags *pflag.FlagSet) {
	flags.StringVar(&s.bucket, "bucket", "", "bucket where runs are recorded, `NAME[/PREFIX]` (default: the project file's, then "+bucketVariable+")")
	flags.StringVar(&s.endpoint, "bucket-endpoint", "", "`URL` of an S3-compatible store (default: AWS_ENDPOINT_URL_S3, then AWS)")
}

// A bucketName is where runs are recorded.
type bucketName struct{ name, prefix, endpoint string }

// find says where runs are recorded: by the flag, the project file or the environment.
func (s bucketFlags) find(p *project) (b bucketName, err error) {
	where := cmp.Or(s.bucket, p.Bucket, os.Getenv(bucketVariable))
	if where == "" {
		return b, usage("which bucket? --bucket NAME, bucket in %s, or %s says it", projectFile, bucketVariable)
	}
	var prefixed bool
	where = strings.TrimPrefix(where, "gs://")
	b.name, b.prefix, prefixed = strings.Cut(strings.TrimPrefix(where, "s3://"), "/")
	if b.prefix = strings.TrimSuffix(b.prefix, "/"); strings.HasPrefix(b.name, "arn:") {
		b.name, prefixed = where, false // an access point's has slashes of its own
	}
	if !prefixed {
		b.prefix = ""
	}
	b.endpoint = s.endpoint
	return b, nil
}

// onS3 are the options of Lambda's backend with the bucket.
func (b bucketName) onS3() awslambda.Option {
	var opts []awslambda.BucketOption
	if b.prefix != "" {
		opts = append(opts, awslambda.Prefix(b.prefix))
	}
	if endpoint := cmp.Or(b.endpoint, os.Getenv("AWS_ENDPOINT_URL_S3")); endpoint != "" {
		opts = append(opts, awslambda.BucketEndpoint(endpoint), awslambda.PathStyle())
	}
	return awslambda.WithBucket(b.name, opts...)
}

// runs are the detached runs of a bucket.
type runs struct {
	*lambdapool.Executor

	store lambdapool.Store
}

// withRuns opens the bucket for as long as do lasts.
func (a *app) withRuns(ctx context.Context, where bucketFlags, do func(*runs) error) error {
	// No function is called: only Lambda's backend wants a name.
	return a.withFunction(ctx, "", "", where, do)
}

// A recorder is a backend that has a store for runs.
type recorder interface {
	lambdapool.Backend
	Close() error
	Store() lambdapool.Store
}

// withFunction opens a function, and the bucket for its runs, for as long as do lasts.
func (a *app) withFunction(ctx context.Context, name, qualifier string, where bucketFlags, do func(*runs) error) (err error) {
	p, err := a.project()
	if err != nil {
		return err
	}
	on, err := a.on()
	if err != nil {
		return err
	}
	bucket, err := where.find(p)
	if err != nil {
		return err
	}
	open := a.lambdaRuns
	if on == onCloudRun {
		open = a.runRuns
	}
	b, err := open(ctx, name, qualifier, bucket)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	e, err := lambdapool.New(b, lambdapool.WithRegistry(lambdapool.NewRegistry()), lambdapool.WithLogger(slog.New(slog.NewTextHandler(a.stderr, nil))))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	return do(&runs{e, b.Store()})
}

// lambdaRuns opens the bucket of a Lambda function.
func (a *app) lambdaRuns(ctx context.Context, name, qualifier string, bucket bucketName) (recorder, error) {
	client, err := a.client(ctx)
	if err != nil {
		return nil, err
	}
	opts := []awslambda.Option{bucket.onS3(), awslambda.WithConfig(client.Config()), awslambda.WithWorkers(1)}
	if name == "" {
		opts = append(opts, awslambda.WithShards(1)) // nothing is invoked
	}
	if qualifier != "" {
		opts = append(opts, awslambda.WithQualifier(qualifier))
	}
	b, err := awslambda.New(ctx, cmp.Or(name, "runs"), opts...)
	if err != nil {
		return nil, usage("%w", err) // it is the flags that are wrong: nothing is sent before the first call
	}
	return b, nil
}

// attach finds a run without knowing its function.
func (r *runs) attach(ctx context.Context, id string) (*lambdapool.Run[lambdapool.Encoded], error) {
	return r.AttachEncoded(ctx, id)
}

// oneRun checks the argument of a command that is about one run.
func oneRun(cmd *cobra.Command, args []string) error {
	if err := named(1, 1, "ID")(cmd, args); err != nil {
		return err
	}
	if err := detached.CheckID(args[0]); err != nil {
		return usage("run: %w", err)
	}
	return nil
}

// completeRuns lets the shell complete the names of runs.
func (a *app) completeRuns(where *bucketFlags) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		var ids []string
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		a.quiet = true
		_ = a.withRuns(cmd.Context(), *where, func(r *runs) error { // who completes cannot be told
			page, err := r.store.List(cmd.Context(), detached.IndexPrefix(), "")
			for _, o := range page.Objects {
				if id, ok := detached.IndexID(o.Key); ok {
					ids = append(ids, id)
				}
			}
			return err
		})
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}

// A runLine is what is printed of a run. Times are the store's.
type runLine struct {
	ID        string     `json:"id"`
	Function  string     `json:"function,omitempty"`
	Shape     string     `json:"shape,omitempty"`
	Calls     int        `json:"calls"`
	Each      int        `json:"calls_per_invocation"`
	Created   time.Time  `json:"created,omitzero"`
	StartBy   time.Time  `json:"start_by,omitzero"`
	RecordBy  time.Time  `json:"record_by,omitzero"`
	KeepUntil time.Time  `json:"keep_until,omitzero"`
	Over      bool       `json:"retention_over"`
	State     *runCounts `json:"state,omitempty"`
	Problem   string     `json:"problem,omitempty"` // why there is no more to say
}

// lineOf is what is printed of a run. now is the store's clock.
func lineOf(info lambdapool.RunInfo, now time.Time) runLine {
	return runLine{
		ID: info.ID, Function: info.Func, Shape: info.Shape, Calls: info.Calls, Each: info.ChunkSize,
		Created: info.Created, StartBy: info.StartBy, RecordBy: info.RecordBy, KeepUntil: info.KeepUntil,
		Over: !info.KeepUntil.IsZero() && !now.Before(info.KeepUntil),
	}
}

// kept says until when a run can be read.
func (l runLine) kept() string {
	if l.Over {
		return date(l.KeepUntil) + ", which is over"
	}
	return date(l.KeepUntil)
}

// runCounts are a run's calls by where they stand.
type runCounts struct {
	Queued    int `json:"queued"`
	Running   int `json:"running"`
	Succeeded int `json:"succeeded"`
	Failed    int `json:"failed"`
	Expired   int `json:"expired"`
	Canceled  int `json:"canceled"`
}

// countsOf is what is printed of a state.
func countsOf(s lambdapool.RunState) runCounts {
	return runCounts{s.Queued, s.Running, s.Succeeded, s.Failed, s.Expired, s.Canceled}
}

// left is how many calls have not ended.
func (c runCounts) left() int { return c.Queued + c.Running }

// String leaves out what there is none of.
func (c runCounts) String() string {
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{
		{c.Queued, "queued"}, {c.Running, "running"}, {c.Succeeded, "succeeded"},
		{c.Failed, "failed"}, {c.Expired, "expired"}, {c.Canceled, "canceled"},
	} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	return or(strings.Join(parts, ", "), "no calls")
}

// listRuns prints the runs there are. A run that cannot be read, for instance since a newer
// version wrote it, is told, and does not hide the others.
func (a *app) listRuns(ctx context.Context, r *runs, withState bool) error {
	all, err := r.all(ctx)
	if err != nil {
		return err
	}
	lines, unread := []runLine{}, 0
	for _, one := range all {
		line, err := one.runLine, one.err
		if err == nil && withState {
			line.State, err = r.counts(ctx, line.ID)
		}
		if err != nil {
			line.Problem = message(err)
			unread++
		}
		lines = append(lines, line)
	}
	if err := a.print(lines, func(w io.Writer) { showRuns(w, lines, withState) }); err != nil {
		return err
	}
	if unread > 0 {
		return fmt.Errorf("%d of %d runs cannot be read", unread, len(lines))
	}
	return nil
}

// A listed run is one that may not be readable.
type listed struct {
	runLine

	err error
}

// all returns the runs there are, compared with the store's clock.
func (r *runs) all(ctx context.Context) (all []listed, err error) {
	for info, err := range r.Runs(ctx) {
		if err != nil && info.ID == "" {
			return nil, err
		}
		all = append(all, listed{lineOf(info, time.Time{}), err})
	}
	page, err := r.store.List(ctx, detached.IndexPrefix(), "") // for its clock, by which runs begin and end
	for i := range all {
		l := &all[i]
		l.Over = !l.KeepUntil.IsZero() && !page.Time.Before(l.KeepUntil)
	}
	return all, err
}

// counts is how far a run is, by one listing of it.
func (r *runs) counts(ctx context.Context, id string) (*runCounts, error) {
	run, err := r.attach(ctx, id)
	if err != nil {
		return nil, err
	}
	defer run.Close() //nolint:errcheck // it returns nil
	state, err := run.State(ctx)
	if err != nil {
		return nil, err
	}
	counts := countsOf(state)
	return &counts, nil
}

// showRuns prints a row per run.
func showRuns(w io.Writer, lines []runLine, withState bool) {
	if len(lines) == 0 {
		fmt.Fprintln(w, "no runs here: MapDetached starts one in a program, lambdapool invoke --detached on the command line")
		return
	}
	rows := [][]string{{"RUN", "FUNCTION", "CALLS", "CREATED", "KEPT UNTIL", "STATE"}}
	if !withState {
		rows[0][5] = ""
	}
	for _, l := range lines {
		if l.Problem != "" {
			rows = append(rows, []string{l.ID, or(l.Function, "?"), "", "", "", l.Problem})
			continue
		}
		state := ""
		if l.State != nil {
			state = l.State.String()
		}
		rows = append(rows, []string{l.ID, l.Function, fmt.Sprint(l.Calls), date(l.Created), l.kept(), state})
	}
	table(w, rows)
}
