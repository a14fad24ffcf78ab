package live

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/english"
	"github.com/lambdapool/lambdapool/internal/grouping"
	"github.com/lambdapool/lambdapool/internal/legible"
	"github.com/lambdapool/lambdapool/price"
)

// What a view shows at most.
const (
	maxRunRows    = 25
	maxStragglers = 10
	maxFailures   = 20
)

// A view is what the page is told, once a second: texts as they are shown, and numbers for what is
// drawn. All texts of others have been made legible. The script sets them as text, never as HTML.
type view struct {
	State    string        `json:"state"` // "waiting", "running", "idle" or "ended"
	Elapsed  string        `json:"elapsed"`
	Facts    []fact        `json:"facts"`
	Runs     []runRow      `json:"runs"`
	MoreRuns string        `json:"moreRuns"`
	Series   seriesView    `json:"series"`
	Agents   timelineView  `json:"agents"`
	Slow     []slowRow     `json:"slow"`
	Failures []failureRow  `json:"failures"`
	MoreFail string        `json:"moreFailures"`
	Detached []detachedRow `json:"detached"`
	Notice   string        `json:"notice"` // of detached runs
}

// A fact is a number at the top.
type fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Note  string `json:"note,omitempty"`
	Bad   bool   `json:"bad,omitempty"`
}

type runRow struct {
	Func    string  `json:"func"`
	State   string  `json:"state"`
	Bad     bool    `json:"bad,omitempty"`
	Part    float64 `json:"part"` // of the items that have ended, from 0 to 1; -1: not known
	Items   string  `json:"items"`
	Counts  string  `json:"counts"`
	Rate    string  `json:"rate"`
	Left    string  `json:"left"`
	Cost    string  `json:"cost"`
	Problem string  `json:"problem,omitempty"`
}

type seriesView struct {
	Step      int     `json:"step"` // seconds
	InFlight  []int   `json:"inFlight"`
	Limit     []int64 `json:"limit"`
	Throttled []int64 `json:"throttled"`
	Retried   []int64 `json:"retried"`
	Rate      []int64 `json:"rate"` // items a second
	Text      string  `json:"text"`
}

type slowRow struct {
	Func    string `json:"func"`
	Items   string `json:"items"`
	For     string `json:"for"`
	Attempt int    `json:"attempt"`
	Hedge   bool   `json:"hedge"`
}

type failureRow struct {
	Func    string   `json:"func"`
	Text    string   `json:"text"`
	Items   string   `json:"items"`
	Tries   string   `json:"tries"`
	Example string   `json:"example"`
	Request string   `json:"request"`
	Logs    []string `json:"logs"`
}

// view describes the state of now.
func (w *watch) view(ended bool) *view {
	snapshots := w.snapshots()
	drawing := w.drawing()
	v := w.words(snapshots, ended)
	v.Agents = drawing.view(time.Now())
	v.Detached, v.Notice = w.detached.rows()
	return v
}

// drawing copies what the timeline is drawn from: invocations wait for the lock meanwhile.
func (w *watch) drawing() timeline {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.drawn.copied()
}

// words is the view without its timeline and the detached runs.
func (w *watch) words(snapshots map[*run]lambdapool.Snapshot, ended bool) *view {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	v := &view{
		Elapsed:  english.Length(now.Sub(w.begun)),
		Facts:    w.facts(now),
		Runs:     []runRow{},
		Series:   w.series.view(),
		Slow:     w.slow(now),
		Failures: []failureRow{},
	}
	for _, r := range slices.Backward(w.runs) {
		if len(v.Runs) < maxRunRows {
			v.Runs = append(v.Runs, r.row(snapshots[r]))
		}
	}
	if more := len(w.runs) + w.gone - len(v.Runs); more > 0 {
		v.MoreRuns = english.Count(more, "earlier run") + " not shown"
	}
	groups := w.failures.List()
	for i, g := range groups {
		if i < maxFailures {
			v.Failures = append(v.Failures, failure(g))
		}
	}
	if more := len(groups) - len(v.Failures); more > 0 || w.failures.Rest().Items > 0 {
		v.MoreFail = fmt.Sprintf("%s, and %s of many other kinds", english.Count(more, "more group"), english.Count(int(w.failures.Rest().Items), "failure"))
	}
	v.State = w.state(ended)
	return v
}

// state is what the program does, in a word.
func (w *watch) state(ended bool) string {
	switch {
	case ended:
		return "ended"
	case len(w.inFlight) > 0 || slices.ContainsFunc(w.runs, func(r *run) bool { return r.ended.IsZero() }):
		return "running"
	case w.totals.invocations == 0:
		return "waiting"
	}
	return "idle"
}

// snapshots asks the runs how far they are, without the lock: they may call back.
func (w *watch) snapshots() map[*run]lambdapool.Snapshot {
	w.mu.Lock()
	ask := make(map[*run]func() lambdapool.Snapshot, len(w.runs))
	got := make(map[*run]lambdapool.Snapshot, len(w.runs))
	for _, r := range w.runs {
		if got[r] = r.last; r.event.Snapshot != nil {
			ask[r] = r.event.Snapshot
		}
	}
	w.mu.Unlock()
	for r, snapshot := range ask {
		got[r] = snapshot()
	}
	return got
}

