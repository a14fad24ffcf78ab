package sandbox

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// CanFreeze says that frozen agents end with this process; here they would not.
const CanFreeze = false

func processAttributes(bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

func thisExecutable(path string) string { return path }

// awaitExit blocks until the child is a zombie.
func awaitExit(pid int) {
	for {
		err := exitEvent(pid)
		if err == nil || errors.Is(err, unix.ESRCH) {
			return
		}
		if !errors.Is(err, unix.EINTR) {
			<-time.After(10 * time.Millisecond) // out of descriptors, most likely
		}
	}
}

func exitEvent(pid int) error {
	kq, err := unix.Kqueue()
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(kq) }()
	var ev unix.Kevent_t
	unix.SetKevent(&ev, pid, unix.EVFILT_PROC, unix.EV_ADD|unix.EV_ONESHOT)
	ev.Fflags = unix.NOTE_EXIT
	_, err = unix.Kevent(kq, []unix.Kevent_t{ev}, make([]unix.Kevent_t, 1), nil)
	return err
}
