// Package agent runs inside the Lambda function: it takes an invocation apart,
// runs the registered functions it asks for and answers with their results. It may know codec,
// the registry and how an agent is started. No cloud SDK, no executor's decision and no backend
// must enter it: an agent starts cold, and every megabyte and every init is paid for then.
//
// A program becomes an agent by calling [Main] first thing in its main. The
// same program then serves two ends: started by a user it is the client,
// started by Lambda (or by backend/local, which plays Lambda) it is the agent.
//
//	func main() {
//		agent.Main()
//		// … the client
//	}
//
// Importing the package that registers the functions is all that an agent needs. What package
// initialization does, each cold start pays for: open connections in the functions, at their first
// call, and keep them for later ones. sync.OnceValues in a package-level variable does both:
//
//	var database = sync.OnceValues(func() (*sql.DB, error) { return sql.Open("pgx", os.Getenv("DATABASE")) })
//
// Close nothing after a call: the next one may come at once, or never. What must have succeeded before any call runs
// belongs to [OnStart], whose errors are told as such. Functions that leak end with their process after
// [MaxCallsPerAgent].
//
// # What a function may rely on
//
// Its context ends before the platform kills the process, early enough to answer in good order:
// 0.5 to 1 second before, and never more than a quarter of the time that is left. Before a result
// is recorded for a detached run it is 1 to 5 seconds. A panic becomes an error of that one call.
// What Go cannot recover from (a fatal error of the runtime, os.Exit, running out of
// memory) ends the process, and every call that runs in it at that moment.
//
// Items of one invocation run at the same time, so functions must be safe for concurrent
// use. It is one item per vCPU that comes with the function's memory, unless the client says
// otherwise (lambdapool.Parallel). What items share in package-level variables they share with
// later invocations, too: an environment serves many.
//
// The garbage collector works harder from 90 % of the memory on, unless GOMEMLIMIT is set. What a
// function prints goes to the log of the platform.
//
// A function that ignores its context is answered for when its time is up: the
// caller gets a timeout, while the goroutine runs on, and nothing in Go can stop it.
//
// Return only when all that a function has started has ended. Lambda freezes the process between
// invocations, so a goroutine that is left behind stands still, and goes on in the middle of
// another call, whose time and CPU it takes.
// Source: docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html, 2026-11.
//
// Where it must do something of its own, a function finds what the platform says of the request
// by lambdacontext.FromContext of github.com/aws/aws-lambda-go: the request's ID at least, also
// behind HTTP.
//
// # Isolation
//
// Started with LAMBDAPOOL_ISOLATION=on, as deployed functions and the agents of
// backend/local are, an agent on Linux is two processes. One only watches; the other is
// this package and the functions. When that dies, another takes its place and answers the
// same request: what had ended keeps its value, what ran has crashed, what had not begun
// runs now. Variables of the program begin anew then; files in /tmp stay, half-written ones too.
// A function that ignores its context, and has used up the function's timeout or could hold up all
// CPUs, ends with its process once its request was answered. Where several requests run at
// once (Lambda Managed Instances) it is left behind, and a death costs what ran of each of them.
//
// Two processes start: packages that do not import lambdapool may be initialized in both.
// The watching one takes about 4 MB. A stack may take a quarter of the memory, at least 64 MB
// and at most 512 MB, instead of Go's 1 GB. Memory for the account of an invocation is that of its
// request, and of its results up to an eighth of the function's memory, at least 16 MB; results beyond
// that are lost if the process dies before its answer is sent. Where the system lacks what is
// needed, a line in the log says that isolation is off.
//
// # Behind HTTP
//
// With LAMBDAPOOL_AGENT=http in its environment the program is an agent that any container platform, or
// any machine, can serve: package backend/httpagent is its client, and says which variables there are. The
// build tag lambdapool.nohttp leaves the server out, as archives for Lambda do: it is half a megabyte.
//
// # How it works
//
// A request's way, and the file for each step: aws-lambda-go, or http.go behind HTTP, brings the
// payload. serve.go writes it down for a successor where the agent is isolated. handler.go
// decodes it, compares the function's fingerprint, and has store.go fetch what was too large to be
// carried. run.go runs the items on workers (worker.go) and answers for those that do not end in time, by the clock
// of deadline.go. failure.go turns errors and panics into what travels. reply.go makes the
// results fit into an answer. detached.go is for requests whose answer nobody waits for: it claims
// them and records their results.
//
// An item is fresh, begun or done, and never goes back. So each has one answer, also when its
// function returns after it was answered for.
package agent

import (
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/agentmain"
	"github.com/lambdapool/lambdapool/internal/httpwire"
	"github.com/lambdapool/lambdapool/internal/isolate"
)

// runtimeAPI is set by Lambda in every process it starts.
// Source: docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
const runtimeAPI = "AWS_LAMBDA_RUNTIME_API"

// begun is as close to the start of the process as portable Go comes.
var begun = time.Now()

// Main serves invocations with [lambdapool.DefaultRegistry] if this process was
// started as an agent, and then never returns; otherwise it returns at once.
// Call it in the first line of main (and of TestMain): what comes before it
// runs in every agent too. Calling it twice does no harm.
//
// It is an agent where Lambda, or backend/local, has set AWS_LAMBDA_RUNTIME_API, or where
// LAMBDAPOOL_AGENT is http. An agent that cannot serve, for example since its address is taken,
// logs why and exits with status 1.
//
// Agents are other processes. They start this program anew, without its flags, its
// arguments and its environment, and come no further than Main: what main does behind
// it, they never do. A package-level variable that is set there, also by flag.Parse,
// has another value in an agent than in the client, and nothing says so: the same
// program gives one result on inproc, where functions run in the client, and another on
// local and on Lambda. Pass what a function needs as an argument. What is the same for
// all calls can be an environment variable of the agents: local.WithEnv, or --env of
// lambdapool create and update. Package backend/check, the URL "check:", finds such
// functions: it runs each call in the client and in an agent, and compares.
func Main() {
	agentmain.Call()
	if os.Getenv(runtimeAPI) == "" {
		// PORT alone says nothing: a client that runs in a container has it too.
		if os.Getenv(httpwire.EnvAgent) == httpwire.AgentHTTP {
			serveHTTP()
		}
		return
	}
	isolate.WatchLifeline()
	logLines()
	journal := isolate.Joined()
	limitMemory(journal != nil)
	h := NewHandler(lambdapool.DefaultRegistry)
	h.ready = time.Now()
	if journal == nil {
		lambda.StartWithOptions(&lone{h, newRuntimeClient(os.Getenv(runtimeAPI))})
	}
	h.environment = journal
	h.instance = journal.Instance(newInstance)
	serve(h, journal)
}

// Called reports whether [Main] was called in this process. backend/local asks: an executable
// whose main does not call Main would, started as an agent, start agents of its own. It is safe
// for concurrent use.
func Called() bool { return agentmain.Called() }
