package agent_test

import (
	"os"
	"runtime/debug"
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
	if got, least := agent.SinceStart(now), now.Sub(loaded)-20*time.Millisecond; got < least || got > patience {
		t.Errorf("the process has been running for %v, want %v at least", got, least)
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
		sink := make([]byte, before) // with what is resident now, more than ever was
		for i := 0; i < len(sink); i += os.Getpagesize() {
			sink[i] = 1
		}
		if got := agent.PeakMemory(now.Add(time.Microsecond), 4*time.Millisecond); got != before {
			t.Errorf("%s: a trivial run has it read again: %d, then %d", tt.name, before, got)
		}
		if got := agent.PeakMemory(now.Add(tt.age), tt.ran); got <= before {
			t.Errorf("%s: the peak is still %d although %d more were touched", tt.name, got, len(sink))
		}
		now = now.Add(tt.age)
		debug.FreeOSMemory() // the next may not need twice as much
	}
}
