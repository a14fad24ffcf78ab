package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/internal/legible"
	"github.com/lambdapool/lambdapool/price"
)

// invokeCommand calls one function. The result alone is on stdout, so that it can be piped. A
// wrong flag is found before the agent is asked, a wrong argument before the function runs.
func (a *app) invokeCommand() *cobra.Command {
	var qualifier string
	var detached detachedFlags
	cmd := &cobra.Command{
		Use:   "invoke NAME FUNCTION [ARGUMENT…]",
		Short: "Call a registered function and print its result as JSON",
		Long: `Invoke calls FUNCTION, as it was registered in the agent of NAME. Each argument is
a JSON value, converted to the registered type as encoding/json does; for a string, text
without quotes is taken as it is. '--' goes before negative numbers.

It cannot call functions with complex numbers, types that contain themselves, or maps
with keys other than strings and integers: call those from a Go program.

With --detached it queues the call and prints the ID of a detached run, for
'lambdapool runs': nobody has to wait for the result, which is recorded in --bucket.`,
		Example: `  lambdapool invoke demo fibonacci 30
  lambdapool invoke demo greet World
  lambdapool invoke geo distance '{"X":1,"Y":2}' '{"X":4,"Y":6}'
  lambdapool invoke demo sum -- -1 2 -3
  lambdapool invoke demo fibonacci 30 --json     # with run time, memory and request id
  lambdapool invoke demo fibonacci 90 --detached --bucket payloads`,
		Args: named(2, -1, "NAME and FUNCTION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(checkQualifier(qualifier), detached.check()); err != nil {
				return err
			}
			call := deploy.Call{Function: args[1], Args: args[2:], Qualifier: qualifier}
			if detached.on {
				return a.queue(cmd.Context(), &detached, args[0], call)
			}
			return a.with(cmd.Context(), func(p provider) (answer, error) {
				r, err := p.call(cmd.Context(), args[0], call)
				if err != nil {
					return answer{}, stackOf(err)
				}
				return answer{json: r, show: func(w io.Writer) { fmt.Fprintf(w, "%s\n", legible.JSON(r.Value)) }}, nil
			})
		},
		ValidArgsFunction: a.completeNames,
	}
	cmd.Flags().StringVar(&qualifier, "qualifier", "", "version or alias to call, on Cloud Run a traffic tag (default: the newest code)")
	detached.bind(cmd)
	return a.asJSON(cmd)
}

// stackOf shows where a function panicked.
func stackOf(err error) error {
	if ferr, ok := errors.AsType[*lambdapool.FunctionError](err); ok && ferr.Panic {
		return fmt.Errorf("%w\n%s", err, legible.Quote(ferr.Stack))
	}
	return err
}

// logsCommand prints a log as it comes. Each line is printed by itself, also as JSON, so that
// --follow can be piped.
func (a *app) logsCommand() *cobra.Command {
	var q deploy.LogQuery
	since, item := "10m", -1
	cmd := &cobra.Command{
		Use:   "logs NAME",
		Short: "Print the log of a function or service",
		Long: `Logs prints what the agents of NAME wrote to stdout and stderr, and the platform's own
lines, from CloudWatch Logs, or on Cloud Run from Cloud Logging. With --run and --item it prints what
functions have logged (lambdapool.Logger) in a detached run, and for an item: its place in the input, from 0.`,
		Example: `  lambdapool logs demo
  lambdapool logs demo --since 2h --filter ERROR
  lambdapool logs demo --request-id 1b1a3d34-5f0e-4e0c-a2a3-3f1c8d7a9b10
  lambdapool logs demo --on cloudrun --filter 'severity>=ERROR'
  lambdapool logs demo --run nightly-2026-11-29 --item 17
  lambdapool logs demo --follow`,
		Args: named(1, 1, "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if since != "all" {
				var err error
				if q.Since, err = time.ParseDuration(since); err != nil || q.Since <= 0 {
					return usage("since %q: must be a time such as 10m or 2h, or all", since)
				}
			}
			if cmd.Flags().Changed("item") {
				q.Item = &item
			}
			if err := a.checkLogs(&q); err != nil {
				return err
			}
			client, err := a.provider(cmd.Context())
			if err != nil {
				return err
			}
			defer client.close()
			for line, err := range client.logs(cmd.Context(), args[0], q) {
				if err != nil {
					return err
				}
				if err := a.print(line, func(w io.Writer) {
					fmt.Fprintf(w, "%s %s\n", line.Time.Format("2006-01-02T15:04:05.000Z"), legible.Text(line.Text))
				}); err != nil {
					return err
				}
			}
			return nil
		},
		ValidArgsFunction: a.completeNames,
	}
	cmd.Flags().BoolVar(&q.Follow, "follow", false, "go on with what is added, until Ctrl-C")
	cmd.Flags().StringVar(&since, "since", since, "how far back, such as 10m or 2h; all is everything")
	cmd.Flags().StringVar(&q.RequestID, "request-id", "", "only entries of this invocation")
	cmd.Flags().StringVar(&q.Run, "run", "", "only what functions have logged in the detached run of this name")
	cmd.Flags().IntVar(&item, "item", item, "only what functions have logged for the item at this place in the input, from 0")
	cmd.Flags().StringVar(&q.Filter, "filter", "", "only entries that match this filter pattern of CloudWatch Logs, or query of Cloud Logging")
	return a.asJSON(cmd)
}

