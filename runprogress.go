package lambdapool

import (
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

// progressInterval is how often [Progress] reports.
const progressInterval = 100 * time.Millisecond

// startProgress reports until the returned function is called, which reports
// for the last time.
func (m *mapping[R]) startProgress() (stop func()) {
	if len(m.cfg.progress) == 0 {
		return func() {}
	}
	begun := time.Now()
	var rate schedule.Rate
	report := func(final bool) {
		s := m.snapshot()
		s.Final = final
		now := time.Now()
		s.Elapsed = now.Sub(begun)
		s.Rate = rate.Observe(now, s.Done)
		s.ETA = -1
		if final {
			s.ETA = 0
		} else if s.Total >= 0 && s.Rate > 0 {
			s.ETA = time.Duration(float64(s.Total-s.Done) / s.Rate * float64(time.Second))
		}
		for _, f := range m.cfg.progress {
			m.e.contain("Progress", m.fn.name, func() { f(s) })
		}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(progressInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				report(false)
			case <-done:
				return
			}
		}
	}()
	report(false)
	return func() {
		close(done)
		<-ended
		report(true)
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
