// Package processes tells what processes took that others have started: agents, which nobody waits for.
package processes

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc. Source: getconf CLK_TCK, 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// A Use is what processes took so far.
type Use struct {
	CPU  time.Duration // user and system
	Peak int64         // the largest resident size of one of them, in bytes
}

// Below is what the processes took that pid has started, and those that they have: agents live on while their
// backend is open, and nobody waits for them as they are killed in the end.
func Below(pid int) (Use, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return Use{}, err
	}
	parents, used := map[int]int{}, map[int]time.Duration{}
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil { // it has ended
			continue
		}
		// After the name, in parentheses: state, parent, …; user and system time are fields 14 and 15 of all, those of children that were waited for 16 and 17.
		fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
		if len(fields) < 15 {
			return Use{}, fmt.Errorf("%s: %q", path, data)
		}
		id, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parents[id], _ = strconv.Atoi(fields[1])
		for _, field := range fields[11:15] {
			n, _ := strconv.Atoi(field)
			used[id] += time.Duration(n) * tick
		}
	}
	var all Use
	for id := range parents {
		for above := parents[id]; above > 1; above = parents[above] {
			if above == pid {
				all.CPU += used[id]
				all.Peak = max(all.Peak, Peak(id))
				break
			}
		}
	}
	return all, nil
}

// Peak is the largest resident size that a process had so far, in bytes; 0: it has ended.
func Peak(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kb << 10
		}
	}
	return 0
}
