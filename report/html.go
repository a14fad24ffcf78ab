package report

import (
	"bufio"
	"crypto/sha256"
	_ "embed" // the parts of the page
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/internal/english"
	"github.com/lambdapool/lambdapool/price"
)

// What bounds the page, whatever the run: 37 bytes for each invocation drawn.
const (
	maxDrawn  = 200_000
	maxListed = 20
)

// The page is one template with its style and script in it. That is what a page that loads nothing
// needs, and what its Content-Security-Policy allows, by their hashes.
var (
	//go:embed page.tmpl
	pageText string
	//go:embed page.css
	pageStyle string
	//go:embed page.js
	pageScript string

	page = template.Must(template.New("page").Funcs(template.FuncMap{
		"count":   func(n any) string { return english.Number(integer(n)) },
		"counted": func(n int64, noun string) string { return english.Count(int(n), noun) },
		"length":  english.Length,
		"dollars": price.Format,
	}).Parse(pageText))
)

// integer takes both kinds of number that the template has.
func integer(n any) int64 {
	if i, ok := n.(int64); ok {
		return i
	}
	return int64(n.(int))
}

// WriteHTML writes the report as one HTML page, which loads nothing: timeline, concurrency, run
// times, percentiles, cost, and what went wrong. It is for people, and can be sent by mail or kept
// with a build.
//
// It stays below 15 MB. Of more than 200,000 invocations the timeline draws as many, at equal
// distances; everything else on the page is of all that were kept. Scripts other than its own
// cannot run in it, whatever the names in the report are. Only the timeline needs JavaScript.
//
// It blocks as long as w does. The error is w's. Neither w nor r may be nil.
func WriteHTML(w io.Writer, r *Report) error {
	out := bufio.NewWriter(w)
	if err := page.Execute(out, newPage(r)); err != nil {
		return err
	}
	return out.Flush()
}

// A pageData is what the template takes.
type pageData struct {
	R struct {
		*Report

		Name string
	}
	Style                 template.CSS
	Script                template.JS
	StyleHash, ScriptHash string
	Started               string
	Sampled               bool
	Charged               bool
	PriceSource           string

	Facts       []fact
	Kinds       []kindCount
	Drawn       string
	Rows        int
	Data        timelineData
	Concurrency chart
	PartLength  time.Duration
	Runs        chart
	Times       []timesRow
	Charges     []charge
	Lists       []list
}

// A fact is a number at the top of the page. Class marks one that asks for attention.
type fact struct{ Name, Value, Note, Class string }

// A kindCount is a line of the timeline's legend.
type kindCount struct {
	Number int
	Name   string
	Count  string
}

// A timesRow is a line of the table of percentiles.
type timesRow struct {
	Name, Note string
	P          Percentiles
}

// A charge is a line of the estimate: so much of what, at which price.
type charge struct{ Name, Amount, Price, Cost string }

// newPage calculates all that the template shows. The template itself decides nothing.
func newPage(r *Report) *pageData {
	forRun, forRequests := r.charges()
	p := &pageData{
		Style: template.CSS(pageStyle), StyleHash: sourceHash(pageStyle), //nolint:gosec // our own file
		Script: template.JS(pageScript), ScriptHash: sourceHash(pageScript), //nolint:gosec // our own file
		Sampled:     int64(r.Kept) < r.Invocations,
		Charged:     r.charged() || r.Invocations == 0,
		PriceSource: strings.Trim(strings.TrimPrefix(r.Price.Source, "https://"), "/"),
		Facts:       facts(r),
		Times: []timesRow{
			{"In the queue", "until first sent", r.Queue},
			{"Run", "in the agent", r.RunTime},
			{"Overhead", "network, platform, cold start", r.Overhead},
			{"Cold start", "of cold ones", r.ColdStart},
			{"Billed", "by the platform", r.BilledRun},
		},
		Charges: []charge{
			{
				"GB-seconds", amount(r.GBSeconds), fmt.Sprintf("$%.10f each", r.Price.PerGBSecond),
				price.Format(forRun),
			},
			{
				"Requests", english.Number(r.Requests), fmt.Sprintf("$%.2f per million", r.Price.PerMillionRequests),
				price.Format(forRequests),
			},
		},
		Lists: r.lists(),
	}
	p.R.Report, p.R.Name = r, r.title()
	if start := orNull(r.Start); start != nil && r.Kept > 0 {
		p.Started = start.Format("2006-01-02 15:04:05 MST")
	}
	lane, rows := r.lanes()
	p.Rows = rows
	p.Data, p.Kinds = r.timeline(lane, rows)
	if p.Data.Count < r.Kept {
		p.Drawn = fmt.Sprintf("%s of %s are drawn.", english.Number(p.Data.Count), english.Number(r.Kept))
	}
	p.Concurrency, p.PartLength = r.concurrencyChart()
	p.Runs = r.runChart()
	return p
}

