package report_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/report"
)

var picky = lambdapool.Register("report-picky", func(ctx context.Context, n int) (int, error) {
	switch {
	case n%10 == 3:
		lambdapool.Logger(ctx).WarnContext(ctx, "an odd page", "n", n)
		return 0, fmt.Errorf("page %d of \"book-%d\" is missing", n, n)
	case n%50 == 7:
		panic(fmt.Sprintf("<b>no room</b> for %d bytes", n))
	}
	return n, nil
})

// Functions' errors are told, in groups, and nothing is lost of the counts.
func TestReportTellsWhatFailed(t *testing.T) {
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // where functions log on inproc
	defer slog.SetDefault(before)
	var rec report.Recorder
	pool, err := lambdapool.New(inproc.New(), lambdapool.WithRecorder(&rec), lambdapool.WithLogs(lambdapool.Logs{}), lambdapool.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	pages := make([]int, 1000)
	for i := range pages {
		pages[i] = i
	}
	_, err = lambdapool.Map(t.Context(), pool, picky, pages, lambdapool.ContinueOnError(), lambdapool.ChunkSize(100))
	var item *lambdapool.ItemError
	if !errors.As(err, &item) {
		t.Fatal(err)
	}
	r := rec.Report()
	if len(r.Failures) != 2 || r.Failed != 120 {
		t.Fatalf("%d failed: %+v", r.Failed, r.Failures)
	}
	missing, room := r.Failures[0], r.Failures[1]
	if missing.Func != "report-picky" || missing.Text != "page … of … is missing" || missing.Items != 100 || missing.Attempts != 10 {
		t.Errorf("%+v", missing)
	}
	if want := fmt.Sprintf("page %d of \"book-%d\" is missing", missing.Item, missing.Item); missing.Example != want || missing.Attempt != 1 {
		t.Errorf("the example is %+v", missing)
	}
	if len(missing.Logs) != 1 || !strings.HasSuffix(missing.Logs[0], fmt.Sprintf("WARN an odd page n=%d", missing.Item)) {
		t.Errorf("the example's log is %q", missing.Logs)
	}
	if room.Text != "panic: <b>no room</b> for …" || room.Items != 20 || room.Attempts != 10 || len(room.Logs) != 0 {
		t.Errorf("%+v", room)
	}
	html := string(write(t, "html", r))
	for _, want := range []string{"100 calls in 10 attempts", "of report-picky", "&lt;b&gt;no room&lt;/b&gt;", "WARN an odd page"} {
		if !strings.Contains(html, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	for _, not := range []string{"<b>no room", "Cold starts", "$", "Cost"} {
		body := html[strings.Index(html, "<body>"):strings.Index(html, "<script")]
		if strings.Contains(body, not) {
			t.Errorf("%q is on the page of a run on inproc", not)
		}
	}
	data, err := json.Marshal(r)
	var summary struct {
		Schema   int     `json:"schema"`
		Cost     float64 `json:"cost_usd"`
		Failures []struct {
			Text  string `json:"text"`
			Items int    `json:"items"`
		} `json:"failures"`
	}
	if err := errors.Join(err, json.Unmarshal(data, &summary)); err != nil {
		t.Fatal(err)
	}
	if summary.Schema != report.Schema || summary.Cost != 0 || len(summary.Failures) != 2 || summary.Failures[0].Items != 100 {
		t.Errorf("%+v", summary)
	}
}

// An invocation without an answer is a failure of all its calls; a throttled one is none.
func TestReportGroupsInvocations(t *testing.T) {
	var rec report.Recorder
	for i := range 3 {
		r := aRecord()
		r.Err, r.Failed, r.RequestID = fmt.Sprintf("out of memory: killed at %d MB", 128+i), 10, fmt.Sprint("r-", i)
		rec.Record(r)
	}
	r := aRecord()
	r.Throttle, r.Err, r.Failed = "TooMany", "throttled", 10
	rec.Record(r)
	want := []report.Failure{{
		Func: "resize", Text: "out of memory: killed at …", Items: 30, Attempts: 3,
		Example: "out of memory: killed at 128 MB", Item: -1, Attempt: 1, RequestID: "r-0",
	}}
	if diff := cmp.Diff(want, rec.Report().Failures); diff != "" {
		t.Error(diff)
	}
}

// Whoever names prices is believed; Cloud Run's are known by their table.
func TestReportUsesThePricesOfTheBackend(t *testing.T) {
	var rec report.Recorder
	r := aRecord()
	r.PerGBSecond, r.PerRequest = 0.00005, 0.40/1e6
	rec.Record(r)
	got := rec.Report()
	if want := got.GBSeconds*0.00005 + 0.40/1e6; math.Abs(got.Cost-want) > 1e-12 || got.Price.Platform != "Google Cloud Run" || got.Price.Arch != "" {
		t.Errorf("$%v by %+v, want $%v", got.Cost, got.Price, want)
	}
	var page bytes.Buffer
	if err := report.WriteHTML(&page, got); err != nil || !strings.Contains(page.String(), "Google Cloud Run in us-central1") {
		t.Errorf("%v: the page does not name the platform", err)
	}
}
