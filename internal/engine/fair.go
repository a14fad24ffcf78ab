package engine

import (
	"iter"
	"slices"
	"time"

	"github.com/lambdapool/lambdapool/internal/registry"
)

// A readyQueue holds what can be sent now, and says what is next so that all who
// wait share the workers: as a whole, single calls get as many as runs do; among
// the single calls, each function as many as another; among the runs, each run. What
// one of them has no use for, the others have. A share is of invocations in flight, not
// of turns, so that long invocations get no more than short ones.
type readyQueue struct {
	singles, runs class
	floor         time.Duration                 // the most that a class had used when it got its turn
	functions     map[*registry.Function]*party // of single calls
}

// A share is what somebody has of the workers.
type share struct {
	flights int           // invocations in flight
	used    time.Duration // how long those took that have landed; see class.enter
}

// before reports whether s comes before t: it has less of the workers now, or had
// less of them lately. The second decides where there are fewer workers than parties.
func (s *share) before(t *share) bool {
	if s.flights != t.flights {
		return s.flights < t.flights
	}
	return s.used < t.used
}

// landed takes back an invocation that lasted for took. One that took no time counts too, or
// its party would have the turn for ever.
func (s *share) landed(took time.Duration) {
	s.flights--
	s.used += max(took, time.Nanosecond)
}

// A party is one of those who share: a run, or the single calls of a function.
type party struct {
	share

	queue  *readyQueue
	class  *class
	lane   *Lane     // of a run
	calls  callQueue // single calls, or calls of the run that are sent again
	listed bool      // in its class: it has something to send
}

// sendable reports whether the party has something to send now. It passes over what has ended.
func (p *party) sendable(now time.Time) bool {
	if p.lane == nil {
		return p.calls.peek(now) != nil
	}
	if c := p.calls.peek(now); c != nil {
		if at := p.lane.rated.permits(c); at.After(now) {
			p.lane.e.wake(at)
			return false
		}
		return p.lane.affordable(c.size())
	}
	return p.lane.sendable(now)
}

// next takes the next call of a sendable party: what is sent again comes first.
func (p *party) next(now time.Time) *Call {
	if c := p.calls.head; c != nil {
		p.calls.remove(c)
		if p.lane != nil {
			p.lane.rated.took(c, now)
		}
		return c
	}
	return p.lane.next(now)
}

// idle reports whether nothing waits.
func (p *party) idle() bool {
	return p.calls.head == nil && (p.lane == nil || p.lane.queued() == 0)
}

// A class is the single calls or the runs. Its own share is that of all its parties.
type class struct {
	share

	parties []*party      // that have something to send
	floor   time.Duration // the most that one had used when it got its turn
}

// best returns the sendable party that comes first, or nil. It takes out those that are
// idle; their next call or item lists them again.
func (c *class) best(now time.Time) (best *party) {
	for i := 0; i < len(c.parties); {
		p := c.parties[i]
		if p.idle() {
			p.listed = false
			c.parties = slices.Delete(c.parties, i, i+1)
			continue
		}
		if (best == nil || p.before(&best.share)) && p.sendable(now) {
			best = p
		}
		i++
	}
	return best
}

// pick chooses whose call is sent next, or returns nil when there is nothing. What
// it chose stays good until e.mu is released: calls are claimed without that lock, so that
// to look a second time might be to find nothing.
func (q *readyQueue) pick(now time.Time) *party {
	single, run := q.singles.best(now), q.runs.best(now)
	if single == nil || run != nil && q.runs.before(&q.singles.share) {
		return run
	}
	return single
}

// take takes out the next call of the party that pick has chosen. It may have ended
// since: it is claimed, and is not sent.
func (q *readyQueue) take(p *party, now time.Time) *Call {
	p.class.floor = max(p.class.floor, p.used)
	q.floor = max(q.floor, p.class.used)
	return p.next(now)
}

// push queues a call: a single one, or one of a run that is sent again.
func (q *readyQueue) push(c *Call) {
	c.party.calls.push(c)
	q.enter(c.party)
}

// pushFront queues a call that has waited for its turn before.
func (q *readyQueue) pushFront(c *Call) {
	c.party.calls.pushFront(c)
	q.enter(c.party)
}

// enter lists p, which has something to send. Neither a party nor a class is to make up for
// the time when it had nothing, so it begins where the others are.
func (q *readyQueue) enter(p *party) {
	if p.listed {
		return
	}
	p.listed = true
	if len(p.class.parties) == 0 {
		p.class.used = max(p.class.used, q.floor)
	}
	p.used = max(p.used, p.class.floor)
	p.class.parties = append(p.class.parties, p)
}

// leave takes p out if it has nothing to send, so that nothing is kept of a run that has ended.
func (q *readyQueue) leave(p *party) {
	if !p.listed || !p.idle() {
		return
	}
	p.listed = false
	i := slices.Index(p.class.parties, p)
	p.class.parties = slices.Delete(p.class.parties, i, i+1)
}

// of returns the party of f's single calls.
func (q *readyQueue) of(f *registry.Function) *party {
	p := q.functions[f]
	if p == nil {
		if q.functions == nil {
			q.functions = map[*registry.Function]*party{}
		}
		p = &party{queue: q, class: &q.singles}
		q.functions[f] = p
	}
	return p
}

// lanes are those that have something to send, or had when it was last looked.
func (q *readyQueue) lanes() iter.Seq[*Lane] {
	return func(yield func(*Lane) bool) {
		for _, p := range q.runs.parties {
			if !yield(p.lane) {
				return
			}
		}
	}
}