func (w *watch) facts(now time.Time) []fact {
	t := w.totals
	facts := []fact{
		{Name: "Invocations", Value: english.Number(t.invocations), Note: english.Number(len(w.inFlight)) + " in flight"},
		{Name: "Calls carried", Value: english.Number(t.items)},
		{Name: "Failed", Value: english.Number(t.failed), Bad: t.failed > 0, Note: "for good"},
		{Name: "Throttled", Value: english.Number(t.throttled), Note: "refused requests"},
		{Name: "Sent again", Value: english.Number(t.retried), Note: "or throttled"},
		{Name: "Hedges", Value: english.Number(t.hedged), Note: english.Number(t.hedgesWon) + " were first"},
		{Name: "Agents", Value: english.Number(len(w.drawn.agents)), Note: english.Count(int(t.cold), "cold start")},
		{Name: "Bytes out", Value: english.Size(t.bytesOut), Note: english.Size(t.bytesIn) + " back"},
	}
	if all := w.stats.Stats(); all.StoreSent+all.StoreReceived > 0 {
		facts = append(facts, fact{Name: "To the store", Value: english.Size(all.StoreSent), Note: english.Size(all.StoreReceived) + " from it"})
	}
	if t.calls > 0 {
		facts = append(facts, fact{Name: "Single calls", Value: english.Number(t.calls), Note: "made with Submit"})
	}
	if t.cost == 0 {
		return facts
	}
	cost := fact{Name: "Cost so far", Value: price.Format(t.cost), Note: "estimated"}
	if lately, span := w.series.lately(60); span >= 5*time.Second && now.After(w.begun) {
		cost.Note = price.Format(lately.cost*float64(time.Hour)/float64(span)) + " an hour"
	}
	return append(facts, cost, fact{Name: "Charged for", Value: english.Length(t.billed), Note: "agent time"})
}

// row describes a run.
func (r *run) row(s lambdapool.Snapshot) runRow {
	row := runRow{
		Func: legible.Line(r.event.Func), State: "running", Part: -1, Problem: legible.Line(r.err),
		Rate: fmt.Sprintf("%.3g/s", s.Rate), Items: english.Number(s.Done + s.Failed),
		Cost: budgeted(s, r.event.Budget),
	}
	var counts []string
	for _, part := range []struct {
		n    int
		what string
	}{{s.Running, "running"}, {s.Queued, "queued"}, {s.Skipped, "from the journal"}, {s.Failed, "failed"}, {s.Canceled, "canceled"}} {
		if part.n > 0 {
			counts = append(counts, english.Number(part.n)+" "+part.what)
		}
	}
	row.Counts = strings.Join(counts, ", ")
	if s.Total >= 0 {
		row.Items += " of " + english.Number(s.Total)
		row.Part = 1
		if s.Total > 0 {
			row.Part = float64(s.Done+s.Failed) / float64(s.Total)
		}
	}
	if s.ETA >= 0 {
		row.Left = english.Length(s.ETA) + " left"
	}
	if !r.ended.IsZero() {
		row.Left = "took " + english.Length(r.ended.Sub(r.begun))
		row.State, row.Bad = "done", r.err != "" || s.Failed > 0
		if r.err != "" {
			row.State = "ended early"
		} else if s.Failed > 0 {
			row.State = "done, with failures"
		}
	}
	return row
}

// budgeted is the cost of a run, and of how much.
func budgeted(s lambdapool.Snapshot, b lambdapool.Budget) string {
	switch {
	case b.Dollars > 0:
		return price.Format(s.Cost) + " of " + price.Format(b.Dollars)
	case b.GBSeconds > 0:
		return fmt.Sprintf("%.4g of %.4g GB-s", s.GBSeconds, b.GBSeconds)
	case s.Cost > 0:
		return price.Format(s.Cost)
	}
	return ""
}

func (s *series) view() seriesView {
	v := seriesView{Step: max(s.step, 1), InFlight: []int{}, Limit: []int64{}, Throttled: []int64{}, Retried: []int64{}, Rate: []int64{}}
	for _, p := range s.points {
		v.InFlight = append(v.InFlight, p.inFlight)
		v.Limit = append(v.Limit, p.limit)
		v.Throttled = append(v.Throttled, p.throttled)
		v.Retried = append(v.Retried, p.retried)
		v.Rate = append(v.Rate, p.ended/int64(v.Step))
	}
	if n := len(s.points); n > 0 {
		p := s.points[n-1]
		v.Text = fmt.Sprintf("%s in flight, %s allowed, %s throttled, %s a second.",
			english.Number(p.inFlight), english.Number(p.limit), english.Number(p.throttled), english.Count(int(p.ended/int64(v.Step)), "item"))
	}
	return v
}

// slow returns the invocations that have been out for longest.
func (w *watch) slow(now time.Time) []slowRow {
	type out struct {
		id string
		pending
	}
	var oldest []out
	for id, p := range w.inFlight {
		at, _ := slices.BinarySearchFunc(oldest, out{id, p}, func(a, b out) int { return cmp.Or(a.sent.Compare(b.sent), cmp.Compare(a.id, b.id)) })
		if at < maxStragglers {
			oldest = slices.Insert(oldest, at, out{id, p})
			oldest = oldest[:min(len(oldest), maxStragglers)]
		}
	}
	rows := []slowRow{}
	for _, o := range oldest {
		rows = append(rows, slowRow{Func: legible.Line(o.fn), Items: english.Count(o.items, "call"), For: english.Length(now.Sub(o.sent)), Attempt: o.attempt, Hedge: o.hedge})
	}
	return rows
}

func failure(g grouping.Group) failureRow {
	e := g.Example
	row := failureRow{
		Func: legible.Line(g.Func), Text: g.Key, Items: english.Number(g.Items), Tries: english.Number(g.Attempts),
		Example: e.Text, Request: e.RequestID, Logs: e.Logs,
	}
	if e.Item > 0 {
		row.Example = "item " + english.Number(e.Item-1) + ": " + row.Example
	}
	return row
}
