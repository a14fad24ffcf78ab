// Package report says what happened after the run: a [Recorder] is handed to the executor, and
// its [Report] becomes a page, a trace or JSON.
//
//	var rec report.Recorder
//	pool, err := lambdapool.New(backend, lambdapool.WithRecorder(&rec))
//	…
//	err = report.WriteHTML(file, rec.Report())
//
// Use it to find out where the time or the money went: cold starts, throttling, slow items,
// retries. While a run goes on, package progress shows how far it is. A few numbers of one call
// are in its CallStats, without a Recorder.
//
// The page of [WriteHTML] is one file that needs no network. [WriteTrace] is for
// https://ui.perfetto.dev and chrome://tracing; [WriteJSON] for programs. Arguments and results
// are in none of them. Names of functions, error messages and request ids are, and an error
// message may hold what a function put into it.
//
// # How to read a report
//
// Look at the failures first, then at where the time went:
//
//   - Failures: what calls failed with, functions' own errors included, grouped by what the texts have in
//     common. Each group has an example with its request id, by which the function's log is found, and with
//     lambdapool.WithLogs the last lines of that log.
//   - Unanswered: crashed, timed out or lost. Errors says why, the most frequent first.
//   - Throttled: the platform refused more load. The executor slows down by itself and loses
//     nothing, but the run takes longer: ask for more concurrency, or start with fewer workers.
//   - Queue is long: more calls than workers. More workers help only if nothing is throttled.
//   - Overhead is long beside RunTime: the items are too short for an invocation each. Leave
//     lambdapool.ChunkSize to the executor, or make it larger.
//   - ColdStarts are many: the run is short beside them, or grows fast. Smaller packages and less
//     package initialization make each shorter; a second run soon after has few.
//   - RunTime: P99 is far above P50. Either items differ, or some machines are slow: the slowest
//     are listed. lambdapool.WithHedging helps against the latter only, and HedgesWon says
//     whether it did.
//   - MemoryPeak is near Memory: raise the setting before functions die of it. If it is far
//     below, remember that on Lambda the CPU comes with the memory: less of it is slower.
//   - CPU is far below Run: functions wait. More items at once (lambdapool.Parallel) may cost nothing
//     then.
//
// This package may know the root, price, how errors are grouped and how English numbers are written. Executors, backends and
// anything that a page would have to load must never enter it.
package report

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/price"
)

// A Report is what a [Recorder] had seen when it was asked. Nothing changes it but its owner:
// Title may be set before it is written. It may be written several times, and by several
// goroutines at once.
type Report struct {
	// Title is that of the page and the trace, by default the functions' names.
	Title string

	// Start is when the first call was queued. Elapsed is the time from then to the last
	// answer. Both are zero if nothing was recorded.
	Start   time.Time
	Elapsed time.Duration

	Totals

	// Kept is how many invocations timelines and percentiles are made of. If it is less than
	// Invocations, they are of a uniform sample.
	Kept int

	// MaxConcurrency is how many invocations were in flight at once, at most.
	MaxConcurrency int

	// Queue is the time from the acceptance of a call to its first sending. It is long where
	// there are more calls than workers.
	Queue Percentiles

	// RunTime is the time in the agent, of answered invocations.
	RunTime Percentiles

	// Overhead is the time from sending to receiving, without RunTime: network, platform and
	// cold starts. Where it is long beside RunTime, larger chunks help.
	Overhead Percentiles

	// BilledRun is what the platform charged, of invocations of which it said so.
	BilledRun Percentiles

	// ColdStart is how long cold starts took.
	ColdStart Percentiles

	// Functions are sorted by name.
	Functions []Function

	// Throttles are why invocations were refused, the most frequent first, 50 at most.
	Throttles []Reason

	// Errors are why invocations had no answer, the most frequent first, 50 at most. An error
	// that a function returned is an answer, and not here.
	Errors []Reason

	// Failures are the calls that failed, those of functions included, grouped by what their errors have in common: the
	// most frequent first, 100 at most, and what belongs to none of these. Counts are exact. Throttles are not
	// among them.
	Failures []Failure

	// Cost is an estimate in US dollars, by Price. It leaves out what package price does.
	Cost  float64
	Price Price

	rates   rates
	entries []entry // by time of sending
	names   []string
	epoch   time.Time
}

// Percentiles of a length of time, over Count invocations. P95 is the smallest time that at least
// 95 % of them do not exceed. All are zero where Count is.
//
// Each invocation counts once, also one that carried many items. With few invocations the high
// percentiles are those of single ones: of 20, P99 is the slowest.
type Percentiles struct {
	Count                   int
	P50, P90, P95, P99, Max time.Duration
}

// A Function is what was called of one registered function, of the invocations that were kept.
type Function struct {
	Name string

	// Invocations carried Items. Failed of those ended in an error or were sent again. All
	// three count what was kept, so they may be less than those of [Totals].
	Invocations int
	Items       int
	Failed      int
	RunTime     Percentiles
}

// A Reason is why invocations were refused or lost, and how many of those kept.
type Reason struct {
	// Text is the platform's or the error's, at most 300 bytes of it.
	Text string

	// Count is of the invocations that were kept.
	Count int
}

// Price is what a cost was estimated with: one line of the table in package price, with its date
// and source, so that a report can be judged years later. It is the list price; what an account
// pays may be less.
type Price struct {
	// Platform is for people: "AWS Lambda". It is empty where a backend names prices of its own.
	Platform string

	// Arch is empty where it makes no difference.
	Arch   price.Arch
	Region string

	// Date is the day of the price list, as YYYY-MM-DD.
	Date   string
	Source string

	// PerGBSecond is in US dollars, of the first tier. PerMillionRequests is, too.
	PerGBSecond        float64
	PerMillionRequests float64 // US dollars
}

// Report returns what has been recorded so far. Call it after the run, or meanwhile for an
// intermediate one. Recording may go on: it waits only while entries are copied. The statistics
// are then calculated here, in the caller's time. For many invocations that takes a while and
// as much memory again. Before anything was recorded the Report is empty, and can be written as
// any other.
func (rec *Recorder) Report() *Report {
	rec.mu.Lock()
	r := &Report{Totals: rec.sum, Kept: rec.kept, epoch: rec.epoch, names: slices.Clip(rec.names.list), Failures: failures(&rec.failed), rates: rec.rates}
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
	r.charge(arch)
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

// reasons sorts by count, then by text, so that two reports of the same records are the same.
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

// Records yields the invocations that were kept, by time of sending. Use it for questions that
// the Report does not answer. Each Record is made while the loop runs. Its times have no
// monotonic reading, and are in order whatever the clock did.
func (r *Report) Records() iter.Seq[lambdapool.Record] {
	return func(yield func(lambdapool.Record) bool) {
		for i := range r.entries {
			if !yield(r.record(&r.entries[i])) {
				return
			}
		}
	}
}

// record makes a Record of an entry again.
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
