//go:build unix && !linux

package agent

import (
	"runtime"
	"syscall"
	"time"
)

// residentPeak returns the process's highest resident size in bytes.
func residentPeak() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return int64(u.Maxrss)
	}
	return int64(u.Maxrss) << 10
}

// sinceStart returns how long this process has been running, at least since begun.
func sinceStart(begun time.Time) time.Duration { return time.Since(begun) }
