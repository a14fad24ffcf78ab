package report_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/price"
	"github.com/lambdapool/lambdapool/report"
)

// reportOf records what change makes of n records.
func reportOf(n int, change func(i int, r *lambdapool.Record)) *report.Report {
	var rec report.Recorder
	for i := range n {
		r := aRecord()
		change(i, &r)
		rec.Record(r)
	}
	return rec.Report()
}

func TestARecordComesBackAsItWas(t *testing.T) {
	want := aRecord()
	want.Throttle, want.Err, want.Failed, want.Hedge = "CallerRateLimitExceeded", "throttled", 3, true
	var rec report.Recorder
	rec.Record(want)
	if diff := cmp.Diff([]lambdapool.Record{want}, slices.Collect(rec.Report().Records())); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTotals(t *testing.T) {
	r := reportOf(7, func(i int, r *lambdapool.Record) {
		r.Cold = i == 0
		switch i {
		case 1:
			r.Attempt, r.Hedge = 2, true
		case 2:
			r.Attempt, r.Hedge, r.Won = 2, true, false
		case 3:
			r.Throttle, r.Outcome, r.Billed, r.Run = "CallerRateLimitExceeded", lambdapool.OutcomeNotRun, 0, 0
		case 4:
			r.Err, r.Outcome, r.Failed, r.MemoryPeak = "crashed", lambdapool.OutcomeRan, r.Items, 99<<20
		case 5:
			r.Err, r.Outcome = "lost", lambdapool.OutcomeUnknown
		case 6:
			r.Err, r.Outcome = "not sent", lambdapool.OutcomeNotRun
		}
	})
	// Queued at the start, received 320 ms later; 281 ms are billed of each but one, with 1 GB.
	want := report.Totals{
		Invocations: 7, Items: 70, Failed: 10, Answered: 3, Throttled: 1, Unanswered: 3,
		Retries: 2, Hedges: 2, HedgesWon: 1, ColdStarts: 1, Requests: 5, BytesOut: 14_000, BytesIn: 3_500,
		Run: 6 * 200 * time.Millisecond, CPU: 7 * 150 * time.Millisecond, Billed: 6 * 281 * time.Millisecond, GBSeconds: 6 * 0.281,
		Memory: 1024 << 20, MemoryPeak: 99 << 20,
	}
	approximately := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })
	if diff := cmp.Diff(want, r.Totals, approximately, cmp.FilterPath(unexported, cmp.Ignore())); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if r.Kept != 7 || r.MaxConcurrency != 7 || !r.Start.Equal(start) || r.Elapsed != 320*time.Millisecond {
		t.Errorf("kept %d, at once %d, start %v, elapsed %v", r.Kept, r.MaxConcurrency, r.Start, r.Elapsed)
	}
	if want := price.Cost(6*0.281, 5, price.X86); math.Abs(r.Cost-want) > 1e-12 {
		t.Errorf("cost %v, want %v", r.Cost, want)
	}
	if diff := cmp.Diff([]report.Reason{{Text: "crashed", Count: 1}, {Text: "lost", Count: 1}, {Text: "not sent", Count: 1}}, r.Errors); diff != "" {
		t.Errorf("errors, -want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]report.Reason{{Text: "CallerRateLimitExceeded", Count: 1}}, r.Throttles); diff != "" {
		t.Errorf("throttles, -want +got:\n%s", diff)
	}
}

func unexported(p cmp.Path) bool {
	field, ok := p.Last().(cmp.StructField)
	return ok && (field.Name() == "begin" || field.Name() == "end")
}

func TestPercentiles(t *testing.T) {
	ms := time.Millisecond
	r := reportOf(1000, func(i int, r *lambdapool.Record) {
		n := time.Duration(i+1) * ms
		r.Run, r.Billed, r.Cold, r.Init = n, 2*n, i < 3, n
		r.Sent = r.Queued.Add(3 * n)
		r.Received = r.Sent.Add(n + 7*ms)
		if i >= 900 {
			r.Attempt = 2 // has waited before
		}
		if i == 999 {
			r.Err = "lost"
		}
	})
	for _, test := range []struct {
		name      string
		got, want report.Percentiles
	}{
		{"run", r.RunTime, report.Percentiles{Count: 999, P50: 500 * ms, P90: 900 * ms, P95: 950 * ms, P99: 990 * ms, Max: 999 * ms}},
		{"billed", r.BilledRun, report.Percentiles{Count: 1000, P50: 1000 * ms, P90: 1800 * ms, P95: 1900 * ms, P99: 1980 * ms, Max: 2000 * ms}},
		{"queue", r.Queue, report.Percentiles{Count: 900, P50: 1350 * ms, P90: 2430 * ms, P95: 2565 * ms, P99: 2673 * ms, Max: 2700 * ms}},
		{"overhead", r.Overhead, report.Percentiles{Count: 999, P50: 7 * ms, P90: 7 * ms, P95: 7 * ms, P99: 7 * ms, Max: 7 * ms}},
		{"cold start", r.ColdStart, report.Percentiles{Count: 3, P50: 2 * ms, P90: 3 * ms, P95: 3 * ms, P99: 3 * ms, Max: 3 * ms}},
		{"of a function", r.Functions[0].RunTime, r.RunTime},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s, -want +got:\n%s", test.name, diff)
		}
	}
}

