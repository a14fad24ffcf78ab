package detached

import "strings"

// A job of package mapreduce for which nobody waits is two runs: that of its mappers has the job's name, and that of its
// reducers the same with Reducing behind it. Anybody may give a run such a name, so what they call says more: a job registers
// its phases under its own name with these endings.
const (
	Reducing    = ".reduce"
	MapPhase    = "/map"
	ReducePhase = "/reduce"
	WritePhase  = "/write" // reducers that write objects
)

// Continues reports whether second is the function of a second phase, and first that of the first one of the same job.
func Continues(first, second string) bool {
	job, ok := strings.CutSuffix(first, MapPhase)
	return ok && (second == job+ReducePhase || second == job+WritePhase)
}
