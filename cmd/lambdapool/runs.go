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
	cmd.AddCommand(a.runsShowCommand(&where), a.runsResultsCommand(&where), a.runsCancelCommand(&where), a.runsCleanCommand(&where), a.runsDeleteCommand(&where))
	return a.asJSON(cmd)
}

// bucketFlags say where detached runs are recorded.
type bucketFlags struct{ bucket, endpoint string }

func (s *bucketFlags) bind(flags *pflag.FlagSet) {
	flags.StringVar(&s.bucket, "bucket", "", "bucket where runs are recorded, `NAME[/PREFIX]` (default: the project file's, then "+bucketVariable+")")
	flags.StringVar(&s.endpoint, "bucket-endpoint", "", "`URL` of an S3-compatible store (default: AWS_ENDPOINT_URL_S3, then AWS)")
}

// options returns those of a backend with the bucket.
func (s bucketFlags) options(p *project) ([]awslambda.Option, error) {
	where := cmp.Or(s.bucket, p.Bucket, os.Getenv(bucketVariable))
	if where == "" {
		return nil, usage("which bucket? --bucket NAME, bucket in %s, or %s says it", projectFile, bucketVariable)
	}
	name, prefix, prefixed := strings.Cut(strings.TrimPrefix(where, "s3://"), "/")
	if prefix = strings.TrimSuffix(prefix, "/"); strings.HasPrefix(name, "arn:") {
		name, prefixed = where, false // an access point's has slashes of its own
	}
	var opts []awslambda.BucketOption
	if prefixed && prefix != "" {
		opts = append(opts, awslambda.Prefix(prefix))
	}
	if endpoint := cmp.Or(s.endpoint, os.Getenv("AWS_ENDPOINT_URL_S3")); endpoint != "" {
		opts = append(opts, awslambda.BucketEndpoint(endpoint), awslambda.PathStyle())
	}
	return []awslambda.Option{awslambda.WithBucket(name, opts...)}, nil
}

// runs are the detached runs of a bucket.
type runs struct {
	*lambdapool.Executor

	store lambdapool.Store
}

// withRuns opens the bucket for as long as do lasts.
func (a *app) withRuns(ctx context.Context, where bucketFlags, do func(*runs) error) error {
	// No function is called: only the backend wants a name.
	return a.withFunction(ctx, "runs", "", where, do)
}

// withFunction opens a function, and the bucket for its runs, for as long as do lasts.
func (a *app) withFunction(ctx context.Context, name, qualifier string, where bucketFlags, do func(*runs) error) (err error) {
	p, err := a.project()
	if err != nil {
		return err
	}
	opts, err := where.options(p)
	if err != nil {
		return err
	}
	client, err := a.client(ctx)
	if err != nil {
		return err
	}
	opts = append(opts, awslambda.WithConfig(client.Config()), awslambda.WithWorkers(1))
	if qualifier != "" {
		opts = append(opts, awslambda.WithQualifier(qualifier))
	}
	b, err := awslambda.New(ctx, name, opts...)
	if err != nil {
		return usage("%w", err) // it is the flags that are wrong: nothing is sent before the first call
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	e, err := lambdapool.New(b, lambdapool.WithRegistry(lambdapool.NewRegistry()), lambdapool.WithLogger(slog.New(slog.NewTextHandler(a.stderr, nil))))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	return do(&runs{e, b.Store()})
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
