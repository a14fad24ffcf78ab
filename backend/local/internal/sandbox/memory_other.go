//go:build !linux

package sandbox

import gopsutil "github.com/shirou/gopsutil/v4/process"

// resident returns the resident size of a process in bytes, 0 when it is gone.
func resident(pid int) int64 {
	p := gopsutil.Process{Pid: int32(pid)}
	info, err := p.MemoryInfo()
	if err != nil {
		return 0
	}
	return int64(info.RSS)
}

// peak returns the resident size: this system keeps no record of the highest.
func peak(pid int) int64 { return resident(pid) }

// family returns the process alone: agents have no other here.
func family(pid int) []int { return []int{pid} }

// anyAlive has nothing to add: launchd takes notice of every orphan that dies.
func anyAlive(int) bool { return true }
