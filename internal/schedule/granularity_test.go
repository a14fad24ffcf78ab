package schedule_test

import (
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

// What a platform charges anyway is filled with items, where that costs no time.
func TestGranularity(t *testing.T) {
	for _, tt := range []struct {
		name        string
		granularity time.Duration
		backlog     schedule.Backlog
		want        int
	}{
		{"by the millisecond, far from the end", 0, schedule.Backlog{Remaining: -1, Workers: 10}, 60},
		{"ten granules, far from the end", 100 * time.Millisecond, schedule.Backlog{Remaining: -1, Workers: 10}, 1000},
		{"by the millisecond, near the end", 0, schedule.Backlog{Remaining: 1000, Workers: 10}, 50},
		{"near the end, a granule", 100 * time.Millisecond, schedule.Backlog{Remaining: 1000, Workers: 10}, 100},
		{"less than a granule for each worker", 100 * time.Millisecond, schedule.Backlog{Remaining: 400, Workers: 10}, 40},
		{"with others in flight", 100 * time.Millisecond, schedule.Backlog{Remaining: 200, Flying: 200, Workers: 10}, 40},
	} {
		c := schedule.NewChunker(schedule.ChunkLimits{Granularity: tt.granularity})
		c.Observe(10, 12*time.Millisecond, 10*time.Millisecond, 1, 0) // 1 ms for an item, 2 ms for what is nobody's
		if got := c.Size(tt.backlog); got != tt.want {
			t.Errorf("%s: %d items, want %d", tt.name, got, tt.want)
		}
	}
}
