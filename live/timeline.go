package live

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/english"
	"github.com/lambdapool/lambdapool/internal/legible"
)

// What is drawn, and kept for it.
const (
	maxFlights   = 4000  // ended invocations that are drawn
	maxAgents    = 10000 // that are told apart
	maxAgentName = 100   // bytes of what each calls itself, which may be anything
	maxAgentRows = 40
	drawnSpan    = 2 * time.Minute
)

// A timeline has what agents did: the invocations that ended last.
type timeline struct {
	begun   time.Time
	agents  map[string]int32 // their rows, in the order of appearance
	names   []string         // of the rows
	flights []flight         // a ring
	next    int              // where in it the next one comes
}

// A flight is an invocation that has ended. Its times count from the page's begin, in milliseconds.
type flight struct {
	sent, received int64
	init, run      int32
	agent          int32 // its row
	kind           byte  // as in agentRow.Kinds
}

// add notes an invocation that has ended. Who cannot be told apart is not drawn.
func (t *timeline) add(r lambdapool.Record, failed bool) {
	name := r.Instance[:min(len(r.Instance), maxAgentName)]
	row, known := t.agents[name]
	if !known {
		if name == "" || len(t.agents) >= maxAgents {
			return
		}
		name, row = strings.Clone(name), int32(len(t.agents))
		t.agents[name] = row
		t.names = append(t.names, name)
	}
	f := flight{
		sent: r.Sent.Sub(t.begun).Milliseconds(), received: r.Received.Sub(t.begun).Milliseconds(),
		run: milliseconds(r.Run), agent: row, kind: '.',
	}
	if r.Cold {
		f.init = milliseconds(r.Init)
	}
	if failed {
		f.kind = 'x'
	} else if r.Hedge {
		f.kind = 'h'
	}
	if len(t.flights) < maxFlights {
		t.flights = append(t.flights, f)
		return
	}
	t.flights[t.next] = f
	t.next = (t.next + 1) % maxFlights
}

// milliseconds is d for a drawing: an agent says what it likes.
func milliseconds(d time.Duration) int32 {
	return int32(max(0, min(d, 24*time.Hour)).Milliseconds())
}

// copied returns a copy that is drawn while t goes on.
func (t *timeline) copied() timeline {
	c := *t
	c.agents, c.flights = nil, slices.Clone(t.flights) // names are only added to
	return c
}

// A timelineView has a row for each agent. Times are in milliseconds after its begin.
type timelineView struct {
	Span int64      `json:"span"`
	Rows []agentRow `json:"rows"`
	Text string     `json:"text"`
}

type agentRow struct {
	Name  string     `json:"name"`
	Parts [][4]int64 `json:"parts"` // sent, received, and within these the time of the cold start and of the run
	Kinds string     `json:"kinds"` // of each part: "." a value, "x" failed, "h" a hedge
}

// view draws the agents that did something lately, the newest last.
func (t *timeline) view(now time.Time) timelineView {
	begin := now.Add(-drawnSpan)
	if begin.Before(t.begun) {
		begin = t.begun
	}
	after := begin.Sub(t.begun).Milliseconds()
	rows := map[int32][]flight{}
	for _, f := range t.flights {
		if f.received >= after {
			rows[f.agent] = append(rows[f.agent], f)
		}
	}
	v := timelineView{Span: now.Sub(begin).Milliseconds(), Rows: []agentRow{}}
	numbers := slices.Sorted(maps.Keys(rows))
	hidden := max(len(numbers)-maxAgentRows, 0)
	for _, n := range numbers[hidden:] {
		row := agentRow{Name: legible.Line(t.names[n])}
		var kinds []byte
		for _, f := range rows[n] {
			row.Parts = append(row.Parts, [4]int64{f.sent - after, f.received - after, int64(f.init), int64(f.run)})
			kinds = append(kinds, f.kind)
		}
		row.Kinds = string(kinds)
		v.Rows = append(v.Rows, row)
	}
	v.Text = english.Count(len(numbers), "agent") + " in the last " + english.Length(now.Sub(begin))
	if hidden > 0 {
		v.Text += fmt.Sprintf(", of which the latest %d are drawn", maxAgentRows)
	}
	return v
}
