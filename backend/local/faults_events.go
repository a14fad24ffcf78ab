package local

import "math/rand/v2"

func (f *Faults) eventShares() []share {
	return []share{
		{FaultEventDrop, f.EventDrop},
		{FaultEventDuplicate, f.EventDuplicate},
		{FaultEventCrash, f.EventCrash},
	}
}

// befall decides about the next event and returns how often it is to be delivered.
func (f *faults) befall(inv *invocation) (copies int) {
	if f == nil {
		return 1
	}
	// Another sequence than that of synchronous invocations: neither disturbs the other.
	drawn := f.pick(rand.NewPCG(^f.Seed, f.events.Add(1)), f.eventShares())
	switch {
	case drawn.happens(FaultEventDrop):
		return 0
	case drawn.happens(FaultEventDuplicate):
		return 2
	}
	inv.fate = drawn
	return 1
}
