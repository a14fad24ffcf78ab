// Package isolate lets a process that dies take with it only what ran at that moment.
//
// The platform starts a program, and this package's initialization makes a supervisor of it,
// which starts the same program again as its child, the worker, and waits. The worker polls and
// answers as it would alone. Of each invocation it writes into memory that both share what was
// asked, which items have begun, and what became of them. When it dies, the supervisor starts
// another worker, which finds there what the first one left, runs what had not begun, and
// answers the same request.
//
// The supervisor must do its work before the packages that hold the user's functions are
// initialized: they may load much. Package lambdapool imports this package, and they import
// that one, so the language's order of initialization sees to it. For the same reason this
// package imports little.
//
// # What must stay true
//
// The worker may die between any two instructions, and the next one reads what is there then.
// So each mark is set, by an atomic store, after what it speaks of:
//
//   - A region is busy only when its head, payload and words are whole.
//   - An item's slot is done or failed only when its data lies in the region. One that is begun
//     may have run to its end; nobody knows.
//   - A region is free again only when the answer is on its way. A worker that dies before that
//     leaves it busy, and the next one answers.
//
// Room in a region is taken by compare-and-swap, and given back all at once, by Release. So no
// lock is held when a process dies: the mutex of a [Journal] is of one process.
//
// One worker lives at a time. The supervisor writes how it died only while none does, and reads
// no more of a region than when its time is up.
//
// A worker that ended without progress is not followed by another: that would end in the same
// way, for ever. Then the supervisor ends as the worker has ended, and the platform does what
// it would have done.
//
// # Where it is off
//
// On other systems than Linux, and where the system lacks what is needed, the program serves
// alone. That is said in the log, and [Joined] is nil.
package isolate

import (
	"os"
	"time"
)

// Variable is the environment variable that decides. Whoever starts an agent sets it to
// [On]; AWS_LAMBDA_RUNTIME_API alone must not decide, which every process inside a function
// has. Any other value, and none, means the worker alone.
const (
	Variable = "LAMBDAPOOL_ISOLATION"
	On       = "on"
	Off      = "off"

	worker = "worker" // what the supervisor tells its child
)

// The platform's variables that matter here.
// Source: docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
const (
	runtimeAPI          = "AWS_LAMBDA_RUNTIME_API"
	memoryVariable      = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
	concurrencyVariable = "AWS_LAMBDA_MAX_CONCURRENCY"
)

// Lifeline names a file descriptor, the read end of a pipe whose write end only the
// parent holds. Its end of file is the parent's end, however it came about.
const Lifeline = "LAMBDAPOOL_LIFELINE_FD"

// Reserve is the memory, in bytes, that the supervisor takes of the function's: its
// resident size was 3.6 MB, measured 2026-11 on linux/amd64.
const Reserve = 6 << 20

// joined is the journal of this process, if it is a worker.
var joined *Journal

// Joined returns the journal that this process shares with its supervisor, or nil
// if it has none. It is safe for concurrent use.
func Joined() *Journal { return joined }

// Before the packages of the user's functions: see the package comment. A supervisor does not
// return from it.
func init() { //nolint:gochecknoinits // see the package comment
	switch os.Getenv(Variable) {
	case On:
		if os.Getenv(runtimeAPI) != "" {
			supervise()
		}
	case worker:
		// Neither the variable nor the descriptors are for children of user functions.
		_ = os.Unsetenv(Variable)
		joined = join()
	}
}

// A Death says how a worker ended, as its successor tells the callers of what ran.
type Death struct {
	Status      string // "exit status 3", "signal: killed"
	OutOfMemory bool   // memory says so
	Stopped     bool   // by the supervisor, since time was up
	Output      string // the beginning of what the runtime wrote of a fatal error
	Peak        int64  // bytes, highest resident size
}

// watchShare is how often, in a timeout, the supervisor looks whether one is up.
const watchShare = 8

// killMargin is how long before its deadline an invocation that has not been answered has its
// worker killed: a quarter of what the agent keeps to answer by itself, so that only a process
// that is stuck as a whole is killed, and its successor can still answer. It is 200 ms at most.
func killMargin(timeout time.Duration) time.Duration {
	return min(timeout/16, 200*time.Millisecond)
}
