//go:build !linux && !windows

package runlocal

import (
	"os"
	"syscall"
)

// attributes puts a container into a group of its own.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// become does nothing: images are Linux's.
func become(*syscall.SysProcAttr, int) {}

// killGroup ends a process and all that it has started.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

// self is the executable that runs.
func self() (string, error) { return os.Executable() }

// awaitExit is not known here: what a container leaves behind is killed a moment later.
func awaitExit(int) {}

// resident is not known here: memory is not enforced.
func resident(int) int64 { return 0 }
