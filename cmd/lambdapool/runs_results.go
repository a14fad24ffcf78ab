package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/internal/english"
	"github.com/lambdapool/lambdapool/internal/legible"
)

// runsResultsCommand prints what has ended, or with --wait waits for the rest. Calls that
// failed are lines, too, so that line and call correspond.
func (a *app) runsResultsCommand(where *bucketFlags) *cobra.Command {
	var wait, unordered bool
	var output string
	cmd := &cobra.Command{
		Use:   "results ID",
		Short: "Print the results of a run, as JSON lines",
		Long: `Results prints a line for each call that has ended, in the order of the input:

  {"call":0,"value":832040}
  {"call":1,"error":{"kind":"function","type":"*errors.errorString","message":"negative"}}

Values are converted from the registered type as 'lambdapool invoke' does. An error's kind is
function or panic where the function itself failed, otherwise what the pool says of the call,
such as "timed out", "expired" or "canceled".

It reads the results as a stream, and takes no more memory for a larger run. The exit code is
1 when calls are missing or have failed; a last line on stderr says how many.`,
		Example: `  lambdapool runs results nightly
  lambdapool runs results nightly --wait --output results.jsonl
  lambdapool runs results nightly --wait --unordered | jq -c 'select(.error)'`,
		Args: oneRun,
		RunE: func(cmd *cobra.Command, args []string) error {
			if unordered && !wait {
				return usage("unordered: only with --wait, as what has ended already is printed in order for the same price")
			}
			return a.withRuns(cmd.Context(), *where, func(r *runs) error {
				run, err := r.attach(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				defer run.Close() //nolint:errcheck // it returns nil
				results := run.Recorded
				switch {
				case unordered:
					results = run.Results
				case wait:
					results = run.InOrder
				}
				return a.results(cmd.Context(), run, results, wait, output)
			})
		},
		ValidArgsFunction: a.completeRuns(where),
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for calls that have not ended (default: print those that have)")
	cmd.Flags().BoolVar(&unordered, "unordered", false, "with --wait: print results as they come")
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to this `FILE`, which appears when all is written")
	return cmd
}

// A resultLine is what is printed of a call.
type resultLine struct {
	Call  int             `json:"call"` // position in the input
	Value json.RawMessage `json:"value,omitempty"`
	Error *resultError    `json:"error,omitempty"`
}

// A resultError is a failed call, for programs.
type resultError struct {
	Kind      string        `json:"kind"`
	Type      string        `json:"type,omitempty"`
	Message   string        `json:"message"`
	Hint      string        `json:"hint,omitempty"`
	Chain     []errorDetail `json:"chain,omitempty"` // what it wrapped
	Stack     string        `json:"stack,omitempty"`
	RequestID string        `json:"request_id,omitempty"`
}

// An errorDetail is one error that another one wrapped.
type errorDetail struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// results prints those of a run.
func (a *app) results(ctx context.Context, run *lambdapool.Run[lambdapool.Encoded],
	results func(context.Context) iter.Seq[lambdapool.Result[lambdapool.Encoded]], wait bool, file string) (err error) {
	info := run.Info()
	to, err := deploy.NewConverter(lambdapool.Foreign{Name: info.Func, Shape: info.Shape, Signature: info.Signature})
	if err != nil {
		return err
	}
	out, commit, err := a.output(file)
	if err != nil {
		return err
	}
	defer func() { err = commit(err) }()
	buffer := bufio.NewWriterSize(out, 64<<10)
	printed, failed := 0, 0
	for result := range results(ctx) {
		if result.Index < 0 {
			return errors.Join(buffer.Flush(), result.Err)
		}
		line, err := lineOfResult(to, result)
		if err != nil {
			return err
		}
		if _, err := buffer.Write(line.encoded); err != nil {
			return fmt.Errorf("write results: %w", err)
		}
		if wait && file == "" { // somebody may be reading
			if err := buffer.Flush(); err != nil {
				return fmt.Errorf("write results: %w", err)
			}
		}
		printed++
		if line.failed {
			failed++
		}
	}
	if err := buffer.Flush(); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	of := "of " + english.Count(info.Calls, "call")
	switch missing := info.Calls - printed; {
	case missing > 0 && failed > 0:
		return &incompleteError{fmt.Errorf("%d %s missing, as they have not ended (--wait waits), and %d failed", missing, of, failed)}
	case missing > 0:
		return &incompleteError{fmt.Errorf("%d %s missing, as they have not ended (--wait waits)", missing, of)}
	case failed > 0:
		return &incompleteError{fmt.Errorf("%d %s failed", failed, of)}
	}
	return nil
}

// incompleteError says that not all calls have a value. What was written stays.
type incompleteError struct{ error }

// An encodedLine is a line that is ready to be written.
type encodedLine struct {
	encoded []byte // with the line's end
	failed  bool
}

// lineOfResult makes the line of a call. A value that has no JSON makes an error of that call, not
// of the run.
func lineOfResult(to *deploy.Converter, r lambdapool.Result[lambdapool.Encoded]) (encodedLine, error) {
	line := resultLine{Call: r.Index}
	err := r.Err
	if err == nil {
		line.Value, err = to.Result(r.Value)
	}
	if err != nil {
		line.Error = errorOf(err)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err = e.Encode(line)
	return encodedLine{legible.JSON(b.Bytes()), line.Error != nil}, err
}

// errorOf says for programs what failed a call.
func errorOf(err error) *resultError {
	if f, ok := errors.AsType[*lambdapool.FunctionError](err); ok {
		e := &resultError{Kind: "function", Type: f.Type, Message: f.Message, RequestID: f.RequestID}
		for _, d := range f.Chain {
			e.Chain = append(e.Chain, errorDetail(d))
		}
		if f.Panic {
			e.Kind, e.Stack = "panic", f.Stack
		}
		return e
	}
	if p, ok := errors.AsType[*lambdapool.PoolError](err); ok {
		return &resultError{Kind: p.Kind.Error(), Message: p.Err.Error(), Hint: p.Hint, RequestID: p.RequestID}
	}
	return &resultError{Kind: "no JSON", Message: message(err)}
}

// output opens where results go. commit ends it: a file appears under its name when all is
// written, and whatever was there before stays otherwise.
func (a *app) output(file string) (w io.Writer, commit func(error) error, err error) {
	if file == "" {
		return a.stdout, func(err error) error { return err }, nil
	}
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(file, os.O_WRONLY, 0) // a pipe, or a device
		if err != nil {
			return nil, nil, usage("output: %w", err)
		}
		return f, func(err error) error { return errors.Join(err, f.Close()) }, nil
	}
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".part-*")
	if err != nil {
		return nil, nil, usage("output: %w", err)
	}
	return f, func(err error) error {
		_, incomplete := errors.AsType[*incompleteError](err)
		if closed := f.Close(); err == nil || incomplete {
			err = errors.Join(err, closed)
			if closed == nil {
				err = errors.Join(err, os.Chmod(f.Name(), 0o644), os.Rename(f.Name(), file)) //nolint:gosec // as any program's output
				return err
			}
		}
		return errors.Join(err, os.Remove(f.Name()))
	}, nil
}
