package progress_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/progress"
	"github.com/lambdapool/lambdapool/report"
)

// Nothing is started here and nobody bills: no number says otherwise, wherever it is shown.
func TestNoColdStartsAndNoDollars(t *testing.T) {
	var recorded report.Recorder
	pool, err := lambdapool.New(inproc.New(), lambdapool.WithOwnedBackend(), lambdapool.WithRecorder(&recorded))
	if err != nil {
		t.Fatal(err)
	}
	var last lambdapool.Snapshot
	var bar, lines, out bytes.Buffer
	for _, shown := range []lambdapool.MapOption{lambdapool.Progress(func(s lambdapool.Snapshot) { last = s }), progress.Bar(&bar), progress.JSON(&lines)} {
		if _, err := lambdapool.Map(t.Context(), pool, square, []int{2, 4, 6}, shown); err != nil {
			t.Fatal(err)
		}
	}
	call := lambdapool.Submit(t.Context(), pool, square, 8)
	if _, err := call.Result(t.Context()); err != nil || call.Stats().ColdStart {
		t.Errorf("%+v, %v", call.Stats(), err)
	}
	if last.Invocations == 0 || last.ColdStarts != 0 || last.Cost != 0 || last.Billed != 0 {
		t.Errorf("snapshot %+v", last)
	}
	if text := bar.String(); !strings.Contains(text, "3 items") || strings.Contains(text, "$") {
		t.Errorf("bar %q", text)
	}
	for line := range strings.Lines(lines.String()) {
		var said struct {
			Cold int     `json:"cold_starts"`
			Cost float64 `json:"cost_usd"`
		}
		if err := json.Unmarshal([]byte(line), &said); err != nil || said.Cold != 0 || said.Cost != 0 || !strings.Contains(line, `"cost_usd"`) {
			t.Errorf("%s: %v", line, err)
		}
	}
	if s := pool.Stats(); s.Invocations == 0 || s.ColdStarts != 0 {
		t.Errorf("stats %+v", s)
	}
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
	r := recorded.Report()
	if r.Answered == 0 || r.ColdStarts != 0 || r.Requests != 0 || r.Cost != 0 || r.Price != (report.Price{}) {
		t.Errorf("report %+v", r.Totals)
	}
	if err := report.WriteHTML(&out, r); err != nil || strings.Contains(out.String(), "$0") || strings.Contains(out.String(), "Cold starts") {
		t.Errorf("the page has dollars or cold starts: %v", err)
	}
}
