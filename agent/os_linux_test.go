package agent_test

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/agent"
)

var loaded = time.Now()

// A start that took long before this package was initialized is measured all
// the same; a short one is not blurred by the kernel's clock.
func TestSinceStart(t *testing.T) {
	const long = 200 * time.Millisecond
	<-time.After(long - time.Since(loaded))
	now := time.Now()
	if got, least := agent.SinceStart(now), now.Sub(loaded)-20*time.Millisecond; got < least || got > least+patience {
		t.Errorf("the process has been running for %v, want %v at least, and not much more", got, least)
	}
	before := now.Add(-time.Hour)
	if got := agent.SinceStart(before); got < time.Hour || got > time.Hour+patience {
		t.Errorf("begun an hour ago, running for %v", got)
	}
}

// What functions have touched shows once they have run for a while, or once the
// last reading is old.
func TestPeakMemory(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name string
		age  time.Duration
		ran  time.Duration
	}{
		{"one long run", time.Millisecond, 10 * time.Millisecond},
		{"the rest of several", time.Millisecond, 6 * time.Millisecond},
		{"an old reading", 100 * time.Millisecond, time.Microsecond},
		{"a clock that was set back", -time.Hour, time.Microsecond},
	} {
		before := agent.PeakMemory(now.Add(time.Hour), time.Hour)
		now = now.Add(time.Hour)
		// A little more than ever was, as the system counts it. What is allocated may lie where something was before,
		// and what the race detector keeps beside it stays.
		var sink [][]byte
		for touched := 0; peak(t) <= before; touched += 16 << 20 {
			if touched > 4<<30 {
				t.Fatalf("%s: %d bytes were touched, and the peak is still %d", tt.name, touched, before)
			}
			part := make([]byte, 16<<20)
			for i := 0; i < len(part); i += os.Getpagesize() {
				part[i] = 1
			}
			sink = append(sink, part)
		}
		if got := agent.PeakMemory(now.Add(time.Microsecond), 4*time.Millisecond); got != before {
			t.Errorf("%s: a trivial run has it read again: %d, then %d", tt.name, before, got)
		}
		if got := agent.PeakMemory(now.Add(tt.age), tt.ran); got <= before {
			t.Errorf("%s: the peak is still %d although it was passed by %d bytes", tt.name, got, peak(t)-before)
		}
		runtime.KeepAlive(sink)
		now = now.Add(tt.age)
		debug.FreeOSMemory()
	}
}

// peak returns how much memory this process has had at most, in bytes.
func peak(t *testing.T) (bytes int64) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(line, &bytes); err != nil {
		t.Fatal(err)
	}
	return bytes << 10
}
