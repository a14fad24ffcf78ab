package driver

import (
	"context"
	"time"
)

// A Backend carries one request to an agent and brings back what it said.
// It makes exactly one attempt and decides nothing: retrying, slowing down,
// hedging and giving up are the executor's. Implementations live in
// backend/local, backend/inproc and backend/awslambda; backend/backendtest has
// the conformance suite that each of them passes.
//
// Methods are safe for concurrent use. Several executors may share a Backend. If Invoke
// panics or ends its goroutine, the outcome of the attempt is unknown; one that does
// not return although its context has ended keeps a worker.
//
// A Backend that knows which build of the program its agents should be may have a
// method Build() string that says so. It is asked once, after the first reply in which an
// agent names its own; the executor logs a warning if they differ. Empty is not known.
//
// A Backend whose functions can call on their own pool from where they run, in other processes, may
// have a method Nests() (most int, ok bool) that says so. It is asked once. If ok is true, the executor
// shares its workers out over the depths of such calls, and requests say what their functions may
// call. most is how many invocations there can be at once, 0 where that is not known.
type Backend interface {
	// Invoke delivers req.Payload to an agent and returns its reply. It blocks
	// until then, and returns early when ctx ends, even if the agent runs on.
	// The error should be an *InvokeError; any other counts as OutcomeUnknown.
	// Invoke does not keep or change the payload after it returns.
	Invoke(ctx context.Context, req *Request) (*Response, error)

	// Limits returns what one invocation can carry. It does not block and
	// always returns the same, but for a [LimitsWatcher].
	Limits() Limits
}

// A LimitsWatcher is a [Backend] that learns after it was opened how fast its platform lets load grow: it need not be waited
// for. Burst, Ramp and Rate of its [Limits] may change then, and nothing else. An executor asks such a backend in New and
// follows what it is told; it does not see it behind a type of the program's that wraps the backend without this method.
type LimitsWatcher interface {
	// WatchLimits calls f with the limits of now before it returns, and again after each change, until stop is called:
	// once stop has returned, f is not called any more. It does not block for long, and does not call f twice at once.
	// f returns soon, and calls neither WatchLimits nor stop.
	WatchLimits(f func(Limits)) (stop func())
}

// A Detacher is a [Backend] that also takes requests for which nobody waits: the
// platform queues them and delivers each at least once, if it does not drop it. It
// says nothing of what became of them. Methods are safe for concurrent use.
//
// A Detacher that lacks what it needs for that, such as a queue, may have a method CanDetach() error that says so. It
// is asked before a run is begun. The error should be an *InvokeError, whose Hint says what is missing.
type Detacher interface {
	// InvokeEvent queues req and returns the platform's id for it. It makes exactly
	// one attempt and blocks until the platform has accepted the request. Errors
	// are as those of Invoke; OutcomeUnknown means that it may be queued.
	InvokeEvent(ctx context.Context, req *Request) (requestID string, err error)

	// EventLimits returns what the platform does with such requests. It does not
	// block and always returns the same.
	EventLimits() EventLimits
}

// EventLimits is what a platform does with requests for which nobody waits. None is negative: no detached run begins on such a backend.
type EventLimits struct {
	Request int           // bytes of Request.Payload at most; 0: no limit known
	Age     time.Duration // how long a request may wait in the queue, at most
	Retries int           // further deliveries after a function failed or crashed, at most
}

// MaxWorkers is the most that an option for a number of workers takes, and that Workers of [Limits]
// should say. It is far above what an account allows, and keeps a slip of the pen (bytes,
// nanoseconds) from becoming a million connections.
const MaxWorkers = 100_000

// Limits is what a backend can carry. A zero field means: no limit known. None is negative or infinite, or NaN:
// lambdapool.New refuses such a backend, and leaves out what a [LimitsWatcher] tells of that kind.
type Limits struct {
	Workers  int           // invocations in flight that suit it best; what WithWorkers defaults to
	Request  int           // bytes of Request.Payload at most
	Response int           // bytes of Response.Payload at most
	Timeout  time.Duration // how long one invocation may run
	Raw      bool          // Request.Payload may be any bytes, and is the frame itself: see Request

	// Granularity is what the platform rounds billed time up to. Set it where a short invocation
	// costs as much as one of this length: the executor then fills it with items where that costs no
	// time, and budgets round up likewise. Zero: what is charged is what was used, or
	// [Response.Billed] says it.
	Granularity time.Duration

	// Wait is how long the platform lets a request wait for an agent before it refuses it. Set it where
	// that is long: the time of an invocation at the client then says little of how long an agent takes,
	// and a throttle is known late. The executor learns from the agent's own time instead. Zero: it refuses at once.
	Wait time.Duration

	// What the platform charges, in US dollars: for a GB-second, which is memory times billed time with the
	// processors that come with it, and for a request. Both zero: AWS Lambda's list prices, see package price.
	PerGBSecond, PerRequest float64

	// How the platform lets load grow; the executor keeps to it so that little
	// is refused.
	Burst int     // agents that may start at once when all are cold
	Ramp  float64 // further agents per second
	Rate  float64 // requests per second for each agent
}

// A Request is one invocation on its way to an agent.
type Request struct {
	Payload  []byte    // a JSON string, as codec.EncodeRequest makes it; with Limits.Raw as codec.EncodeRawRequest does
	Registry *Registry // the client's, for a backend whose agent is this process
}

// A Response is what an invocation brought back.
// Durations and sizes are the platform's; what it does not say is zero.
type Response struct {
	Payload         []byte // raw bytes or a JSON string, for codec.DecodeReply
	RequestID       string
	ExecutedVersion string        // "$LATEST" or a number
	Duration        time.Duration // run time in the agent
	Billed          time.Duration // what is charged
	Init            time.Duration // the cold start, zero when warm
	MemoryLimit     int64         // bytes
	MemoryPeak      int64         // bytes
	LogTail         string        // the end of the function's log, at most 4 KB
}
