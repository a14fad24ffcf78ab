//go:build !unix

package agent

import "time"

func closeOnExec(int) {}

func killGroup() {}

func cpuTime() time.Duration { return 0 }

func residentPeak() int64 { return 0 }

// sinceStart returns how long this process has been running, at least since begun.
func sinceStart(begun time.Time) time.Duration { return time.Since(begun) }
