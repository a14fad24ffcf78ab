package report

import (
	"bufio"
	"encoding/json"
	"io"
	"time"

	"github.com/lambdapool/lambdapool/internal/english"
)

// traceParts is how finely a trace's counters follow the run.
const traceParts = 1000

// An event of the Chrome trace event format, whose times are microseconds.
// https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
type event struct {
	Name      string   `json:"name"`
	Phase     string   `json:"ph"` // X: a slice, C: a counter, M: a name
	Category  string   `json:"cat,omitempty"`
	Time      float64  `json:"ts"`
	Duration  *float64 `json:"dur,omitempty"`
	Process   int      `json:"pid"`
	Thread    int      `json:"tid"`
	Color     string   `json:"cname,omitempty"`
	Arguments any      `json:"args,omitempty"`
}

// WriteTrace writes the report in the Chrome trace event format, for https://ui.perfetto.dev or
// chrome://tracing. Use it to look closely at a part of a run: the viewer zooms and searches.
// It has a line for each invocation that was kept, so a report of 250,000 makes a large file; a
// smaller Recorder.Limit makes it smaller.
//
// Each invocation is a slice on a row of its worker's. In it are its cold start and its run in
// the agent, whose clock is not the client's: they are put in the middle of what the client
// saw. A counter shows the invocations in flight. Times are in microseconds. The error is w's.
// Neither w nor r may be nil.
func WriteTrace(w io.Writer, r *Report) error {
	out := bufio.NewWriter(w)
	_, _ = out.WriteString("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[") // bufio keeps the error for Flush
	separator := "\n"
	var failed error
	write := func(e event) {
		line, err := json.Marshal(e)
		if err != nil {
			failed = err
			return
		}
		_, _ = out.WriteString(separator)
		_, _ = out.Write(line)
		separator = ",\n"
	}
	lane, lanes := r.lanes()
	name := func(what string, thread int, value any) {
		write(event{Name: what, Phase: "M", Process: 1, Thread: thread, Arguments: value})
	}
	name("process_name", 0, map[string]string{"name": "lambdapool: " + r.title()})
	for i := range lanes {
		name("thread_name", i+1, map[string]string{"name": "worker " + english.Number(i+1)})
		name("thread_sort_index", i+1, map[string]int{"sort_index": i + 1})
	}
	for part, level := range r.concurrency(traceParts) {
		at := r.Elapsed * time.Duration(part) / traceParts
		write(event{Name: "in flight", Phase: "C", Time: micros(at), Process: 1, Arguments: map[string]int{"invocations": level}})
	}
	for i := range r.entries {
		r.trace(&r.entries[i], lane[i]+1, write)
	}
	_, _ = out.WriteString("\n]}\n")
	if failed != nil {
		return failed
	}
	return out.Flush()
}

// trace writes the slices of an invocation.
func (r *Report) trace(e *entry, thread int, write func(event)) {
	slice := func(name, category, color string, from, length time.Duration, arguments any) {
		dur := micros(length)
		write(event{
			Name: name, Phase: "X", Category: category, Color: color, Arguments: arguments,
			Time: micros(from - r.begin), Duration: &dur, Process: 1, Thread: thread,
		})
	}
	kind := r.kind(e)
	slice(orUnnamed(r.names[e.function]), kind.String(), traceColors[kind], e.sent, e.duration(), r.traceDetails(e))
	init, run := r.inside(e)
	from := e.sent + (e.duration()-init-run)/2
	if init > 0 {
		slice("cold start", "agent", "", from, init, nil)
	}
	if run > 0 {
		slice("run", "agent", "", from+init, run, nil)
	}
}

// A traceDetail is what a slice is explained by when it is selected. What it
// can show itself is left out: traces are large.
type traceDetail struct {
	ID         string  `json:"id,omitempty"`
	RequestID  string  `json:"request_id,omitempty"`
	Instance   string  `json:"instance,omitempty"`
	Items      int32   `json:"items"`
	Failed     int32   `json:"items_failed,omitempty"`
	Attempt    int32   `json:"attempt"`
	Won        bool    `json:"won,omitempty"`
	Queue      float64 `json:"queue_ms"`
	Billed     float64 `json:"billed_ms"`
	MemoryPeak int64   `json:"memory_peak_bytes"`
	Outcome    string  `json:"outcome"`
	Throttle   string  `json:"throttle,omitempty"`
	Err        string  `json:"error,omitempty"`
}

// traceDetails is what a slice is explained by.
func (r *Report) traceDetails(e *entry) traceDetail {
	return traceDetail{
		e.id, e.requestID, r.names[e.instance], e.items, e.failed, e.attempt, e.hedge && e.won,
		micros(e.sent-e.queued) / 1e3, micros(e.billed) / 1e3, e.memoryPeak, e.outcome.String(),
		r.names[e.throttle], r.names[e.err],
	}
}

// inside returns how much of an invocation's time the agent took for its cold
// start and its run, never more than there is.
func (r *Report) inside(e *entry) (init, run time.Duration) {
	run = min(e.run, e.duration())
	if e.cold {
		init = min(e.init, e.duration()-run)
	}
	return init, run
}

// Names of chrome://tracing's palette.
var traceColors = [...]string{okay: "", cold: "thread_state_iowait", hedge: "thread_state_runnable", failed: "bad", lost: "terrible", throttled: "yellow"}

// micros is a duration in the unit of the format.
func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
