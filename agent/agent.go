// Package agent runs inside the Lambda function: it takes an invocation apart,
// runs the registered functions it asks for and answers with their results.
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
// # What a function may rely on
//
// Its context ends before the platform kills the process, early enough to
// answer in good order. A panic becomes an error of that one call; only what Go
// cannot recover from (a fatal error of the runtime, os.Exit, running out of
// memory) ends the process, and with it every call in it.
//
// A function that ignores its context is left behind when its time is up: the
// caller gets a timeout, while the goroutine runs on and takes its share of the
// process until it returns. Nothing in Go can stop it.
//
// This package imports no cloud SDK, so that an agent is small and starts fast.
package agent

import (
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/agentmain"
)

// runtimeAPI is set by Lambda in every process it starts.
// Source: docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
const runtimeAPI = "AWS_LAMBDA_RUNTIME_API"

// begun is as close to the start of the process as portable Go comes.
var begun = time.Now()

// Main serves invocations with [lambdapool.DefaultRegistry] if this process was
// started as an agent, and then never returns; otherwise it returns at once.
// Call it in the first line of main (and of TestMain): what comes before it
// runs in every agent too.
func Main() {
	agentmain.Call()
	if os.Getenv(runtimeAPI) == "" {
		return
	}
	watchLifeline()
	limitMemory()
	h := NewHandler(lambdapool.DefaultRegistry)
	h.ready = time.Now()
	lambda.StartWithOptions(h)
}

// Called reports whether [Main] was called in this process. backend/local asks:
// an executable whose main does not call Main would, started as an agent, start
// agents of its own.
func Called() bool { return agentmain.Called() }
