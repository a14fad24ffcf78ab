package deploy

import "github.com/lambdapool/lambdapool/deploy/shared"

// What deployments to other clouds say as well is defined in package shared.
type (
	// An Error says what could not be done, why, what helps, and what it leaves behind. Almost every error
	// of this package is one, so take it apart with errors.As. Use errors.Is for the sentinels.
	Error = shared.Error
	// A Leftover is something that was made and could not be removed again.
	Leftover = shared.Leftover
	// An Event is a step of a longer operation, for a person who waits: see [WithProgress].
	Event = shared.Event
	// A Level says how bad a [Finding] is. It is a word, to be printed.
	Level = shared.Level
	// A Finding is one thing that [Client.Doctor] looked at, good or bad.
	Finding = shared.Finding
	// A Registry is what an agent says about itself.
	Registry = shared.Registry
	// A RegisteredFn is a function that an agent has.
	RegisteredFn = shared.RegisteredFn
	// A Call is one call of a registered function, with JSON instead of Go values.
	Call = shared.Call
	// A Result is what a call returned, and what the run took. It can be printed as JSON.
	Result = shared.Result
	// A LogLine is an entry of a function's log. Text may come from a user's function: escape it before you
	// print it to a terminal.
	LogLine = shared.LogLine
	// LogQuery says which entries are wanted. The zero value is all there is, once.
	LogQuery = shared.LogQuery
)

// The levels of a [Finding], from the best.
const (
	OK      = shared.OK      // as it should be
	Note    = shared.Note    // worth knowing, or could not be looked at
	Warning = shared.Warning // makes runs slow, or old code answer
	Problem = shared.Problem // makes calls fail, or return what nobody expects
)

// What errors.Is finds in the errors of this package: see package shared. Where an agent was called, it also
// finds the sentinels of package lambdapool.
var (
	ErrInvalid  = shared.ErrInvalid  // a value was refused before it was sent
	ErrNotAgent = shared.ErrNotAgent // the package, or what answers, is no lambdapool agent
	ErrExists   = shared.ErrExists   // there is a function of that name already
	ErrNotFound = shared.ErrNotFound // there is no such function, version, role or log group
	ErrForeign  = shared.ErrForeign  // lambdapool did not make it, and leaves it alone
	ErrChanged  = shared.ErrChanged  // somebody else changed the function meanwhile
	ErrNotReady = shared.ErrNotReady // what was waited for did not come in time, or ended in failure
	ErrSmoke    = shared.ErrSmoke    // the function is deployed, but its agent does not answer as one
)
