package lambdapool

import (
	"context"
	"time"

	"github.com/lambdapool/lambdapool/internal/engine"
)

// A Snapshot is how far a run has come, as [Progress] reports it. It is a copy, and may be
// kept. Items = Done + Failed + Canceled + Running + Queued; at the end of a run nothing is
// running or queued.
type Snapshot struct {
	Func  string // the registered name
	Total int    // items in the input, see the option [Total]; -1 while it is not known
	Items int    // items pulled from the input so far, and at the end also those of which a Map reports that it never pulled them

	Done     int // items that have a value
	Failed   int // items that ended in an error of their own
	Canceled int // items that ended without a value because the run did: its context ended, another item failed, its executor was closed, its budget was spent
	Skipped  int // of Done and Failed, those that the journal had from an earlier run
	Running  int // items in flight
	Queued   int // items waiting for a worker or for their next attempt

	Invocations int // requests sent
	Retried     int // items sent again after an attempt that was no throttle
	Throttled   int // requests refused by the platform
	Hedged      int // duplicates of slow requests
	ColdStarts  int // invocations that began a new agent

	Elapsed time.Duration
	Rate    float64       // items per second, lately
	ETA     time.Duration // until the last item ends, at that rate; -1: not known

	Billed    time.Duration // charged so far, by the platform or by its rule
	GBSeconds float64       // memory times Billed, in GB-seconds
	Cost      float64       // US dollars, by the platform's table of package price; zero where nobody bills, as on package inproc

	Final bool // the run has ended: no further Snapshot follows
}

// event is the run as observers hear of it; nil where there are none.
func (m *mapping[R]) event() any {
	if m.heard == nil {
		return nil
	}
	r := engine.NewReporter(m.parent, m.e.core, m.fn, nil, make(chan struct{}, 1))
	m.run = RunEvent{Executor: m.e, Func: m.fn.Name(), Total: m.look(false).Total, Budget: m.cfg.budget, Snapshot: func() Snapshot {
		return Snapshot(r.Look(m.look, m.over.Load()))
	}}
	return m.run
}

// observed tells of the end of the run.
func (m *mapping[R]) observed() {
	if m.heard == nil || m.refused != nil {
		return
	}
	m.over.Store(true)
	err := m.broke
	if canceled, _, _ := m.lane.End(); err == nil && m.left && (canceled > 0 || !m.feed.Whole()) {
		err = callError("map", m.fn.Name(), ErrCanceled, context.Canceled, "the loop over its results ended")
	} else if err == nil {
		err = m.cutShort()
	}
	m.run.Snapshot() // from now on it is the last
	m.heard.RunEnd(m.run, err)
}

// tellFailed tells observers of what has failed for good.
func (m *mapping[R]) tellFailed(batch []Result[R]) {
	var items []*ItemError
	for i := range batch {
		if r := &batch[i]; r.Err != nil && !m.lane.EndedWithRun(below(r.Err)) {
			items = append(items, &ItemError{Index: r.Index, Err: r.Err.(*ItemError).Err}) //nolint:errorlint // as Deliver has made it
		}
	}
	if len(items) > 0 {
		m.heard.Failed(items)
	}
}

// startProgress reports until the returned function is called, which reports
// for the last time.
func (m *mapping[R]) startProgress() (stop func()) {
	if len(m.cfg.progress) == 0 {
		return func() {}
	}
	r := engine.NewReporter(m.ctx, m.e.core, m.fn, m.cfg.progress, make(chan struct{}, 1))
	return r.Watch(m.look)
}

// look says how far the run has come, but for what only time tells.
func (m *mapping[R]) look(final bool) engine.Snapshot {
	return m.feed.Snapshot(m.total, m.cfg.total, m.every && final)
}
