package agent

// What the tests reach inside for: pure decisions.
var (
	Deadlines = deadlines
	ProcsFor  = procsFor
)
