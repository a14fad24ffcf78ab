// Package local is AWS Lambda in this machine: real agent processes that speak
// the real Runtime API, behind the real Invoke API on loopback. It is what the
// pool runs on in development and in tests; the client code between them is
// the one that production uses.
//
//	func main() {
//		agent.Main() // this program is its own agent
//		b, err := local.New()
//		if err != nil { … }
//		defer b.Close()
//		e, err := lambdapool.New(b)
//		…
//	}
//
// # What is like Lambda
//
// Requests must be JSON, and stay within Lambda's sizes; so must replies. More
// invocations than the concurrency are refused, not queued. An agent has its
// memory, its timeout and its environment, and is killed, with everything it
// started, when it exceeds the first two. It is reused while warm. The shapes
// of errors, headers and log lines are the service's, so that what handles
// them here handles them there.
//
// # What is not
//
// An agent is an ordinary process of this user: it is not confined, sees this
// machine's files and network, and gets no AWS credentials. It may use all
// CPUs, whatever its memory setting. Memory is the resident size of the agent's
// own process, sampled every few milliseconds, on Linux with its peak; children
// of the agent are not counted. Event invocations are queued in memory and lost
// with the process. They run as soon as an agent is free, where Lambda may take
// longer to notice; destinations are kept and shown, but nothing is sent there.
//
// # Large payloads
//
// Arguments and results that an invocation cannot carry go through an object store
// of the embedded Lambda, as they go through S3 on AWS: agents get links, which
// expire, and plain HTTP. [WithStoreSize] bounds it.
//
// # Faults on request
//
// WithFaults makes it fail: throttles, server errors, resets, spoilt and slow
// answers, stragglers, crashes, agents of another build, events lost and delivered twice. Faults are seeded and
// counted, so that a test of what a program does about them can be repeated,
// and knows that they have happened.
//
// # A server
//
// [NewServer] is the same for those who deploy: it begins without a function,
// and has the control plane to create some from zips, whose bootstrap really
// runs. One endpoint serves Lambda, and as much of IAM, STS and CloudWatch Logs
// as that takes, to the AWS CLI, the SDKs and package deploy, as strict as the
// services about names, sizes, states, revisions and error codes.
//
// Not like Lambda: roles and policies grant nothing. VPCs, layers and dead letter
// queues are kept and shown, but not acted upon. The space in /tmp is not bounded.
// Code comes as a zip in the request, without S3 or images, for OS-only runtimes
// and this machine's architecture, and is refused at once when its bootstrap
// cannot run. An update is used by the next invocation, even while it is
// InProgress; an Event invocation runs on the code that was there when it was accepted.
//
// # Nothing stays behind
//
// NewServer unpacks code into one temporary directory, and starts a process that
// removes it should this one be killed. Apart from that, no file with a name is
// created; payloads too large for an invocation lie in files without one, which
// go with the process. Close ends all agents, with the processes that they
// started, and frees the port. If this process ends without Close, even by
// SIGKILL, an agent hears of it through a pipe that only this process holds, and
// ends itself and its children. A program given by WithBinary that does not call
// agent.Main knows nothing of that pipe: on Linux the kernel kills it, elsewhere
// it ends when it asks for its next invocation, and its own children remain.
// A process that an agent starts in a session of its own is always beyond reach.
//
// Linux and macOS; elsewhere New returns an error.
package local
