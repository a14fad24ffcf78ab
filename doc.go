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
//		backend, err := local.New() // or awslambda.New(ctx, "algorithms"), or inproc.New()
//		…
//		defer backend.Close()
//		pool, err := lambdapool.New(backend)
//		…
//		defer pool.Close()
//		results, err := lambdapool.Map(ctx, pool, fib, []int{30, 31, 32})
//	}
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
// # Backends
//
// A [Backend] carries requests to agents. Package backend/local is an embedded
// Lambda: real agent processes behind the real API, on this machine, without an
// account. Package backend/inproc is goroutines of this process, which is also
// how a function inside a Lambda uses all its cores. Package backend/awslambda
// is AWS. The same program runs on all of them.
//
// Everything here is safe for concurrent use unless it says otherwise.
package lambdapool