// costCommand measures and calculates: see deploy.ChunkEstimates. The samples are calls one
// after another, so that usually all but the first are warm.
func (a *app) costCommand() *cobra.Command {
	var o costOptions
	var qualifier string
	cmd := &cobra.Command{
		Use:   "cost NAME FUNCTION [ARGUMENT…]",
		Short: "Estimate what many calls cost, and the cheapest memory setting",
		Long: `Cost calls FUNCTION a few times, as 'lambdapool invoke' does, and estimates from
what these calls took what --items of them cost, at this and at other memory settings. It
assumes that time on the CPU shrinks with memory up to one vCPU, and that waiting does not.
With --chunk, that many items share an invocation, and so its request and the millisecond
that it is rounded up to. On Cloud Run it compares sizes of chunks, since time is rounded up
to 100 ms there. The calls themselves are billed. Prices are list prices; cold starts, logs and transfer are
not counted.`,
		Example: `  lambdapool cost demo fibonacci 30 --items 1000000
  lambdapool cost demo fibonacci 30 --items 50000 --samples 20 --memories 128,512,1769
  lambdapool cost demo sqrt 2 --items 1000000 --chunk 100
  lambdapool cost demo sqrt 2 --on cloudrun`,
		Args: named(2, -1, "NAME and FUNCTION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.items < 1:
				return usage("items %d: must be at least 1", o.items)
			case o.chunk < 1 || o.chunk > codec.MaxItems:
				return usage("chunk %d: must be 1 to %d", o.chunk, codec.MaxItems)
			case o.samples < 1 || o.samples > 1000:
				return usage("samples %d: must be 1 to 1000", o.samples)
			case checkQualifier(qualifier) != nil:
				return checkQualifier(qualifier)
			}
			call := deploy.Call{Function: args[1], Args: args[2:], Qualifier: qualifier}
			return a.with(cmd.Context(), func(p provider) (answer, error) { return p.cost(cmd.Context(), args[0], call, o) })
		},
		ValidArgsFunction: a.completeNames,
	}
	cmd.Flags().Int64Var(&o.items, "items", 1_000_000, "calls to estimate for")
	cmd.Flags().IntVar(&o.chunk, "chunk", 1, "items of one invocation, as lambdapool.ChunkSize sets it")
	cmd.Flags().IntVar(&o.samples, "samples", 5, "calls to measure")
	cmd.Flags().StringVar(&o.memories, "memories", "", "settings in MB to compare, separated by commas")
	cmd.Flags().StringVar(&qualifier, "qualifier", "", "version or alias to call")
	return a.asJSON(cmd)
}

// costOptions are what cost was asked for.
type costOptions struct {
	items          int64
	samples, chunk int
	memories       string
}

// sample calls as often as was asked for.
func (o *costOptions) sample(call func() (*deploy.Result, error)) (all []*deploy.Result, err error) {
	for range o.samples {
		r, err := call()
		if err != nil {
			return nil, stackOf(err)
		}
		all = append(all, r)
	}
	return all, nil
}

// shortRun is a run that shares its invocation with others, when a map is free to choose.
const shortRun = 20 * time.Millisecond

// parseMemories reads settings in MB. None is an empty list, which means the usual ones.
func parseMemories(text string) ([]int, error) {
	var all []int
	for _, word := range commas([]string{text}) {
		n, err := strconv.Atoi(word)
		if err != nil || n < deploy.MinMemory || n > deploy.MaxMemory {
			return nil, usage("memories: %q: Lambda allows %d to %d MB", word, deploy.MinMemory, deploy.MaxMemory)
		}
		all = append(all, n)
	}
	return all, nil
}

// showEstimates prints a row per setting, and where the prices are from.
func showEstimates(w io.Writer, estimates []deploy.Estimate, items int64, samples, chunk int, arch string) {
	rows := [][]string{{"MEMORY", "RUN", fmt.Sprintf("%d ITEMS", items), ""}}
	for _, e := range estimates {
		var notes []string
		if e.Measured {
			notes = append(notes, fmt.Sprintf("measured, median of %d", samples))
		}
		if e.Cheapest {
			notes = append(notes, "cheapest")
		}
		rows = append(rows, []string{fmt.Sprintf("%d MB", e.Memory), e.Run.Round(time.Microsecond).String(), price.Format(e.USD), strings.Join(notes, ", ")})
	}
	table(w, rows)
	each := "one item per invocation"
	if chunk > 1 {
		each = fmt.Sprintf("%d items per invocation, one after another", chunk)
	}
	fmt.Fprintf(w, "%s, %s; list prices of %s, %s\n", each, arch, price.Region, price.Date)
	if chunk == 1 && len(estimates) > 0 && estimates[0].Run < shortRun {
		fmt.Fprintln(w, "a map puts several items as short as these into one invocation, which is cheaper: --chunk 100 estimates that")
	}
}
