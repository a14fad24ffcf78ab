package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/detached"
	"github.com/lambdapool/lambdapool/internal/english"
	"github.com/lambdapool/lambdapool/internal/legible"
	"github.com/lambdapool/lambdapool/live"
)

// Where an invocation runs is in an object of its own, so each takes a request.
const (
	// maxPlaces bounds of how many invocations it is read where they run.
	maxPlaces = 48
	// placesParallel is how many reads are made at once.
	placesParallel = 16
)

// chunkStates are what --calls takes.
var chunkStates = []string{"all", "queued", "running", "ended", "failed", "expired", "canceled"}

// runsShowCommand prints how far a run is. One listing of the bucket tells that, whatever the
// number of calls; where invocations run takes a read for each, so that is bounded.
func (a *app) runsShowCommand(where *bucketFlags) *cobra.Command {
	var follow, web bool
	var calls string
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show how far a run is, and until when it can be written and read",
		Long: fmt.Sprintf(`Show prints what a run is, until when it can be written and read, and how many of its calls
are queued, running, succeeded, failed, expired and canceled, as one listing of the bucket
tells it. The platform delivers a call at least once: deliveries that found it begun already
are counted as duplicates, and did nothing.

With --calls it lists the run's invocations. Of the first %d that are running, or have failed
calls, it reads where: request id and log stream, for 'lambdapool logs', and the instance with
--json. --calls=failed lists those with failed calls only; the others are %s.

With --follow it goes on until all have ended, looking often while something moves and
seldom while nothing does. With --web it shows that on a page of this machine, for a browser,
until all have ended and the command is interrupted.`, maxPlaces, strings.Join(chunkStates, ", ")),
		Example: `  lambdapool runs show nightly
  lambdapool runs show nightly --follow
  lambdapool runs show nightly --web
  lambdapool runs show nightly --calls=running
  lambdapool runs show nightly --json | jq .state`,
		Args: oneRun,
		RunE: func(cmd *cobra.Command, args []string) error {
			if calls != "" && !slices.Contains(chunkStates, calls) {
				return usage("calls %q: must be one of %s%s", calls, strings.Join(chunkStates, ", "), didYouMean(calls, chunkStates))
			}
			return a.withRuns(cmd.Context(), *where, func(r *runs) error {
				if web {
					return a.showOnPage(cmd.Context(), r, args[0])
				}
				run, err := r.attach(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				defer run.Close() //nolint:errcheck // it returns nil
				state, err := run.State(cmd.Context())
				if err == nil && follow {
					state, err = a.follow(cmd.Context(), run, state)
				}
				if err != nil {
					return err
				}
				shown := runShown{runLine: lineOf(run.Info(), state.At), At: state.At, Sent: state.Sent, Deliveries: state.Deliveries, Duplicates: state.Duplicates, Bytes: state.Bytes}
				counts := countsOf(state)
				shown.State = &counts
				if calls != "" {
					if err := shown.list(cmd.Context(), run, state, calls); err != nil {
						return err
					}
				}
				return a.print(shown, func(w io.Writer) { showRun(w, shown, calls != "") })
			})
		},
		ValidArgsFunction: a.completeRuns(where),
	}
	cmd.Flags().BoolVar(&follow, "follow", false, "go on until all calls have ended")
	cmd.Flags().BoolVar(&web, "web", false, "show it on a page for a browser")
	cmd.Flags().StringVar(&calls, "calls", "", "list the invocations, or only those in `STATE`")
	cmd.Flags().Lookup("calls").NoOptDefVal = "all"
	_ = cmd.RegisterFlagCompletionFunc("calls", cobra.FixedCompletions(chunkStates, cobra.ShellCompDirectiveNoFileComp)) // fails only if there is no such flag
	cmd = a.asJSON(cmd)
	for _, other := range []string{"follow", "calls", "json"} {
		cmd.MarkFlagsMutuallyExclusive("web", other)
	}
	return cmd
}

