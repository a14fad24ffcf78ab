package local

import "time"

// deathbed is how long an agent that is to die may run on; it dies at the
// latest when it answers.
const deathbed = 10 * time.Millisecond

// fatal says how the platform ends the agent during the run, or stopNone.
func (d *fate) fatal() stopReason {
	switch {
	case d == nil:
	case d.kind == FaultCrash || d.kind == FaultEventCrash:
		return stopCrash
	case d.kind == FaultOutOfMemory:
		return stopMemory
	}
	return stopNone
}

// doom has an agent die that has just been given the invocation, if that is
// its fate.
func (d *fate) doom(s *sandbox) {
	if why := d.fatal(); why != stopNone {
		d.happens(d.kind)
		time.AfterFunc(time.Duration(d.dice.Int64N(int64(deathbed))), func() { s.stop(why) })
	}
}

// silenced has an agent die that is about to answer the invocation with the
// given id, if that is its fate, and reports whether it is.
func (s *sandbox) silenced(id string) bool {
	s.mu.Lock()
	inv := s.current
	s.mu.Unlock()
	if inv == nil || inv.id != id || inv.fate.fatal() == stopNone {
		return false
	}
	s.stop(inv.fate.fatal())
	<-s.exited
	return true
}

// straggle holds an invocation up that has run for some time, if that is its fate.
func (d *fate) straggle(ran time.Duration, inv *invocation, gone <-chan struct{}) {
	if d.happens(FaultStraggle) {
		more := min(float64(ran)*(d.in.StraggleBy-1), float64(time.Until(inv.deadline)))
		d.in.wait(time.Duration(more), gone)
	}
}

// delayStart holds an agent up that is ready for its first invocation.
func (f *faults) delayStart(gone <-chan struct{}) {
	if f != nil && f.ColdStart > 0 {
		f.counts[FaultColdStart].Add(1)
		f.wait(f.ColdStart, gone)
	}
}
