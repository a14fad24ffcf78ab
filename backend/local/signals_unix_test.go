//go:build linux || darwin

package local_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// kill ends a process at once, whatever it does.
func kill(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) }

// freeze stops a process where it is.
func freeze(pid int) error { return syscall.Kill(pid, syscall.SIGSTOP) }

// alive says whether a process exists and is not a zombie.
func alive(pid int) bool {
	if !exists(pid) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

// exists says whether there is a process of that id, alive or not.
func exists(pid int) bool { return pid > 0 && syscall.Kill(pid, 0) == nil }
