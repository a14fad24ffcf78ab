//go:build unix

package agent

import (
	"os"
	"syscall"
	"time"
)

func closeOnExec(fd int) { syscall.CloseOnExec(fd) }

// killGroup kills the process group, this process included, if this process leads it.
func killGroup() {
	if syscall.Getpgrp() == os.Getpid() {
		_ = syscall.Kill(0, syscall.SIGKILL)
	}
}

// cpuTime returns the user and system time that this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
