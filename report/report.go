// Package report says what happened after the run: a [Recorder] is handed to
// the executor, and its [Report] becomes a page, a trace or JSON.
//
//	var rec report.Recorder
//	pool, err := lambdapool.New(backend, lambdapool.WithRecorder(&rec))
//	…
//	err = report.WriteHTML(file, rec.Report())
//
// The page of [WriteHTML] is one file that needs no network. [WriteTrace] is
// for https://ui.perfetto.dev and chrome://tracing; [WriteJSON] for programs.
// Arguments and results are in none of them; names of functions, error messages
// and request ids are.
package report

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/price"
)

// A Report is what a [Recorder] had seen when it was asked. Nothing changes it
// but its owner: Title may be set before it is written.
type Report struct {
	Title   string        // of the page and the trace; by default the functions' names
	Start   time.Time     // when the first call was queued
	Elapsed time.Duration // from then to the last answer

	Totals

	Kept           int // invocations that timelines and percentiles are made of
	MaxConcurrency int // invocations in flight at once

	Queue     Percentiles // from the first attempt's acceptance to its sending
	RunTime   Percentiles // in the agent, of answered invocations
	Overhead  Percentiles // from sending to receiving, without RunTime; cold starts included
	BilledRun Percentiles // what the platform charged
	ColdStart Percentiles // how long cold starts took

	Functions []Function // by name
	Throttles []Reason   // most frequent first
	Errors    []Reason   // of invocations without an answer, most frequent first

	Cost  float64 // US dollars, as Price estimates
	Price Price

	entries []entry // by time of sending
	names   []string
	epoch   time.Time
}

// Percentiles of a length of time, over Count invocations.
type Percentiles struct {
	Count                   int
	P50, P90, P95, P99, Max time.Duration
}

// A Function is what was called of one registered function.
type Function struct {
	Name        string
	Invocations int // of those kept
	Items       int
	Failed      int
	RunTime     Percentiles
}

// A Reason is why invocations were refused or lost.
type Reason struct {
	Text  string
	Count int // of those kept
}

// Price is what a cost was estimated with; see package price.
type Price struct {
	Arch               price.Arch
	Region             string
	Date               string // YYYY-MM-DD
	Source             string
	PerGBSecond        float64 // US dollars, first tier
	PerMillionRequests float64 // US dollars
}

// Report returns what has been recorded so far. Recording may go on meanwhile
// and after; it waits only while entries are copied.
func (rec *Recorder) Report() *Report {
	rec.mu.Lock()
	r := &Report{Totals: rec.sum, Kept: rec.kept, epoch: rec.epoch, names: slices.Clip(rec.names.list)}
	r.entries = make([]entry, 0, rec.kept)
	for _, chunk := range rec.chunks {
		r.entries = append(r.entries, chunk...)
	}
	rec.mu.Unlock()

	if len(r.names) == 0 {
		r.names = []string{""}
	}
	r.Start = r.epoch.Add(r.begin).Round(0)
	r.Elapsed = r.end - r.begin
	slices.SortStableFunc(r.entries, func(a, b entry) int { return cmp.Compare(a.sent, b.sent) })
	arch := rec.Arch
	if arch != price.ARM {
		arch = price.X86
	}
	r.Price = Price{
		Arch: arch, Region: price.Region, Date: price.Date, Source: price.Source,
		PerGBSecond: price.PerGBSecond(arch), PerMillionRequests: price.PerMillionRequests,
	}
	r.Cost = price.Cost(r.GBSeconds, r.Requests, arch)
	r.summarize()
	return r
}

// summarize fills in what is made of the entries.
func (r *Report) summarize() {
	var queue, run, overhead, billed, cold []time.Duration
	functions := map[uint32]*Function{}
	runs := map[uint32][]time.Duration{}
	throttles, errs := map[uint32]int{}, map[uint32]int{}
	for i := range r.entries {
		e := &r.entries[i]
		f := functions[e.function]
		if f == nil {
			f = &Function{Name: r.names[e.function]}
			functions[e.function] = f
		}
		f.Invocations++
		f.Items += int(e.items)
		f.Failed += int(e.failed)
		if e.attempt <= 1 && !e.hedge {
			queue = append(queue, e.sent-e.queued)
		}
		if e.billed > 0 {
			billed = append(billed, e.billed)
		}
		if e.cold {
			cold = append(cold, e.init)
		}
		switch {
		case e.throttle != 0:
			throttles[e.throttle]++
		case e.err != 0:
			errs[e.err]++
		default:
			run = append(run, e.run)
			runs[e.function] = append(runs[e.function], e.run)
			overhead = append(overhead, e.overhead())
		}
	}
	r.Queue, r.RunTime, r.Overhead = percentiles(queue), percentiles(run), percentiles(overhead)
	r.BilledRun, r.ColdStart = percentiles(billed), percentiles(cold)
	for id, f := range functions {
		f.RunTime = percentiles(runs[id])
		r.Functions = append(r.Functions, *f)
	}
	slices.SortFunc(r.Functions, func(a, b Function) int { return cmp.Compare(a.Name, b.Name) })
	r.Throttles, r.Errors = r.reasons(throttles), r.reasons(errs)
	r.MaxConcurrency = r.concurrency(1)[0]
}

// maxReasons keeps a page readable whose every error is another.
const maxReasons = 50

func (r *Report) reasons(counts map[uint32]int) []Reason {
	reasons := make([]Reason, 0, len(counts))
	for id, n := range counts {
		reasons = append(reasons, Reason{Text: r.names[id], Count: n})
	}
	slices.SortFunc(reasons, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Text, b.Text))
	})
	return reasons[:min(len(reasons), maxReasons)]
}

// percentiles sorts times. Each is the smallest that at least so many percent
// do not exceed.
func percentiles(times []time.Duration) Percentiles {
	if len(times) == 0 {
		return Percentiles{}
	}
	slices.Sort(times)
	at := func(percent int) time.Duration {
		return times[max((len(times)*percent+99)/100-1, 0)]
	}
	return Percentiles{Count: len(times), P50: at(50), P90: at(90), P95: at(95), P99: at(99), Max: times[len(times)-1]}
}

// Records yields the invocations that were kept, by time of sending.
func (r *Report) Records() iter.Seq[lambdapool.Record] {
	return func(yield func(lambdapool.Record) bool) {
		for i := range r.entries {
			if !yield(r.record(&r.entries[i])) {
				return
			}
		}
	}
}

func (r *Report) record(e *entry) lambdapool.Record {
	at := func(d time.Duration) time.Time { return r.epoch.Add(d).Round(0) }
	return lambdapool.Record{
		ID: e.id, Func: r.names[e.function], Items: int(e.items), Attempt: int(e.attempt), Hedge: e.hedge, Won: e.won,
		Instance: r.names[e.instance], RequestID: e.requestID, Version: r.names[e.version],
		Queued: at(e.queued), Sent: at(e.sent), Received: at(e.received),
		Cold: e.cold, Init: e.init, Run: e.run, CPU: e.cpu, Billed: e.billed,
		Memory: e.memory, MemoryPeak: e.memoryPeak, BytesOut: int(e.bytesOut), BytesIn: int(e.bytesIn),
		Outcome: e.outcome, Failed: int(e.failed), Throttle: r.names[e.throttle], Err: r.names[e.err],
	}
}
