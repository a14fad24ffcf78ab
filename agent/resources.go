package agent

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool/internal/isolate"
)

const (
	// memoryVariable holds the function's memory setting in MB.
	// Source: docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
	memoryVariable = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
	// mbPerCPU: at 1,769 MB a function has the equivalent of one vCPU, and 6 at 10,240 MB.
	// Source: docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html, 2026-11.
	mbPerCPU = 1769
	// heapShare is the part of the memory, in percent, that the Go heap may take
	// before the garbage collector works harder; the rest is for what it does not see.
	heapShare = 90
	// A goroutine's stack may take this part of the memory, within bounds. Go's own
	// bound is 1 GB, most of what a function has.
	stackShare = 4
	leastStack = 64 << 20
	mostStack  = 512 << 20
)

// memorySetting returns the function's memory in MB; 0: not on Lambda.
func memorySetting() int64 {
	mb, err := strconv.ParseInt(os.Getenv(memoryVariable), 10, 64)
	if err != nil || mb < 0 || mb > 1<<30 {
		return 0
	}
	return mb
}

// limitMemory has the garbage collector work harder before the platform kills
// the process. A GOMEMLIMIT of the user's stands. supervised says that there is another
// process that takes some of the memory.
//
// A stack that overflows then ends that process, not all: it has to be full before the
// memory is.
func limitMemory(supervised bool) {
	mb := memorySetting()
	bytes := mb << 20
	if supervised {
		debug.SetMaxStack(int(max(leastStack, min(bytes/stackShare, mostStack))))
		bytes -= isolate.Reserve
	}
	if mb > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(bytes / 100 * heapShare)
	}
}

// procsFor returns how many items keep a function of that memory busy: its
// vCPUs rounded, since Lambda calls 5.8 of them six, within 1 and maxProcs.
func procsFor(mb int64, maxProcs int) int {
	if mb == 0 {
		return maxProcs
	}
	return max(1, min(int((mb+mbPerCPU/2)/mbPerCPU), maxProcs))
}

// procs is procsFor this process.
func procs(mb int64) int { return procsFor(mb, runtime.GOMAXPROCS(0)) }

// A reading of the peak serves invocations that run for less than peakRun
// together, for peakAge at most: asking the kernel costs more than a trivial call,
// and memory does not grow by much in that time.
const (
	peakRun = 10 * time.Millisecond
	peakAge = 100 * time.Millisecond
)

// peak is the last reading. It is the process's, so all handlers share it.
var peak struct {
	sync.Mutex
	at    time.Time
	ran   time.Duration // since
	bytes int64
}

// peakMemory returns the highest resident size of this process in bytes, after
// an invocation that has run for that long.
func peakMemory(now time.Time, ran time.Duration) int64 {
	peak.Lock()
	defer peak.Unlock()
	peak.ran += ran
	if age := now.Sub(peak.at); peak.at.IsZero() || peak.ran >= peakRun || age >= peakAge || age < 0 {
		peak.bytes, peak.at, peak.ran = residentPeak(), now, 0
	}
	return peak.bytes
}
