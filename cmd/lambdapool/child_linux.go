package main

import "syscall"

// endsWithUs has the kernel tell a command that this process was killed, as by a terminal that is closed: an interactive
// shell ignores SIGTERM.
func endsWithUs() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGHUP}
}