// sourceHash allows one inline style or script in a Content-Security-Policy.
func sourceHash(source string) string {
	sum := sha256.Sum256([]byte(source))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// facts are the numbers at the top, those first that a reader asks for first.
func facts(r *Report) []fact {
	bad := func(n int64) string {
		if n > 0 {
			return "bad"
		}
		return ""
	}
	f := []fact{
		{"Invocations", english.Number(r.Invocations), english.Count(int(r.Items), "call"), ""},
		{"Calls failed", english.Number(r.Failed), "or were sent again", bad(r.Failed)},
		{"At once", english.Number(r.MaxConcurrency), "in flight at most", ""},
		{"Retries", english.Number(r.Retries), share(r.Retries, r.Invocations), ""},
		{"Throttled", english.Number(r.Throttled), share(r.Throttled, r.Invocations), bad(r.Throttled)},
		{"No answer", english.Number(r.Unanswered), share(r.Unanswered, r.Invocations), bad(r.Unanswered)},
		{"Hedges", english.Number(r.Hedges), english.Number(r.HedgesWon) + " won", ""},
		{"Sent", english.Size(r.BytesOut), "", ""},
		{"Received", english.Size(r.BytesIn), "", ""},
		{"In the agents", english.Length(r.Run), english.Length(r.CPU) + " of CPU", ""},
	}
	if !r.charged() { // this process has no cold starts, and nobody charges for it
		return f
	}
	return append(f,
		fact{"Cold starts", english.Number(r.ColdStarts), share(r.ColdStarts, r.Invocations), ""},
		fact{"Memory", megabytes(r.MemoryPeak), "of " + megabytes(r.Memory) + " at most", ""},
		fact{"Billed", english.Length(r.Billed), amount(r.GBSeconds) + " GB-seconds", ""},
		fact{"Cost", price.Format(r.Cost), "estimated", ""},
	)
}

// share writes n as a percentage, or nothing of nothing.
func share(n, of int64) string {
	if of == 0 {
		return ""
	}
	return fmt.Sprintf("%.3g %%", 100*float64(n)/float64(of))
}

// amount writes a number that may be small or large.
func amount(x float64) string {
	if x >= 999.5 {
		return english.Number(int64(x + 0.5))
	}
	return fmt.Sprintf("%.3g", x)
}

// megabytes writes memory as Lambda does: an MB is 1,048,576 bytes.
func megabytes(bytes int64) string { return english.Number((bytes+1<<19)>>20) + " MB" }

// A timelineData is what page.js draws: columns of 32-bit numbers, one after the other, in base64.
// Times are in ticks, a microsecond each unless the run is too long for 31 bits of them. As JSON
// objects the same would be several times as large.
type timelineData struct {
	Count   int      `json:"count"`
	Rows    int      `json:"rows"`
	Tick    int64    `json:"tick"` // nanoseconds
	End     int64    `json:"end"`  // ticks
	Names   []string `json:"names"`
	Kinds   []string `json:"kinds"`
	Columns string   `json:"columns"`
}

// timeline returns what is drawn, and how many of each kind that is. Of more than maxDrawn
// invocations every so many'th is taken. The last column packs three small numbers: 3 bits of kind,
// 8 of the attempt, 21 of the function.
func (r *Report) timeline(lane []int, rows int) (timelineData, []kindCount) {
	drawn := min(len(r.entries), maxDrawn)
	d := timelineData{
		Count: drawn, Rows: max(rows, 1),
		Tick: max(int64(time.Microsecond), int64(r.Elapsed)>>31+1),
	}
	ticks := func(t time.Duration) uint32 { return uint32(int64(t) / d.Tick) }
	d.End = max(int64(ticks(r.Elapsed)), 1)
	for k := okay; k <= throttled; k++ {
		d.Kinds = append(d.Kinds, k.String())
	}
	numbers := map[uint32]uint32{}
	counts := make([]int64, len(d.Kinds))
	const columns = 7
	data := make([]byte, drawn*columns*4)
	for i := range drawn {
		at := i * len(r.entries) / drawn
		e := &r.entries[at]
		number, ok := numbers[e.function]
		if !ok {
			number = uint32(len(d.Names))
			numbers[e.function] = number
			d.Names = append(d.Names, orUnnamed(r.names[e.function]))
		}
		k := r.kind(e)
		counts[k]++
		init, run := r.inside(e)
		for c, value := range [columns]uint32{
			ticks(e.sent - r.begin), ticks(e.duration()), ticks(e.sent - e.queued), ticks(init), ticks(run),
			uint32(lane[at]), uint32(k) | uint32(min(max(e.attempt, 0), 255))<<3 | number<<11,
		} {
			binary.LittleEndian.PutUint32(data[(c*drawn+i)*4:], value)
		}
	}
	d.Columns = base64.URLEncoding.EncodeToString(data)
	var kinds []kindCount
	for k, n := range counts {
		if n > 0 {
			kinds = append(kinds, kindCount{k, d.Kinds[k], english.Number(n)})
		}
	}
	return d, kinds
}