// showOnPage shows a run to a browser, until it is interrupted.
func (a *app) showOnPage(ctx context.Context, r *runs, id string) error {
	page, err := live.Serve(ctx, live.Output(a.stderr))
	if err != nil {
		return err
	}
	defer page.Close() //nolint:errcheck // it returns nil
	if err := page.Follow(ctx, r.Executor, id); err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "all calls of %s have ended; interrupt ends the page\n", id)
	<-ctx.Done()
	return nil
}

// runShown is what show prints.
type runShown struct {
	runLine

	At          time.Time       `json:"at"` // the store's clock
	Sent        int             `json:"sent"`
	Deliveries  int             `json:"deliveries"`
	Duplicates  int             `json:"duplicates"`
	Bytes       int64           `json:"result_bytes"`
	Invocations []runInvocation `json:"invocations,omitempty"`
	Unplaced    int             `json:"not_looked_up,omitempty"` // invocations of which where they run was not read
}

// A runInvocation is one invocation of a run.
type runInvocation struct {
	First      int       `json:"first_call"`
	Calls      int       `json:"calls"`
	State      string    `json:"state"`
	Started    time.Time `json:"started,omitzero"`
	Ended      time.Time `json:"ended,omitzero"`
	Failed     int       `json:"failed"`
	Deliveries int       `json:"deliveries"`
	Duplicates int       `json:"duplicates"`
	Bytes      int64     `json:"result_bytes"`
	Instance   string    `json:"instance,omitempty"`
	RequestID  string    `json:"request_id,omitempty"`
	LogStream  string    `json:"log_stream,omitempty"`
}

// list fills in the invocations, and where they run.
func (s *runShown) list(ctx context.Context, run *lambdapool.Run[lambdapool.Encoded], state lambdapool.RunState, only string) error {
	for _, c := range state.Chunks {
		if only != "all" && c.State != only && (only != "failed" || c.State != "ended" || c.Failed == 0) {
			continue
		}
		s.Invocations = append(s.Invocations, runInvocation{
			First: c.First, Calls: c.Calls, State: c.State, Started: c.Started, Ended: c.Ended,
			Failed: c.Failed, Deliveries: c.Deliveries, Duplicates: c.Duplicates, Bytes: c.Bytes,
		})
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(placesParallel)
	looked := 0
	for i := range s.Invocations {
		inv := &s.Invocations[i]
		if inv.State != "running" && (inv.Failed == 0 || inv.Deliveries == 0) {
			continue
		}
		if looked++; looked > maxPlaces {
			s.Unplaced++
			continue
		}
		g.Go(func() error {
			place, err := run.Place(ctx, inv.First)
			if err == nil || errors.Is(err, lambdapool.ErrRunNotFound) { // deleted meanwhile
				inv.Instance, inv.RequestID, inv.LogStream = place.Instance, place.RequestID, place.LogStream
				err = nil
			}
			return err
		})
	}
	return g.Wait()
}

// showRun prints a run for people. It names what to do where something seems to be wrong.
func showRun(w io.Writer, s runShown, calls bool) {
	how := "one invocation each"
	if s.Each > 1 {
		how = fmt.Sprintf("%d invocations of up to %d", (s.Calls+s.Each-1)/s.Each, s.Each)
	}
	sent := fmt.Sprintf("%s of %s", english.Number(s.Sent), english.Count(s.Calls, "call"))
	if s.Sent < s.Calls && s.State.left() > 0 {
		sent += ": it is being sent, or its client died; the same program sends the rest of a run that has a name"
	}
	table(w, [][]string{
		{"run", s.ID},
		{"function", s.Function + " " + s.Shape},
		{"calls", fmt.Sprintf("%d, %s", s.Calls, how)},
		{"created", date(s.Created)},
		{"start by", date(s.StartBy) + ", what has not begun then is expired"},
		{"writable until", date(s.RecordBy)},
		{"readable until", s.kept()},
		{"sent", sent},
		{"state", s.State.String()},
		{"deliveries", fmt.Sprintf("%s, and %s", english.Number(s.Deliveries), english.Count(s.Duplicates, "duplicate"))},
		{"results", bytesText(s.Bytes)},
		{"as of", date(s.At)},
	})
	if calls {
		showInvocations(w, s)
	}
}

// showInvocations prints a row per invocation. Columns that would be empty are left out.
func showInvocations(w io.Writer, s runShown) {
	fmt.Fprintln(w)
	if len(s.Invocations) == 0 {
		fmt.Fprintln(w, "no such invocations")
		return
	}
	rows := [][]string{{"CALLS", "STATE", "FAILED", "STARTED", "TOOK", "RESULT", "DELIVERIES"}}
	if slices.ContainsFunc(s.Invocations, func(c runInvocation) bool { return c.RequestID != "" }) {
		rows[0] = append(rows[0], "REQUEST ID", "LOG STREAM")
	}
	for _, c := range s.Invocations {
		span, took, failed, bytes := fmt.Sprint(c.First), "", "", ""
		if c.Calls > 1 {
			span = fmt.Sprintf("%d-%d", c.First, c.First+c.Calls-1)
		}
		switch {
		case c.Started.IsZero():
		case !c.Ended.IsZero():
			took = c.Ended.Sub(c.Started).Round(time.Second).String() // as the store counts
		case c.State == "running":
			took = s.At.Sub(c.Started).Round(time.Second).String() + " so far"
		}
		if c.Failed > 0 {
			failed = fmt.Sprint(c.Failed)
		}
		if c.Bytes > 0 {
			bytes = bytesText(c.Bytes)
		}
		deliveries := fmt.Sprint(c.Deliveries)
		if c.Duplicates > 0 {
			deliveries += fmt.Sprintf(" +%d", c.Duplicates)
		}
		rows = append(rows, []string{span, c.State, failed, date(c.Started), took, bytes, deliveries, c.RequestID, c.LogStream})
	}
	table(w, rows)
	if s.Unplaced > 0 {
		fmt.Fprintf(w, "where they run was read of the first %d; of %d more it was not\n", maxPlaces, s.Unplaced)
	}
}

// bytesText is for sizes from a few bytes on.
func bytesText(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KB", float64(n)/(1<<10))
	}
	return megabytes(n)
}

