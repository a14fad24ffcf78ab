package engine

// Kept returns what an executor holds for calls, by name, without what is zero: nothing, once all have ended. It is for
// tests, and for who suspects a leak.
func (e *Executor) Kept() map[string]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	kept := map[string]int{
		"live": e.live.n, "waiting": e.waiting, "groups": len(e.groups), "busy": e.busy, "callbacks": e.callbacks,
		"later": e.later.Len(), "expiring": e.expiring.Len(),
		"parties": len(e.ready.singles.parties) + len(e.ready.runs.parties) + e.deepParties(), "hedges wanted": len(e.hedges.wanted), "hedges watched": len(e.hedges.watched),
		"in flight": e.limiter.Inflight() + e.nested.lent, "granted": e.granted, "keys": e.on.Payloads.Needed(),
	}
	for name, n := range kept {
		if n == 0 {
			delete(kept, name)
		}
	}
	return kept
}
