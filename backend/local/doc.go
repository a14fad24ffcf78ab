// Package local is AWS Lambda in this machine: real agent processes that speak the real
// Runtime API, behind the real Invoke API on loopback. It is what the pool runs on in
// development and in tests; the client code between them is the one that production uses.
//
//	func main() {
//		agent.Main() // this program is its own agent
//		pool, err := backend.NewExecutor(ctx, "local:")
//		if err != nil { … }
//		defer pool.Close()
//		…
//	}
//
// [New] is for what no URL can say, and for the endpoint that other AWS clients use.
//
// # What is like Lambda
//
// Requests must be JSON, and stay within Lambda's sizes; so must replies. More invocations
// than the concurrency are refused, not queued. An agent has its memory, its timeout and
// its environment, and is killed, with everything it started, when it exceeds the first
// two. It is reused while warm, and on request frozen between invocations ([WithFreeze]).
// It has the credentials of a role, which are good for this endpoint only. The shapes of
// errors, headers and log lines are the service's, so that what handles them here handles
// them there.
//
// An init that takes longer than 10 s is repeated within the function's timeout. A runtime
// that asks for work twice without an answer gets the same event. One that answers a
// value and exits, instead of asking for more, fails the invocation, and the log says so.
//
// Requests are held to what was signed: for the service that the operation belongs to, with
// every x-amz- header. The member names of JSON are case-sensitive. An operation that is
// not served is answered 501 with its name, never 404; so is a request for a service that
// there is not.
//
// # What is not
//
// An agent is an ordinary process of this user: it is not confined, and sees this machine's
// files and network. It may use all CPUs, whatever its memory setting. Memory is the
// resident size of the agent's process, sampled every few milliseconds; on Linux it has its
// peak, and the processes that the agent has started count too. The largest of them is
// killed. Event invocations are queued in memory and lost with the process, unless
// [WithData] keeps them. They run as soon as an agent is free, where Lambda may take longer
// to notice; destinations are kept and shown, but nothing is sent there.
//
// # Large payloads
//
// Arguments and results that an invocation cannot carry go through an object store
// of the embedded Lambda, as they go through S3 on AWS: agents get links, which
// expire, and plain HTTP. [WithStoreSize] bounds it, and [WithData] keeps it, with
// the queue of detached calls, in a directory.
//
// # What agents print
//
// It goes to the stderr of this program, each line after "[agent N] " and with control
// characters escaped, unless [WithLogOutput] says otherwise. The end of it is in the
// error of a call whose agent crashed: %+v prints it.
//
// # Faults on request
//
// WithFaults makes it fail: throttles, server errors, resets, spoilt and slow answers,
// stragglers, crashes, agents of another build, events lost and delivered twice. Faults are
// seeded and counted, so that a test of what a program does about them can be repeated, and
// knows that they have happened.
//
// # A server
//
// [NewServer] is the same for those who deploy: it begins without a function,
// and has the control plane to create some from zips, whose bootstrap really
// runs. One endpoint serves Lambda, and as much of IAM, STS and CloudWatch Logs
// as that takes, to the AWS CLI, the SDKs and package deploy, as strict as the
// services about names, sizes, states, revisions and error codes.
//
// Not like Lambda: roles, policies and permissions grant nothing. VPCs, layers and dead
// letter queues are kept and shown, but not acted upon. Layers must exist, and are those
// that were published here, but their content is not put into /opt, which is this machine's
// and shared by all agents: each agent of a function with layers says so in the log when it
// starts. InvokeWithResponseStream sends what a function has returned when it is done.
// There are no function URLs, event source mappings, provisioned concurrency or code
// signing: all that is answered 501. The space in /tmp is not bounded. Code comes as a zip,
// in the request or from where [WithCodeFrom] reads it, for OS-only runtimes and this
// machine's architecture, and is refused at once when its bootstrap cannot run. While an
// update is InProgress, the old code serves; an Event invocation runs on the code that was
// there when it was accepted.
//
// # Nothing stays behind
//
// NewServer unpacks code into one temporary directory, and starts a process that removes it
// should this one be killed. Apart from that, no file with a name is created; payloads too
// large for an invocation lie in files without one, which go with the process. Close ends
// all agents, with the processes that they started, and frees the port. If this process
// ends without Close, even by SIGKILL, an agent hears of it through a pipe that only this
// process holds, and ends itself and its children. A program given by WithBinary that does
// not call agent.Main knows nothing of that pipe: on Linux the kernel kills it, elsewhere
// it ends when it asks for its next invocation, and its own children remain. A process that
// an agent starts in a session of its own is always beyond reach.
//
// Linux and macOS; elsewhere New returns an error.
package local
