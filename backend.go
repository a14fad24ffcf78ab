package lambdapool

import "github.com/lambdapool/lambdapool/driver"

// What backends implement is package driver. These are its names, for programs that wrap a backend,
// put one of their own under an executor in a test, or look into an [InvokeError]; whoever brings functions
// to another platform imports driver itself.
type (
	// A Backend carries one request to an agent and brings back what it said, in exactly one
	// attempt. Programs get one from package backend, or from the packages below it, and give it to [New].
	Backend = driver.Backend
	// Limits is what one invocation of a backend can carry: bytes, time, how many at once. A zero field
	// means that no limit is known.
	Limits = driver.Limits
	// A Request is one invocation on its way to an agent.
	Request = driver.Request
	// A Response is what an invocation brought back, with the platform's measurements.
	Response = driver.Response
	// An InvokeError says why an attempt brought no answer, and what is known about it. A [PoolError]
	// wraps the one that ended a call: errors.As finds it.
	InvokeError = driver.InvokeError
	// An Outcome says what is known about whether the function ran: [PoolError].Outcome.
	Outcome = driver.Outcome

	// A Detacher is a backend that also takes requests for which nobody waits, as [MapDetached] sends them.
	Detacher = driver.Detacher
	// EventLimits is what a platform does with such requests.
	EventLimits = driver.EventLimits

	// A Storer is a backend that may have a [Store].
	Storer = driver.Storer
	// A Store carries payloads that invocations cannot, and records detached runs.
	Store = driver.Store
	// A Linker signs what agents may do with the objects of a [Store]: they have no rights of their own.
	Linker = driver.Linker
	// A Link is a pre-signed URL: whoever has it may get, or put, one object until it expires, or post any
	// objects below one prefix. It prints, formats and logs without its query and its form, which are
	// credentials.
	Link = driver.Link
	// A Listing is a page of what is in a [Store].
	Listing = driver.Listing
	// An Object is something in a [Store].
	Object = driver.Object

	// A Registry maps names to functions. The same registrations are compiled into client and agent; a
	// name is how one refers to the other's function. [DefaultRegistry] is one, [NewRegistry] makes another.
	// It is safe for concurrent use.
	Registry = driver.Registry
	// A Function is a registered function without its static types, as [Registry.Lookup] finds it and
	// agents see it. It is immutable and safe for concurrent use.
	Function = driver.Function
)

// What is known about whether the user's function ran.
const (
	// OutcomeUnknown: nobody can tell. It is the zero value on purpose: what nobody vouches for is unknown.
	OutcomeUnknown = driver.OutcomeUnknown
	// OutcomeNotRun: the function certainly did not run. What only shared an invocation with others
	// that ran and was not begun itself is meant too.
	OutcomeNotRun = driver.OutcomeNotRun
	// OutcomeRan: the function certainly began to run. Of items whose invocation failed as a whole nobody
	// can tell that: theirs is OutcomeUnknown.
	OutcomeRan = driver.OutcomeRan
)

// ErrStore says that the object store failed that carries large payloads and records detached runs.
var ErrStore = driver.ErrStore