func TestArchDecidesThePrice(t *testing.T) {
	for arch, want := range map[price.Arch]price.Arch{"": price.X86, "riscv": price.X86, price.ARM: price.ARM} {
		rec := report.Recorder{Arch: arch}
		rec.Record(aRecord())
		r := rec.Report()
		if r.Price.Arch != want || r.Cost != price.Cost(r.GBSeconds, 1, want) || r.Price.Date != price.Date || r.Price.Region != price.Region {
			t.Errorf("%q: %+v, cost %v", arch, r.Price, r.Cost)
		}
	}
}

// A clock that is set back, times that are missing and durations below zero
// give a report in which time runs forward.
func TestTimesThatMakeNoSense(t *testing.T) {
	for name, change := range map[string]func(*lambdapool.Record){
		"received before sent":  func(r *lambdapool.Record) { r.Received = r.Sent.Add(-time.Hour) },
		"sent before queued":    func(r *lambdapool.Record) { r.Sent = r.Queued.Add(-time.Hour) },
		"no times":              func(r *lambdapool.Record) { r.Queued, r.Sent, r.Received = time.Time{}, time.Time{}, time.Time{} },
		"only sent":             func(r *lambdapool.Record) { r.Queued, r.Received = time.Time{}, time.Time{} },
		"only received":         func(r *lambdapool.Record) { r.Queued, r.Sent = time.Time{}, time.Time{} },
		"never sent":            func(r *lambdapool.Record) { r.Sent = time.Time{} },
		"negative durations":    func(r *lambdapool.Record) { r.Run, r.Init, r.Billed, r.CPU = -1, -1, -1, -1 },
		"longer than its reply": func(r *lambdapool.Record) { r.Run, r.Init = time.Hour, time.Hour },
		"centuries":             func(r *lambdapool.Record) { r.Received = r.Sent.AddDate(900, 0, 0) },
		"before Christ":         func(r *lambdapool.Record) { r.Queued = r.Queued.AddDate(-3000, 0, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, first := range []bool{true, false} {
				r := reportOf(3, func(i int, r *lambdapool.Record) {
					if (i == 0) == first {
						change(r)
					}
				})
				if r.Elapsed < 0 || r.Overhead.P50 < 0 || r.Queue.Max < 0 || r.RunTime.P50 < 0 {
					t.Errorf("elapsed %v, overhead %+v, queue %+v, run %+v", r.Elapsed, r.Overhead, r.Queue, r.RunTime)
				}
				for got := range r.Records() {
					if got.Sent.Before(got.Queued) || got.Received.Before(got.Sent) {
						t.Errorf("queued %v, sent %v, received %v", got.Queued, got.Sent, got.Received)
					}
				}
				writeAll(t, r)
			}
		})
	}
}

func TestBeyondItsLimitARecorderKeepsASample(t *testing.T) {
	const n, limit = 200_000, 2_000
	rec := report.Recorder{Limit: limit}
	for i := range n {
		r := aRecord()
		r.Run = time.Duration(i+1) * time.Millisecond
		r.Sent = start.Add(time.Duration(i) * time.Second)
		r.Received = r.Sent.Add(100 * time.Second)
		rec.Record(r)
	}
	r := rec.Report()
	if r.Invocations != n || r.Items != 10*n || r.Kept != limit {
		t.Errorf("%d invocations, %d items, %d kept", r.Invocations, r.Items, r.Kept)
	}
	// Half of a uniform sample lies below the middle; five standard deviations are allowed for.
	if low, high := 0.44*n, 0.56*n; r.RunTime.P50.Seconds()*1e3 < low || r.RunTime.P50.Seconds()*1e3 > high {
		t.Errorf("median run time %v, want about %d ms", r.RunTime.P50, n/2)
	}
	if r.MaxConcurrency < 100 || r.MaxConcurrency > 1000 {
		t.Errorf("about %d at once, want some hundred: a hundred, and what a sample exaggerates", r.MaxConcurrency)
	}
	var page strings.Builder
	if err := report.WriteHTML(&page, r); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page.String(), "a sample of 2,000 invocations") {
		t.Error("the page does not say that it shows a sample")
	}
}

func TestErrorsThatAllDifferAreBounded(t *testing.T) {
	r := reportOf(70_000, func(i int, r *lambdapool.Record) {
		r.Err = fmt.Sprint(i, strings.Repeat("é", 1000))
	})
	if len(r.Errors) > 50 || r.Unanswered != 70_000 {
		t.Errorf("%d errors of %d", len(r.Errors), r.Unanswered)
	}
	if got := r.Errors[0]; got.Text != "(one of too many)" || got.Count < 4_000 {
		t.Errorf("the most frequent is %d times %q", got.Count, got.Text)
	}
	if got := r.Errors[1].Text; len(got) > 310 || !strings.HasSuffix(got, "é…") {
		t.Errorf("an error of %d bytes: %q", len(got), got)
	}
}

func TestARecorderIsSafeForConcurrentUse(t *testing.T) {
	rec := report.Recorder{Limit: 500}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 1000 {
				r := aRecord()
				r.Err = fmt.Sprint("error ", i)
				rec.Record(r)
				if i%250 == 0 {
					writeAll(t, rec.Report())
				}
			}
		})
	}
	wg.Wait()
	if r := rec.Report(); r.Invocations != 8000 || r.Kept != 500 {
		t.Errorf("%d invocations, %d kept", r.Invocations, r.Kept)
	}
}
