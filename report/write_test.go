package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/report"
)

var writers = map[string]func(io.Writer, *report.Report) error{
	"html": report.WriteHTML, "trace": report.WriteTrace, "json": report.WriteJSON,
}

func writeAll(t *testing.T, r *report.Report) {
	t.Helper()
	for name, write := range writers {
		if err := write(io.Discard, r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func write(t *testing.T, format string, r *report.Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := writers[format](&b, r); err != nil {
		t.Fatalf("%s: %v", format, err)
	}
	return b.Bytes()
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

var errFull = errors.New("disk full")

func TestErrorsOfWritingAreReturned(t *testing.T) {
	var rec report.Recorder
	simulate(500, 10, rec.Record)
	for name, write := range writers {
		if err := write(full{}, rec.Report()); !errors.Is(err, errFull) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestJSON(t *testing.T) {
	r := reportOf(2, func(i int, r *lambdapool.Record) {
		if i == 1 {
			r.Sent = r.Sent.Add(time.Millisecond)
			r.Throttle, r.Outcome = "CallerRateLimitExceeded", lambdapool.OutcomeNotRun
		}
	})
	var got struct {
		Summary     map[string]any   `json:"summary"`
		Invocations []map[string]any `json:"invocations"`
	}
	if err := json.Unmarshal(write(t, "json", r), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"id": "run-1", "func": "resize", "items": 10.0, "items_failed": 0.0, "attempt": 1.0, "won": true, "instance": "i-1",
		"request_id": "8f5b2c1e-3f6a-4f0e-9d7b-2a1c3e4d5f60", "version": "$LATEST",
		"queued": "2026-11-20T12:00:00Z", "sent": "2026-11-20T12:00:00.02Z", "received": "2026-11-20T12:00:00.32Z",
		"cold": true, "init_seconds": 0.08, "run_seconds": 0.2, "cpu_seconds": 0.15, "billed_seconds": 0.281,
		"memory_bytes": float64(1 << 30), "memory_peak_bytes": float64(61 << 20), "bytes_out": 2000.0, "bytes_in": 500.0, "outcome": "ran",
	}
	if diff := cmp.Diff(want, got.Invocations[0]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for key, want := range map[string]any{
		"title": "resize", "start": "2026-11-20T12:00:00Z", "elapsed_seconds": 0.32, "invocations": 2.0, "throttled": 1.0, "max_concurrency": 2.0,
		"run_time":         map[string]any{"count": 1.0, "p50_seconds": 0.2, "p90_seconds": 0.2, "p95_seconds": 0.2, "p99_seconds": 0.2, "max_seconds": 0.2},
		"throttle_reasons": []any{map[string]any{"text": "CallerRateLimitExceeded", "count": 1.0}},
		"errors":           []any{},
	} {
		if diff := cmp.Diff(want, got.Summary[key]); diff != "" {
			t.Errorf("%s, -want +got:\n%s", key, diff)
		}
	}
	// json.Marshal gives the summary.
	summary, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var alone map[string]any
	if err := json.Unmarshal(summary, &alone); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got.Summary, alone); diff != "" {
		t.Errorf("-in the file +marshalled:\n%s", diff)
	}
}

type traceEvent struct {
	Name  string         `json:"name"`
	Phase string         `json:"ph"`
	Time  float64        `json:"ts"`
	Dur   *float64       `json:"dur"`
	PID   int            `json:"pid"`
	TID   int            `json:"tid"`
	Args  map[string]any `json:"args"`
}

// What viewers of the format demand: known phases, times from zero, and slices
// of a row that lie in each other or apart.
func TestTrace(t *testing.T) {
	for _, n := range []int{0, 1, 5000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			var rec report.Recorder
			simulate(n, 64, rec.Record)
			r := rec.Report()
			var trace struct {
				Unit   string       `json:"displayTimeUnit"`
				Events []traceEvent `json:"traceEvents"`
			}
			if err := json.Unmarshal(write(t, "trace", r), &trace); err != nil {
				t.Fatal(err)
			}
			if trace.Unit != "ms" {
				t.Errorf("displayTimeUnit %q", trace.Unit)
			}
			invocations, peak := 0, 0.0
			named := map[int]bool{}
			open := map[int][]float64{} // ends of the slices that are open, by row
			last := map[int]float64{}
			for _, e := range trace.Events {
				switch e.Phase {
				case "M":
					named[e.TID] = true
				case "C":
					peak = max(peak, e.Args["invocations"].(float64))
				case "X":
					if e.Dur == nil || *e.Dur < 0 || e.Time < 0 || e.PID == 0 || !named[e.TID] || e.Time < last[e.TID] {
						t.Fatalf("%+v", e)
					}
					const rounding = 1e-3 // µs: a nanosecond
					last[e.TID] = e.Time
					stack := open[e.TID]
					for len(stack) > 0 && stack[len(stack)-1] <= e.Time+rounding {
						stack = stack[:len(stack)-1]
					}
					if len(stack) > 0 && e.Time+*e.Dur > stack[len(stack)-1]+rounding {
						t.Fatalf("%s at %v on row %d overlaps what it does not lie in", e.Name, e.Time, e.TID)
					}
					if len(stack) == 0 {
						invocations++
					}
					open[e.TID] = append(stack, e.Time+*e.Dur)
				default:
					t.Fatalf("phase %q", e.Phase)
				}
			}
			if invocations != n || int(peak) != r.MaxConcurrency {
				t.Errorf("%d invocations, at most %v at once; want %d and %d", invocations, peak, n, r.MaxConcurrency)
			}
		})
	}
}

func TestConcurrencyCountsWhatOverlaps(t *testing.T) {
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	for _, test := range []struct {
		name  string
		spans [][2]int
		want  int
	}{
		{"none", nil, 0},
		{"one after the other", [][2]int{{0, 10}, {10, 20}, {20, 30}}, 1},
		{"nested", [][2]int{{0, 30}, {10, 20}}, 2},
		{"no time at all", [][2]int{{5, 5}, {5, 5}, {5, 5}}, 3},
		{"no time within another", [][2]int{{0, 10}, {5, 5}}, 2},
		{"staggered", [][2]int{{0, 10}, {5, 15}, {9, 20}, {15, 30}}, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := reportOf(len(test.spans), func(i int, r *lambdapool.Record) {
				r.Queued, r.Sent, r.Received = at(0), at(test.spans[i][0]), at(test.spans[i][1])
			})
			if r.MaxConcurrency != test.want {
				t.Errorf("%d at once, want %d", r.MaxConcurrency, test.want)
			}
			writeAll(t, r)
		})
	}
}

func TestTitles(t *testing.T) {
	for functions, want := range map[string]string{"": "no invocations", "a": "a", "a b c": "a, b, c", "a b c d": "a, b, c, …"} {
		names := strings.Fields(functions)
		r := reportOf(len(names), func(i int, r *lambdapool.Record) { r.Func = names[i] })
		if got := string(write(t, "html", r)); !strings.Contains(got, "<h1>"+want+"</h1>") {
			t.Errorf("%q: no title %q", functions, want)
		}
		r.Title = "mine"
		if got := string(write(t, "html", r)); !strings.Contains(got, "<h1>mine</h1>") {
			t.Errorf("%q: the title that was set is not there", functions)
		}
	}
}
