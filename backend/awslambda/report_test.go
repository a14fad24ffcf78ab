package awslambda

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseReport(t *testing.T) {
	const text = "REPORT RequestId: 7\tDuration: 12.34 ms\tBilled Duration: 113 ms\tMemory Size: 256 MB\tMax Memory Used: 64 MB\t"
	const event = `{"time":"2026-11-20T10:00:00.000Z","type":"platform.report","record":{"requestId":"7","metrics":{"durationMs":12.34,"billedDurationMs":113,"memorySizeMB":256,"maxMemoryUsedMB":64,"initDurationMs":100.5},"status":"success"}}`
	base := report{duration: 12340 * time.Microsecond, billed: 113 * time.Millisecond, memory: 256 << 20, peak: 64 << 20, complete: true}
	with := func(change func(*report)) report { r := base; change(&r); return r }
	tests := []struct {
		name string
		tail string
		want report
	}{
		{"empty", "", report{}},
		{"no report", "START RequestId: 7\nhello\n", report{}},
		{"warm", text + "\n", base},
		{"no line end", text, base},
		{"CRLF", text + "\r\n", base},
		{"cold", text + "Init Duration: 100.50 ms\t\n", with(func(r *report) { r.init = 100500 * time.Microsecond })},
		{"restored", text + "Restore Duration: 300.00 ms\tBilled Restore Duration: 200 ms\t\n", with(func(r *report) { r.init = 300 * time.Millisecond })},
		{"traced", text + "\nXRAY TraceId: 1-5f\tSegmentId: 1\tSampled: true\t\n", base},
		{"failed", text + "Status: timeout\n", base},
		{"the function prints one too", "REPORT RequestId: 1\tDuration: 1 ms\tInit Duration: 5 ms\tMax Memory Used: 9999 MB\t\n" + text, base},
		{"the beginning is cut off", "Id: 1\tDuration: 1.00 ms\n" + text, base},
		{"JSON", event + "\n", with(func(r *report) { r.init = 100500 * time.Microsecond })},
		{"JSON cut off", event[20:] + "\n" + event[:100], report{}},
		{"JSON of the function", `{"type":"platform.report of mine"}` + "\n" + text, base},
		{"other units and nonsense", "REPORT RequestId: 7\tDuration: 12.34 s\tBilled Duration: many ms\tMemory Size: -1 MB\tMax Memory Used: 1e300 MB\tInit Duration: NaN ms\n",
			report{peak: 1e9 << 20, complete: true}},
		{"start failed twice", "INIT_REPORT Init Duration: 3 ms\tPhase: init\tStatus: error\nINIT_REPORT Init Duration: 3 ms\tPhase: invoke\tStatus: error\n" + text,
			with(func(r *report) { r.initFailed = true })},
		{"start failed once", "INIT_REPORT Init Duration: 3 ms\tPhase: init\tStatus: error\n" + text, base},
		{"start did not fail", "INIT_REPORT Init Duration: 3 ms\tPhase: init\n" + text, base},
		{"nothing ran", "INIT_REPORT Init Duration: 3 ms\tPhase: init\tStatus: error\nREPORT RequestId: 7\tDuration: 0.00 ms\t\n", report{complete: true, initFailed: true}},
		{"JSON, start failed twice", `{"type":"platform.initReport","record":{"phase":"init","status":"error"}}` + "\n" + `{"type":"platform.initReport","record":{"phase":"invoke","status":"timeout"}}` + "\n" + event,
			with(func(r *report) { r.init, r.initFailed = 100500*time.Microsecond, true })},
		{"JSON, second start worked", `{"type":"platform.initReport","record":{"phase":"init","status":"error"}}` + "\n" + `{"type":"platform.initReport","record":{"phase":"invoke","status":"success"}}` + "\n" + event,
			with(func(r *report) { r.init = 100500 * time.Microsecond })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, parseReport(tt.tail), cmp.AllowUnexported(report{})); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}

// A function can print whatever it likes.
func FuzzParseReport(f *testing.F) {
	f.Add("REPORT RequestId: 7\tDuration: 12.34 ms\tBilled Duration: 113 ms\tMemory Size: 256 MB\tMax Memory Used: 64 MB\t\n")
	f.Add(`{"type":"platform.report","record":{"metrics":{"durationMs":1e308}}}`)
	f.Add("INIT_REPORT Init Duration: 3 ms\tPhase: invoke\tStatus: error\n")
	f.Fuzz(func(t *testing.T, tail string) {
		r := parseReport(tail)
		if min(r.duration, r.billed, r.init) < 0 || min(r.memory, r.peak) < 0 {
			t.Errorf("negative: %+v", r)
		}
		if r.initFailed && !strings.Contains(tail, "INIT_REPORT") && !strings.Contains(tail, "platform.initReport") {
			t.Errorf("a start failed that is not reported: %+v", r)
		}
	})
}
