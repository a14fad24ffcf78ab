package runlocal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes puts a container into a group of its own, which ends with this process.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// become has a process be another user, without groups of this one.
func become(a *syscall.SysProcAttr, user int) {
	a.Credential = &syscall.Credential{Uid: uint32(user), Gid: uint32(user)}
}

// killGroup ends a process and all that it has started.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

// self is the executable that runs, also where its file has been replaced.
func self() (string, error) { return "/proc/self/exe", nil }

// awaitExit blocks until a child has ended, and leaves it to be waited for: until then nobody else has its id.
func awaitExit(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// resident is what a process has in memory, in bytes; 0 when it is gone.
func resident(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(data) // size resident shared …, in pages: proc_pid_statm(5)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}
