package engine

import (
	"errors"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/failure"
)

// What the consumer of a run sees of its lane.

// The least default window, of items that may be minutes of work, and what else bounds
// one. See schedule.Chunker.Window for more than that.
const (
	minWindow       = 64
	windowPerWorker = 4
	windowBytes     = 64 << 20 // of waiting arguments
)

// Crowded reports whether an input that is so many items ahead of its consumer is to wait.
func (l *Lane) Crowded(ahead int) bool {
	if l.Window > 0 {
		return ahead >= l.Window
	}
	if ahead < max(minWindow, windowPerWorker*l.e.workersNow()) {
		return false
	}
	return l.bytes.Load() > windowBytes ||
		ahead >= int(l.room.Load())
}

// Skip counts an item that was taken from the journal.
func (l *Lane) Skip(err error) {
	l.e.mu.Lock()
	defer l.e.mu.Unlock()
	if l.Total >= 0 {
		l.Total-- // of those that will be sent
	}
	l.tallyEnd(err)
	l.tally.skipped++
}

// Sums are what became of a run's items and invocations so far: see lambdapool.Snapshot.
type Sums struct {
	Done, Failed, Canceled, Skipped, Running int // items

	Invocations, Retried, Throttled, Hedged, ColdStarts int

	Billed          time.Duration
	GBSeconds, Cost float64
}

// Sums returns those of this moment.
func (l *Lane) Sums() Sums {
	l.e.mu.Lock()
	defer l.e.mu.Unlock()
	t := &l.tally
	cost := 0.0
	if l.e.priced() || t.billed > 0 { // on goroutines of this process nobody bills
		cost = l.e.dollars(t.gbSeconds, t.invocations)
	}
	return Sums{
		Done: t.done, Failed: t.failed, Canceled: t.canceled, Skipped: t.skipped, Running: t.running,
		Invocations: t.invocations, Retried: t.retried, Throttled: t.throttled, Hedged: t.hedged, ColdStarts: t.cold,
		Billed: t.billed, GBSeconds: t.gbSeconds, Cost: cost,
	}
}

// End returns how many items ended because the run did, why it takes no more, if it does not, and
// whether its executor was closed.
func (l *Lane) End() (canceled int, ended *failure.Pool, closed bool) {
	l.e.mu.Lock()
	defer l.e.mu.Unlock()
	return l.tally.canceled, l.ended, l.e.aborted
}

// Count counts n items that have ended, before anyone hears of it: whoever has all results finds them
// all counted. Those that were not accepted are the run's, but were never the executor's.
func (l *Lane) Count(n int, accepted bool, ended func(i int) error) {
	l.e.mu.Lock()
	defer l.e.mu.Unlock()
	for i := range n {
		err := ended(i)
		if accepted {
			l.e.count(err)
		}
		l.tallyEnd(err)
	}
}

// tallyEnd counts an item that has ended. e.mu is held.
func (l *Lane) tallyEnd(err error) {
	switch {
	case err == nil:
		l.tally.done++
	case l.endedWithRun(err):
		l.tally.canceled++
	default:
		l.tally.failed++
	}
}

// EndedWithRun reports whether err says that the item ended because the run did, see Sums.Canceled.
func (l *Lane) EndedWithRun(err error) bool {
	l.e.mu.Lock()
	defer l.e.mu.Unlock()
	return l.endedWithRun(err)
}

// endedWithRun reports whether err says that the item ended because the run did, and not by
// anything of its own. e.mu is held.
func (l *Lane) endedWithRun(err error) bool {
	pool := failure.Of(err)
	switch {
	case pool == nil:
		return false
	case pool == l.ended || errors.Is(pool.Kind, driver.ErrCanceled):
		return true
	case errors.Is(pool.Kind, failure.ErrBudget):
		return pool.Outcome == driver.OutcomeNotRun
	case !errors.Is(pool.Kind, driver.ErrTimeout):
		return false
	default:
		deadline, ok := l.Ctx.Deadline()
		return l.Ctx.Err() != nil || ok && time.Until(deadline) <= answerMargin
	}
}

// answerMargin is how long before the run's deadline an agent may end what it runs, so that its
// answer arrives in time. Then too it is the run's end that ended the item.
const answerMargin = time.Second
