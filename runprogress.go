package lambdapool

import (
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

// progressInterval is how often [Progress] reports.
const progressInterval = 100 * time.Millisecond

// A reporter calls what [Progress] was given.
type reporter struct {
	e     *Executor
	name  string // of the function
	to    []func(Snapshot)
	turn  chan struct{} // full while to is called: reporters that share to share it, too
	begun time.Time
	rate  schedule.Rate
}

func newReporter(e *Executor, name string, to []func(Snapshot), turn chan struct{}) *reporter {
	return &reporter{e: e, name: name, to: to, turn: turn, begun: time.Now()}
}

// report completes s by what only time tells. It blocks while another reporter's call goes on.
func (r *reporter) report(s Snapshot) {
	r.turn <- struct{}{} // no mutex: virtual time stands still while one is waited for
	defer func() { <-r.turn }()
	now := time.Now()
	s.Elapsed, s.Rate = now.Sub(r.begun), r.rate.Observe(now, s.Done)
	switch left := s.Total - s.Done; {
	case left == 0 || s.Final && s.Total < 0:
		s.ETA = 0
	case left > 0 && s.Rate > 0 && !s.Final:
		s.ETA = time.Duration(float64(left) / s.Rate * float64(time.Second))
	default:
		s.ETA = -1
	}
	for _, f := range r.to {
		r.e.contain("Progress", r.name, func() { f(s) })
	}
}

// startProgress reports until the returned function is called, which reports
// for the last time.
func (m *mapping[R]) startProgress() (stop func()) {
	if len(m.cfg.progress) == 0 {
		return func() {}
	}
	r := newReporter(m.e, m.fn.name, m.cfg.progress, make(chan struct{}, 1))
	r.report(m.snapshot())
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(progressInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				r.report(m.snapshot())
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
		last := m.snapshot()
		last.Final = true
		r.report(last)
	}
}

// snapshot returns how far the run has come.
func (m *mapping[R]) snapshot() Snapshot {
	pulled := int(m.pulled.Load())
	m.e.mu.Lock()
	defer m.e.mu.Unlock()
	t := &m.lane.tally
	s := Snapshot{
		Func: m.fn.name, Total: m.total, Items: pulled,
		Done: t.done, Failed: t.failed, Skipped: t.skipped, Running: t.running,
		Invocations: t.invocations, Retried: t.retried, Throttled: t.throttled, Hedged: t.hedged, ColdStarts: t.cold,
		Billed: t.billed, GBSeconds: t.gbSeconds, Cost: t.cost(),
	}
	s.Running = max(0, min(s.Running, s.Items-s.Done)) // items leave a chunk one by one
	s.Queued = max(0, s.Items-s.Done-s.Running)
	return s
}
