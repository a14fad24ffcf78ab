package schedule

import (
	"slices"
	"testing"
	"time"
)

// Where invocations wait for agents, that is no overhead that larger ones would spread: neither chunks nor windows grow by it.
func TestWaitingIsNoOverhead(t *testing.T) {
	const item, latency = 10 * time.Millisecond, 5 * time.Millisecond
	run := 10 * item
	for name, tt := range map[string]struct {
		limits              ChunkLimits
		waited              []time.Duration
		leastSize, mostSize int
		mostWindow          int
	}{
		"not said":           {ChunkLimits{}, slices.Repeat([]time.Duration{8 * time.Second}, 20), 1000, 3072, WindowMax},
		"said":               {ChunkLimits{Wait: 10 * time.Second}, append([]time.Duration{0}, slices.Repeat([]time.Duration{8 * time.Second}, 20)...), 10, 20, 50_000},
		"waited at first":    {ChunkLimits{Wait: 10 * time.Second}, []time.Duration{8 * time.Second, 0, 8 * time.Second, 0}, 10, 120, 50_000},
		"only ever waited":   {ChunkLimits{Wait: 10 * time.Second}, []time.Duration{8 * time.Second, 8 * time.Second}, 10, 300, WindowMax},
		"nobody ever waited": {ChunkLimits{Wait: 10 * time.Second}, []time.Duration{0, 0, 0}, 10, 20, 50_000},
	} {
		c := NewChunker(tt.limits)
		for _, waited := range tt.waited {
			c.Observe(10, run+latency+waited, run, 1, 10)
		}
		size := c.Size(Backlog{Remaining: -1, Workers: 10})
		if window, _ := c.Window(size, 10); size < tt.leastSize || size > tt.mostSize || window > tt.mostWindow {
			t.Errorf("%s: chunks of %d, a window of %d", name, size, window)
		}
	}
}
