package report

import (
	"slices"
	"time"
)

// A list is a table of invocations that are worth a look.
type list struct {
	Name string
	Rows []listed
}

// A listed is a row of such a table.
type listed struct {
	Function      string
	At, Took, Run time.Duration
	Memory        string
	Attempt       int32
	Kind          int
	What          string
	RequestID     string
}

// lists returns the slowest invocations, and those that failed first: what
// follows is often a consequence.
func (r *Report) lists() []list {
	slowest := make([]*entry, 0, len(r.entries))
	var bad []*entry
	for i := range r.entries {
		e := &r.entries[i]
		switch {
		case e.answered() && e.failed == 0:
			slowest = append(slowest, e)
		case e.throttle == 0 && len(bad) < maxListed:
			bad = append(bad, e)
		}
	}
	slices.SortStableFunc(slowest, func(a, b *entry) int { return int(min(max(b.duration()-a.duration(), -1), 1)) })
	slowest = slowest[:min(len(slowest), maxListed)]
	var lists []list
	for _, l := range []struct {
		name    string
		entries []*entry
	}{{"The first that failed", bad}, {"The slowest that succeeded", slowest}} {
		if len(l.entries) == 0 {
			continue
		}
		rows := make([]listed, 0, len(l.entries))
		for _, e := range l.entries {
			rows = append(rows, r.listed(e))
		}
		lists = append(lists, list{l.name, rows})
	}
	return lists
}

func (r *Report) listed(e *entry) listed {
	l := listed{
		Function: orUnnamed(r.names[e.function]), At: e.sent - r.begin, Took: e.duration(), Run: e.run,
		Memory: megabytes(e.memoryPeak), Attempt: max(e.attempt, 1), Kind: int(r.kind(e)), RequestID: e.requestID,
	}
	l.What = r.kind(e).String()
	if e.err != 0 {
		l.What = r.names[e.err]
	}
	return l
}
