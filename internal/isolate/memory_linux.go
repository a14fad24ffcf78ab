package isolate

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The layout of a journal in a file: the file's blocks are taken when it is made, since a
// disk that is full later would end whoever writes to it.
const (
	fileSlots  = 8 << 20
	fileValues = 8 << 20
)

// shareMemory returns a descriptor of memory that a child can map too, and what fits.
func shareMemory(l layout) (fd int, _ layout, err error) {
	if fd, err = anonymous("lambdapool-journal"); err == nil {
		if err = unix.Ftruncate(fd, int64(l.size())); err == nil {
			return fd, l, nil
		}
		_ = unix.Close(fd)
	}
	l.slots, l.values = fileSlots, fileValues
	fd, other := unlinkedFile(l.size())
	if other != nil {
		return -1, l, fmt.Errorf("shared memory: %w; and instead of it %w", err, other)
	}
	return fd, l, nil
}

// anonymous returns a file that is only memory.
func anonymous(name string) (int, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("memfd_create", err)
	}
	return fd, nil
}

// unlinkedFile returns a file that nobody else can open, all of whose blocks are there.
func unlinkedFile(size int) (int, error) {
	file, err := os.CreateTemp("", "lambdapool-journal-")
	if err != nil {
		return -1, err
	}
	defer file.Close() //nolint:errcheck // only its duplicate is used
	if err := os.Remove(file.Name()); err != nil {
		return -1, err
	}
	if err := unix.Fallocate(int(file.Fd()), 0, 0, int64(size)); err != nil {
		return -1, os.NewSyscallError("fallocate", err)
	}
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, afterFDs)
	return fd, os.NewSyscallError("fcntl", err)
}

// mapMemory maps what the descriptor stands for, shared with whoever else maps it.
func mapMemory(fd, size int) ([]byte, error) {
	mem, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	return mem, nil
}

// outOfMemory reports whether memory says that it is why a worker ended: the kernel has
// counted a kill, the runtime has said so, or it was killed and its peak was close to
// what the function has. The kernel needs some of that itself.
func outOfMemory(status syscall.WaitStatus, d Death, memory int64, counted bool) bool {
	if !status.Signaled() {
		return strings.Contains(d.Output, "runtime.throw(") && strings.Contains(d.Output, "runtime.sysMapOS(")
	}
	const most = 10 // tenths of the memory
	return status.Signal() == syscall.SIGKILL && (counted || memory > 0 && d.Peak >= memory/most*(most-1))
}

// memoryKills returns how many processes of this control group the kernel has killed for
// want of memory; 0 where it does not say.
func memoryKills() int64 {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(groups) {
		path, ok := bytes.CutPrefix(line, []byte("0::")) // of version 2: cgroups(7)
		if !ok {
			continue
		}
		events, err := os.ReadFile("/sys/fs/cgroup" + string(bytes.TrimSpace(path)) + "/memory.events")
		if err != nil {
			return 0
		}
		_, rest, _ := bytes.Cut(events, []byte("oom_kill "))
		count, _, _ := bytes.Cut(rest, []byte("\n"))
		n, _ := strconv.ParseInt(string(count), 10, 64) // 0: the kernel says nothing
		return n
	}
	return 0
}

// killOrphans ends what the last worker has started and left behind, which by now are
// this process's children.
func killOrphans() {
	const rounds = 100 // each has children of its own, perhaps
	for range rounds {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		switch {
		case pid > 0:
			continue
		case err != nil: // no child is left
			return
		}
		found := false
		for _, pid := range children() {
			found = syscall.Kill(pid, syscall.SIGKILL) == nil || found
		}
		if !found {
			return
		}
		_, _ = syscall.Wait4(-1, nil, 0, nil) // one of those killed
	}
}

// children returns the ids of this process's children.
func children() (pids []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	self := strconv.Itoa(os.Getpid())
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue
		}
		// The second field is the executable's name in parentheses and may hold anything;
		// the parent's id is the fourth.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) > 1 && string(fields[1]) == self {
			pids = append(pids, pid)
		}
	}
	return pids
}
