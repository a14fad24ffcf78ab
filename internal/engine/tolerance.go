package engine

import (
	"fmt"

	"github.com/lambdapool/lambdapool/internal/english"
	"github.com/lambdapool/lambdapool/internal/failure"
)

// A Tolerance is how many items of a run may fail.
type Tolerance struct {
	Items   int     // at most; -1: Percent counts
	Percent float64 // of all items
	Option  string  // that says so, for messages
	Total   int     // items of the input; -1: not known
}

// leastEnded is how many items of an input of unknown length must have ended before a share of them says anything.
const leastEnded = 100

// exceeded reports whether so many failures of those that have ended are too many. all says that no more will come.
func (t *Tolerance) exceeded(failed, ended int, all bool) bool {
	switch {
	case t.Items >= 0:
		return failed > t.Items
	case t.Total >= 0:
		ended = max(t.Total, ended)
	case !all && ended < leastEnded:
		return false
	}
	return float64(failed) > float64(ended)*t.Percent/100
}

// CheckTolerance stops the run if more of its items have failed than it tolerates: what is in flight goes on, and
// nothing else. all says that the input has ended, and every item of it.
func (l *Lane) CheckTolerance(all bool) {
	if l.Tolerance == nil {
		return
	}
	l.e.mu.Lock()
	t := &l.tally
	if l.ended != nil || !l.Tolerance.exceeded(t.failed, t.done+t.failed, all) {
		l.e.mu.Unlock()
		return
	}
	why := failure.NotRun("map", l.Fn.Name(), failure.ErrTooManyFailures,
		fmt.Errorf("%s of %s failed", english.Number(t.failed), english.Count(t.done+t.failed, "item")), l.Tolerance.Option+" allows no more; what has ended is delivered")
	items := l.close(why)
	calls := claimed(l.waitingCalls())
	l.e.mu.Unlock()
	l.fail(items, why)
	for _, c := range calls {
		c.complete(c.unpaid(why))
	}
}
