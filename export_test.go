package lambdapool

// Kept returns what an executor holds for calls, by name, without what is zero.
func (e *Executor) Kept() map[string]int { return e.core.Kept() }
