// Package httpwire is what an agent that is reached over HTTP and its clients agree on: paths, headers,
// the variables that a deployer sets, and what containers carry. It knows no server and no client.
package httpwire

import "time"

// Where an agent answers. Paths that end in "z" and /eventlog are Cloud Run's own.
const (
	InvokePath = "/lambdapool/v1/invoke" // POST a request frame; 200 brings the reply frame
	HealthPath = "/lambdapool/v1/health" // GET: 200 while the agent takes requests
)

// Mark is a header that every answer of an agent has, whatever its status. An answer without it
// is the platform's, or a stranger's: whether the function ran is another question then.
const (
	Mark      = "Lambdapool-Agent"
	MarkValue = "1"
)

// RequestID is a header of an agent's answer: the id under which the agent's log has the invocation.
const RequestID = "Lambdapool-Request"

// Traceparent is W3C's header. Cloud Run takes its trace id for the links between logs and requests.
// Source: w3.org/TR/trace-context, and cloud.google.com/run/docs/trace.
const Traceparent = "Traceparent"

// Within is a header of requests, a duration such as "1740s": how long whoever sent it waits for an answer. An agent that
// has been given more time than that by its deployer takes no more than this.
const Within = "Lambdapool-Within"

// What Google's services add to the requests that they pass on.
const (
	// TaskName is Cloud Tasks' header: the request comes from a queue, which delivers it again after every answer that is
	// not 2xx. Source: cloud.google.com/tasks/docs/creating-http-target-tasks#handler, 2026-11.
	TaskName = "X-Cloudtasks-Taskname"
	// CloudTrace is TRACE/SPAN;o=OPTIONS, where Traceparent is not to be had. Source: cloud.google.com/trace/docs/trace-context,
	// 2026-11.
	CloudTrace = "X-Cloud-Trace-Context"
)

// What a deployer says to the agent, in the environment.
const (
	EnvAgent       = "LAMBDAPOOL_AGENT"       // "http": this process is an agent behind HTTP
	EnvPort        = "PORT"                   // where it listens, on every interface; containers are told so
	EnvAddress     = "LAMBDAPOOL_ADDRESS"     // HOST:PORT instead, where a host is shared
	EnvAuth        = "LAMBDAPOOL_AUTH"        // "platform": whoever arrives was let in already; "token", the default
	EnvToken       = "LAMBDAPOOL_TOKEN"       // the bearer token that callers must have
	EnvTimeout     = "LAMBDAPOOL_TIMEOUT"     // how long a request may take, such as "300s"
	EnvMemory      = "LAMBDAPOOL_MEMORY"      // MB
	EnvCPU         = "LAMBDAPOOL_CPU"         // vCPUs, such as "2" or "0.5"
	EnvConcurrency = "LAMBDAPOOL_CONCURRENCY" // requests at once
)

// The values of EnvAgent and EnvAuth.
const (
	AgentHTTP    = "http"
	AuthPlatform = "platform"
	AuthToken    = "token"
)

// MinToken is the shortest bearer token that is accepted, in bytes: 128 bits in hexadecimal.
const MinToken = 32

const (
	// MaxBody is the largest body of a request and of an answer. It is what Cloud Run carries over
	// HTTP/1 (cloud.google.com/run/quotas, 2026-11), and more than most other platforms' default.
	MaxBody = 32 << 20

	// DefaultTimeout is what an agent, and a client, assume when nothing was said: Cloud Run's default
	// (cloud.google.com/run/docs/configuring/request-timeout, 2026-11).
	DefaultTimeout = 5 * time.Minute

	// MaxTimeout is the longest that Cloud Run gives a request (same page, 2026-11).
	MaxTimeout = time.Hour
)
