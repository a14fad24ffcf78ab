package agent

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// residentPeak returns the process's highest resident size in bytes. It reads
// VmHWM: getrusage's maximum is inherited through exec, so that an agent started
// by a large parent would report the parent's.
func residentPeak() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	line, _, _ := bytes.Cut(rest, []byte("kB"))
	kb, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}

// tick is the unit of times in /proc: USER_HZ is 100 on every Linux.
const tick = 10 * time.Millisecond

// sinceStart returns how long this process has been running, at least since
// begun. The kernel counts in ticks, too coarse for a start of two milliseconds; but it sees the package
// initialization that came before this package's, so it is believed when it
// says clearly more.
func sinceStart(begun time.Time) time.Duration {
	own := time.Since(begun)
	stat, err1 := os.ReadFile("/proc/self/stat")
	uptime, err2 := os.ReadFile("/proc/uptime")
	if err1 != nil || err2 != nil {
		return own
	}
	// The second field is the executable's name in parentheses and may hold
	// anything; starttime is the 22nd.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	up, _, _ := bytes.Cut(uptime, []byte(" "))
	if len(fields) < 20 {
		return own
	}
	started, err1 := strconv.ParseInt(string(fields[19]), 10, 64)
	seconds, err2 := strconv.ParseFloat(string(up), 64)
	if err1 != nil || err2 != nil || started <= 0 { // 0: a sandbox that does not know
		return own
	}
	if kernel := time.Duration(seconds*float64(time.Second)) - time.Duration(started)*tick; kernel > own+2*tick {
		return kernel
	}
	return own
}