// follow looks at a run until all of it has ended, and says how far it is.
func (a *app) follow(ctx context.Context, run *lambdapool.Run[lambdapool.Encoded], state lambdapool.RunState) (lambdapool.RunState, error) {
	say, done := a.progressLine()
	defer done()
	var poll detached.Poll
	var took time.Duration
	last := runCounts{}
	for first := true; ; first = false {
		counts := countsOf(state)
		if first || counts != last {
			say(fmt.Sprintf("%s  %d of %d ended  %s", run.ID(), run.Len()-counts.left(), run.Len(), counts))
		}
		if counts.left() == 0 {
			return state, nil
		}
		pause := time.NewTimer(poll.Next(counts != last, took))
		last = counts
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return state, fmt.Errorf("interrupted; %s goes on", run.ID())
		}
		began := time.Now()
		next, err := run.State(ctx)
		took = time.Since(began)
		switch {
		case err == nil:
			state = next
		case errors.Is(err, lambdapool.ErrAccessDenied), errors.Is(err, lambdapool.ErrRunNotFound):
			return state, err
		case ctx.Err() == nil:
			say("the bucket does not answer, trying again: " + message(err))
		}
	}
}

// progressLine returns how to say something on stderr: on a terminal on the same line
// again and again, which done ends.
func (a *app) progressLine() (say func(text string), done func()) {
	switch f, ok := a.stderr.(*os.File); {
	case a.quiet:
		return func(string) {}, func() {}
	case ok && isTerminal(f):
		// A line that is too long is cut off by the terminal: wrapped, it could not be overwritten.
		return func(text string) { fmt.Fprintf(f, "\r\x1b[K\x1b[?7l%s\x1b[?7h", legible.Line(text)) }, func() { fmt.Fprintln(f) }
	}
	return func(text string) { fmt.Fprintln(a.stderr, legible.Line(text)) }, func() {}
}

// isTerminal reports whether a line can be overwritten on f.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
