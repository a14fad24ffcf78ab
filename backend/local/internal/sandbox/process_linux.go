package sandbox

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// CanFreeze says that frozen agents end with this process: see processAttributes.
const CanFreeze = true

// processAttributes puts the child into a group of its own. The kernel kills a
// foreign program when we are gone, as it need not know of the lifeline. Our own
// does, and it must have the time to kill its children too, which SIGKILL would
// not give it: Pdeathsig reaches the child alone, and before the lifeline does.
// SIGCONT only sees to it that a frozen one hears.
func processAttributes(foreign bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGCONT}
	if foreign {
		attr.Pdeathsig = syscall.SIGKILL
	}
	return attr
}

// thisExecutable names the file that is running even when another one was
// built over its path, or the path was removed as `go run` does.
func thisExecutable(path string) string {
	if _, err := os.Stat("/proc/self/exe"); err != nil {
		return path
	}
	return "/proc/self/exe"
}

// awaitExit blocks until the child is a zombie.
func awaitExit(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
