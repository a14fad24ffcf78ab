//go:build !unix

package agent

import "time"

// cpuTime and residentPeak are not known here: a reply says zero, which means just that.
func cpuTime() time.Duration { return 0 }

func residentPeak() int64 { return 0 }

// sinceStart returns how long this process has been running, at least since begun.
func sinceStart(begun time.Time) time.Duration { return time.Since(begun) }
