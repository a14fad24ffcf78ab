package agent

// What the tests reach inside for: decisions.
var (
	Deadlines  = deadlines
	ProcsFor   = procsFor
	PeakMemory = peakMemory
)
