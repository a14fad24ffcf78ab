package sandbox

import (
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/faults"
)

// deathbed is how long an agent that is to die may run on; it dies at the
// latest when it answers.
const deathbed = 10 * time.Millisecond

// fatal says how the platform ends the agent during the run, or stopNone.
func fatal(d *faults.Fate) stopReason {
	switch {
	case d.Is(faults.Crash), d.Is(faults.EventCrash):
		return stopCrash
	case d.Is(faults.OutOfMemory):
		return stopMemory
	}
	return stopNone
}

// doom has an agent die that has just been given an invocation, if that is its fate.
func (s *Sandbox) doom(d *faults.Fate) {
	if why := fatal(d); why != stopNone {
		_ = d.Happens(faults.Crash) || d.Happens(faults.EventCrash) || d.Happens(faults.OutOfMemory)
		time.AfterFunc(d.Within(deathbed), func() { s.stop(why) })
	}
}

// silenced has an agent die that is about to answer the invocation with the
// given id, if that is its fate, and reports whether it is.
func (s *Sandbox) silenced(id string) bool {
	s.mu.Lock()
	inv := s.current
	s.mu.Unlock()
	if inv == nil || inv.ID != id || fatal(inv.Fate) == stopNone {
		return false
	}
	s.stop(fatal(inv.Fate))
	<-s.exited
	return true
}
