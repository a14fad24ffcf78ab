// Package shards decides which of several functions gets the next invocation, where they were made of one
// archive and stand for one. A platform's scaling law is per function, so several of them grow faster.
//
// Everything here is pure: every method is given the time, and there are no goroutines, timers or locks. Whoever
// owns a [Set] calls it under a lock of its own. When an invocation may start at all is not decided here: the
// executor's limiter does that, with the law of all shards together. A [Router] is the same under a lock, for backends. This
// room knows the packages schedule and driver, and nothing of a platform.
package shards

import (
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

// How long a shard that failed is left alone: a second at first, twice as long each time, up to a minute.
const (
	firstRest = time.Second
	maxRest   = time.Minute
)

// A Set is the shards of one function. Each has a limiter of its own, which learns from its refusals only.
type Set struct {
	workers int
	law     schedule.Law // of each
	shards  []shard
	events  int // the shard that got the last one for which nobody waits
}

// A shard is one function of them.
type shard struct {
	limiter *schedule.Limiter
	failed  int       // times in a row
	noticed time.Time // when it was found to have failed last
	rests   time.Time // until then nothing is sent to it, while another one works
}

// New returns a set of n shards, at least 1, for a pool of so many workers. Each of them follows law.
func New(n, workers int, law schedule.Law) *Set {
	s := &Set{workers: workers, law: law, events: -1}
	s.Grow(max(n, 1))
	return s
}

// Grow adds shards until there are n. Those that are there go on as they were.
func (s *Set) Grow(n int) {
	for len(s.shards) < n {
		s.shards = append(s.shards, shard{limiter: schedule.NewLimiter(s.workers, s.law)})
	}
}

// Take returns the shard that the next invocation goes to: of those that work, the one with the most idle
// environments, and where none is idle the one with the most room. Of equal ones the first, so that a
// small load keeps to one shard, and to its environments. It always returns one: when no shard has
// room, the one that lacks least. [Set.Done] must be called exactly once for each Take.
func (s *Set) Take(now time.Time) int {
	best, most := 0, score{}
	for i := range s.shards {
		if has := s.score(i, now); i == 0 || has.above(most) {
			best, most = i, has
		}
	}
	s.visit(best, now)
	if ok, _ := s.shards[best].limiter.Acquire(now); !ok {
		s.shards[best].limiter.Enter(now)
	}
	return best
}

// Done gives a shard's slot back and tells it how the invocation ended. It reports whether the shards that have room
// and were not refused lately are at least half of those that work. Then a refusal was the shard's own, and the request
// can be sent elsewhere. Otherwise it is the account that refuses, and the whole pool must slow down.
func (s *Set) Done(i int, now time.Time, r schedule.Result) (elsewhere bool) {
	sh := &s.shards[i]
	sh.limiter.Release(now, r)
	if r.Verdict == schedule.Admitted {
		sh.failed, sh.rests = 0, time.Time{}
	}
	work, free := 0, 0
	for j := range s.shards {
		other := &s.shards[j]
		if other.failed > 0 {
			continue
		}
		work++
		if room, _ := other.limiter.Room(now); j != i && room >= 1 && !other.limiter.Throttled(now) {
			free++
		}
	}
	return free > 0 && 2*free >= work
}

// Failed says that a shard cannot be invoked: it is missing, may not be called, or does not start. It rests then. What
// began before that was known says nothing new: a hundred invocations at once that fail are one failure. The
// result is whether another shard works, or has rested, so that the request can be sent there.
func (s *Set) Failed(i int, began, now time.Time) (elsewhere bool) {
	if sh := &s.shards[i]; sh.failed == 0 || began.After(sh.noticed) {
		sh.failed++
		sh.noticed = now
		s.rest(i, now)
	}
	for j := range s.shards {
		if j != i && !s.shards[j].resting(now) {
			return true
		}
	}
	return false
}

// TakeEvent returns the shard that the next invocation goes to for which nobody waits: one after the other, as their
// queues hide how much room there is. Nothing has to be given back.
func (s *Set) TakeEvent(now time.Time) int {
	for range s.shards {
		s.events = (s.events + 1) % len(s.shards)
		if !s.shards[s.events].resting(now) {
			s.visit(s.events, now)
			return s.events
		}
	}
	s.events = (s.events + 1) % len(s.shards)
	return s.events
}

// Working says that a shard has taken an event.
func (s *Set) Working(i int) { s.shards[i].failed, s.shards[i].rests = 0, time.Time{} }

// visit has a shard that failed rest again, so that a single request finds out whether it works.
func (s *Set) visit(i int, now time.Time) {
	if s.shards[i].failed > 0 {
		s.rest(i, now)
	}
}

// rest leaves a shard alone for a while.
func (s *Set) rest(i int, now time.Time) {
	rest := maxRest
	if doublings := s.shards[i].failed - 1; doublings < 6 {
		rest = firstRest << doublings
	}
	s.shards[i].rests = now.Add(min(rest, maxRest))
}

func (s *shard) resting(now time.Time) bool { return s.failed > 0 && now.Before(s.rests) }

// A score orders shards.
type score struct {
	works      bool
	room, idle float64
}

func (s *Set) score(i int, now time.Time) score {
	sh := &s.shards[i]
	room, idle := sh.limiter.Room(now)
	return score{works: !sh.resting(now), room: room, idle: idle}
}

// above reports whether s is the better place.
func (s score) above(t score) bool {
	switch {
	case s.works != t.works:
		return s.works
	case s.idle >= 1 || t.idle >= 1:
		return s.idle > t.idle
	}
	return s.room > t.room
}
