// Package lambdapool runs ordinary Go functions on thousands of cores of AWS
// Lambda with the ease of a local pool.
//
// # How it works
//
// Functions are registered by name, and the same registrations are compiled
// into two programs: the client, and an agent that Lambda runs. So no code
// travels and nothing is pickled: a call is a name and its encoded arguments.
// Often both programs are one: [github.com/lambdapool/lambdapool/agent.Main],
// the first line of main, turns the program into an agent where Lambda (or the
// embedded Lambda of this machine) starts it, and returns at once elsewhere.
//
//	var fib = lambdapool.Register("fib", func(ctx context.Context, n int) (int, error) {
//		…
//	})
//
//	func main() {
//		agent.Main()
//		pool, err := backend.NewExecutor(ctx, "local:") // or "inproc:", or "lambda://algorithms"
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer pool.Close()
//		results, err := lambdapool.Map(ctx, pool, fib, []int{30, 31, 32})
//		…
//	}
//
// # Agents are other processes
//
// A function runs in another process than main, on Lambda on another machine. A
// package-level variable, a flag or an environment variable that main sets does not
// reach it: agents start anew and come no further than agent.Main. Only inproc runs
// functions in the client, so what works there by a global fails on local. Pass what a
// function needs as an argument, or set it for all agents with local.WithEnv and with
// --env of lambdapool create. A program that runs on the backend "check:" is told: each call
// runs in the client and in an agent, and fails if the results differ.
//
// Client and agent compare the shapes of functions, not their code. A change of a body
// is seen by an agent that is local once the program runs anew, and on Lambda after lambdapool
// update. If its executable was replaced meanwhile, or on Lambda if client and agent were
// built from two commits, each without other changes, the log has a warning. With
// awslambda.WithAutoDeploy the client brings its own build. lambdapool doctor NAME PACKAGE
// says whether the deployed code is the local one.
//
// # Calls
//
// [Register] gives a [Func], which [Call], [Submit], [Map], [Stream] and
// [StreamUnordered] take with types checked by the compiler. [RegisterFunc]
// takes a function of any shape, which [Executor.Submit] and [StarMap] check
// when they are called. Submitting returns a [Future] at once; [Collect],
// [Wait] and [AsCompleted] wait for several.
//
// # Errors
//
// A call ends in exactly one value or error, and the error says who failed: a
// [FunctionError] is the user's function, which returned an error or panicked;
// a [PoolError] is everything else, and matches one of this package's sentinels:
//
//	var failed *lambdapool.FunctionError
//	switch {
//	case errors.As(err, &failed):                    // the function; failed.Message, failed.Stack
//	case errors.Is(err, lambdapool.ErrTimeout):      // its time was up
//	case errors.Is(err, lambdapool.ErrUnknownOutcome): // it may have run: the answer was lost
//	}
//
// What certainly did not run is tried again within the call's time, throttles
// included. What may have run is run again only if the function was registered
// as [Idempotent].
//
// # Items that share an invocation
//
// [Map], [StarMap] and the streams put several items into one invocation where that is cheaper.
// Each ends as if it had been sent alone: with its own value, error, panic and time. Three things
// an item does share with its neighbors, and [ChunkSize](1) excludes them. If the process dies, the
// items that ran at that moment are lost with it (see package agent on isolation). If the whole
// agent is lost, nobody knows which items ran. And one reply carries all results: without an object
// store, items that run at the same moment and return more than any before them may have no room.
// The largest of these fail with [ErrTooLarge], for good unless the function is [Idempotent].
//
// # Backends
//
// A [Backend] carries requests to agents. Package backend opens one by URL, which
// is the one line that decides where functions run:
//
//	pool, err := backend.NewExecutor(ctx, url) // url is "local:", "inproc:" or "lambda://algorithms"
//
// Closing that pool closes its backend, too. Where several executors share a
// backend, backend.Open(ctx, url) opens it and [New] takes it.
//
// Package backend/local is an embedded Lambda: real agent processes behind the
// real API, on this machine, without an account. Package backend/inproc is
// goroutines of this process, which is also how a function inside a Lambda uses
// all its cores. Package backend/awslambda is AWS. The same program runs on all of them.
//
// Everything here is safe for concurrent use unless it says otherwise.
package lambdapool
