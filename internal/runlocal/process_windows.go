package runlocal

import (
	"os"
	"syscall"
)

// attributes has nothing to say: there are no groups of processes.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

// become does nothing: images are Linux's.
func become(*syscall.SysProcAttr, int) {}

// killGroup ends a process. What it has started lives on.
func killGroup(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill()
	}
}

// self is the executable that runs.
func self() (string, error) { return os.Executable() }

// awaitExit is not known here: what a container leaves behind lives on.
func awaitExit(int) {}

// resident is not known here: memory is not enforced.
func resident(int) int64 { return 0 }
