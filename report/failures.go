package report

import (
	"cmp"
	"errors"
	"strings"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/grouping"
)

// A Failure is calls that failed for the same reason: their errors differ by numbers, ids, quoted values
// and paths alone. Of a run that failed so, look at the example: its log is found by the request id.
type Failure struct {
	Func string

	// Text is what the errors have in common, with … for what differs.
	Text string

	// Items counts the calls that failed so, exactly. One that was sent again and failed again counts again.
	// Attempts counts the invocations in which they did.
	Items    int64
	Attempts int64

	// Example is the error of one of them, at most 2,048 bytes of it. Item is its place in the input of the
	// run, from 0, and -1 where it has none. Attempt counts from 1.
	Example   string
	Item      int
	Attempt   int
	RequestID string

	// Logs are the last lines that the example had logged, where lambdapool.WithLogs asks for them.
	Logs []string
}

// group counts what of r has failed.
func group(groups *grouping.Groups, r *lambdapool.Record) {
	if r.Throttle != "" {
		return // nothing has failed yet
	}
	if r.Err != "" {
		groups.Add(grouping.Failure{Func: r.Func, Text: r.Err, Items: r.Failed, Attempt: r.Attempt, RequestID: r.RequestID})
		return
	}
	same := map[string]*grouping.Failure{} // in this invocation
	var order []*grouping.Failure
	for _, err := range r.Errors {
		f := failureOf(r, err)
		key := grouping.Key(f.Text)
		if first := same[key]; first != nil {
			first.Items++
			continue
		}
		same[key] = &f
		order = append(order, &f)
	}
	for _, f := range order {
		groups.Add(*f)
	}
}

// failureOf is what is told of one call's error.
func failureOf(r *lambdapool.Record, err error) grouping.Failure {
	f := grouping.Failure{Func: r.Func, Items: 1, Attempt: r.Attempt, RequestID: r.RequestID}
	var item *lambdapool.ItemError
	if errors.As(err, &item) {
		f.Item, err = item.Index+1, item.Err
	}
	var said *lambdapool.FunctionError
	var failed *lambdapool.PoolError
	var invoke *lambdapool.InvokeError
	tail := ""
	switch {
	case errors.As(err, &said):
		f.Text, f.RequestID, tail = said.Message, cmp.Or(said.RequestID, f.RequestID), said.LogTail
		if said.Panic {
			f.Text = "panic: " + f.Text
		}
	case errors.As(err, &failed):
		tail = failed.LogTail
	case errors.As(err, &invoke):
		tail = invoke.LogTail
	}
	f.Text = cmp.Or(f.Text, err.Error())
	if tail != "" {
		f.Logs = strings.Split(tail, "\n")
	}
	return f
}

// failures are the groups of a Recorder, and what belongs to none.
func failures(groups *grouping.Groups) (list []Failure) {
	for _, g := range groups.List() {
		list = append(list, Failure{
			Func: g.Func, Text: g.Key, Items: g.Items, Attempts: g.Attempts,
			Example: g.Example.Text, Item: g.Example.Item - 1, Attempt: g.Example.Attempt, RequestID: g.Example.RequestID, Logs: g.Example.Logs,
		})
	}
	if rest := groups.Rest(); rest.Items > 0 {
		list = append(list, Failure{Text: "other errors", Items: rest.Items, Attempts: rest.Attempts, Item: -1})
	}
	return list
}
