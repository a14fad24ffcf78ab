package lambdapool

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
// Methods are safe for concurrent use. Several executors may share a Backend.
type Backend interface {
	// Invoke delivers req.Payload to an agent and returns its reply. It blocks
	// until then, and returns early when ctx ends, even if the agent runs on.
	// The error should be an *InvokeError; any other counts as OutcomeUnknown.
	// Invoke does not keep or change the payload after it returns.
	Invoke(ctx context.Context, req *Request) (*Response, error)

	// Limits returns what one invocation can carry. It does not block and
	// always returns the same.
	Limits() Limits
}

// A Detacher is a [Backend] that also takes requests for which nobody waits: the
// platform queues them and delivers each at least once, if it does not drop it. It
// says nothing of what became of them. Methods are safe for concurrent use.
type Detacher interface {
	// InvokeEvent queues req and returns the platform's id for it. It makes exactly
	// one attempt and blocks until the platform has accepted the request. Errors
	// are as those of Invoke; OutcomeUnknown means that it may be queued.
	InvokeEvent(ctx context.Context, req *Request) (requestID string, err error)

	// EventLimits returns what the platform does with such requests. It does not
	// block and always returns the same.
	EventLimits() EventLimits
}

// EventLimits is what a platform does with requests for which nobody waits.
type EventLimits struct {
	Request int           // bytes of Request.Payload at most; 0: no limit known
	Age     time.Duration // how long a request may wait in the queue, at most
	Retries int           // further deliveries after a function failed or crashed, at most
}

// Limits is what a backend can carry. A zero field means: no limit known.
type Limits struct {
	Workers  int           // invocations in flight that suit it best; what WithWorkers defaults to
	Request  int           // bytes of Request.Payload at most
	Response int           // bytes of Response.Payload at most
	Timeout  time.Duration // how long one invocation may run

	// How the platform lets load grow; the executor keeps to it so that little
	// is refused.
	Burst int     // agents that may start at once when all are cold
	Ramp  float64 // further agents per second
	Rate  float64 // requests per second for each agent
}

// A Request is one invocation on its way to an agent.
type Request struct {
	Payload  []byte    // a JSON string, as codec.EncodeRequest makes it
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
}

// An InvokeError says why an attempt brought no reply, and what is known about it.
type InvokeError struct {
	Outcome    Outcome
	Kind       error         // the sentinel a caller sees if the call ends here
	Err        error         // the cause, never nil
	Reason     string        // of a throttle: which limit, in the platform's words
	RetryAfter time.Duration // the platform's wish; 0: none
	Permanent  bool          // the same request cannot succeed if it is sent again
	RequestID  string
	Hint       string    // what to do about it
	LogTail    string    // the end of the function's log, at most 4 KB
	Response   *Response // measurements of a failed run (billed time, memory), or nil
}

func (e *InvokeError) Error() string {
	if e.Kind == nil || e.Kind == e.Err {
		return e.Err.Error()
	}
	return e.Kind.Error() + ": " + e.Err.Error()
}

// Unwrap returns the sentinel and the cause.
func (e *InvokeError) Unwrap() []error {
	if e.Kind == nil {
		return []error{e.Err}
	}
	return []error{e.Kind, e.Err}
}
