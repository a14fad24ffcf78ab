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
	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/price"
)

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
			client, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			r, err := client.Call(cmd.Context(), args[0], call)
			if err != nil {
				return stackOf(err)
			}
			return a.print(r, func(w io.Writer) { fmt.Fprintln(w, string(r.Value)) })
		},
		ValidArgsFunction: a.completeNames,
	}
	cmd.Flags().StringVar(&qualifier, "qualifier", "", "version or alias to call (default: the newest code)")
	detached.bind(cmd)
	return a.asJSON(cmd)
}

// stackOf shows where a function panicked.
func stackOf(err error) error {
	if ferr, ok := errors.AsType[*lambdapool.FunctionError](err); ok && ferr.Panic {
		return fmt.Errorf("%w\n%s", err, ferr.Stack)
	}
	return err
}

func (a *app) logsCommand() *cobra.Command {
	var q deploy.LogQuery
	since := "10m"
	cmd := &cobra.Command{
		Use:   "logs NAME",
		Short: "Print a function's log",
		Long:  "Logs prints what the agents of NAME wrote to stdout and stderr, and Lambda's own lines, from CloudWatch Logs.",
		Example: `  lambdapool logs demo
  lambdapool logs demo --since 2h --filter ERROR
  lambdapool logs demo --request-id 1b1a3d34-5f0e-4e0c-a2a3-3f1c8d7a9b10
  lambdapool logs demo --follow`,
		Args: named(1, 1, "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if since != "all" {
				var err error
				if q.Since, err = time.ParseDuration(since); err != nil || q.Since <= 0 {
					return usage("since %q: must be a time such as 10m or 2h, or all", since)
				}
			}
			if err := errors.Join(checkRequestID(q.RequestID), checkFilter(q.Filter)); err != nil {
				return err
			}
			client, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			for line, err := range client.Logs(cmd.Context(), args[0], q) {
				if err != nil {
					return err
				}
				if err := a.print(line, func(w io.Writer) {
					fmt.Fprintf(w, "%s %s\n", line.Time.Format("2006-01-02T15:04:05.000Z"), line.Text)
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
	cmd.Flags().StringVar(&q.Filter, "filter", "", "only entries that match this filter pattern of CloudWatch Logs")
	return a.asJSON(cmd)
}

func (a *app) costCommand() *cobra.Command {
	var items int64
	var samples int
	var qualifier, memories string
	cmd := &cobra.Command{
		Use:   "cost NAME FUNCTION [ARGUMENT…]",
		Short: "Estimate what many calls cost, and the cheapest memory setting",
		Long: `Cost calls FUNCTION a few times, as 'lambdapool invoke' does, and estimates from
what these calls took what --items of them cost, at this and at other memory settings. It
assumes that time on the CPU shrinks with memory up to one vCPU, and that waiting does not.
The calls themselves are billed. Prices are list prices; cold starts, logs and transfer are
not counted.`,
		Example: `  lambdapool cost demo fibonacci 30 --items 1000000
  lambdapool cost demo fibonacci 30 --items 50000 --samples 20 --memories 128,512,1769`,
		Args: named(2, -1, "NAME and FUNCTION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, err := parseMemories(memories)
			switch {
			case err != nil:
				return err
			case items < 1:
				return usage("items %d: must be at least 1", items)
			case samples < 1 || samples > 1000:
				return usage("samples %d: must be 1 to 1000", samples)
			case checkQualifier(qualifier) != nil:
				return checkQualifier(qualifier)
			}
			client, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			f, err := client.Show(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			var measured []deploy.Sample
			for range samples {
				r, err := client.Call(cmd.Context(), args[0], deploy.Call{Function: args[1], Args: args[2:], Qualifier: qualifier})
				if err != nil {
					return stackOf(err)
				}
				measured = append(measured, deploy.Sample{Run: r.Run, CPU: r.CPU, PeakMemory: r.PeakMemory, Memory: f.Function.Memory})
			}
			estimates := deploy.Estimates(measured, items, f.Function.Arch, settings...)
			return a.print(estimates, func(w io.Writer) { showEstimates(w, estimates, items, samples, f.Function.Arch) })
		},
		ValidArgsFunction: a.completeNames,
	}
	cmd.Flags().Int64Var(&items, "items", 1_000_000, "calls to estimate for")
	cmd.Flags().IntVar(&samples, "samples", 5, "calls to measure")
	cmd.Flags().StringVar(&memories, "memories", "", "settings in MB to compare, separated by commas")
	cmd.Flags().StringVar(&qualifier, "qualifier", "", "version or alias to call")
	return a.asJSON(cmd)
}

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

func showEstimates(w io.Writer, estimates []deploy.Estimate, items int64, samples int, arch string) {
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
	fmt.Fprintf(w, "one item per invocation, %s; list prices of %s, %s\n", arch, price.Region, price.Date)
}
