//go:build unix

package processes

import (
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is the user and system time of this process so far.
func CPU() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err) // neither argument can be wrong
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// PeakOf is the largest resident size that a process had that has ended, in bytes.
func PeakOf(s *os.ProcessState) int64 {
	u, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "linux" {
		return int64(u.Maxrss) << 10 //nolint:unconvert // an int32 on some systems; macOS counts bytes
	}
	return int64(u.Maxrss) //nolint:unconvert // as above
}
