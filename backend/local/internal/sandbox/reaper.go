//go:build linux || darwin

package sandbox

import (
	"os"
	"os/exec"
	"syscall"
)

// A Reaper is a process that removes a directory when this one has ended. It
// knows from a pipe, whose other end only this process has, so that it need not
// end in an orderly way; it is in a session of its own, where no Ctrl-C reaches it.
type Reaper struct {
	cmd  *exec.Cmd
	held *os.File
}

// An agent that is about to be killed may still be writing there.
const reaping = `trap '' HUP INT TERM; read -r _; for i in 1 2 3 4 5; do rm -rf -- "$1" && exit; sleep 1; done`

// StartReaper has a process wait for the end of this one. The caller dismisses it.
func StartReaper(dir string) (*Reaper, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/bin/sh", "-c", reaping, "lambdapool-reaper", dir) //nolint:gosec,noctx // a constant script; it outlives every context
	cmd.Stdin, cmd.Dir, cmd.Env = r, "/", []string{"PATH=/usr/local/bin:/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	_ = r.Close()
	if err != nil {
		_ = w.Close()
		return nil, err
	}
	return &Reaper{cmd: cmd, held: w}, nil
}

// Dismiss lets the reaper do its work and waits for it.
func (r *Reaper) Dismiss() {
	_ = r.held.Close()
	_ = r.cmd.Wait() // how it ends says nothing: the directory is gone already
}

// LockForks keeps this process from starting others, until unlockForks: one
// that is started while a program's file is being written would hold it open,
// and running the program would fail with "text file busy".
func LockForks() { syscall.ForkLock.RLock() }

// UnlockForks ends what LockForks began.
func UnlockForks() { syscall.ForkLock.RUnlock() }
