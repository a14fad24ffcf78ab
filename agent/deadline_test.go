package agent_test

import (
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/agent"
)

func TestDeadlines(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	const ms = time.Millisecond
	for _, tt := range []struct {
		name        string
		kill        time.Duration // from now; 0: nobody kills
		remaining   time.Duration
		recorded    bool
		end, answer time.Duration // from now; 0: none
	}{
		{"no limit at all", 0, 0, false, 0, 0},
		{"only the caller's", 0, 3 * time.Second, false, 3 * time.Second, 3500 * ms},
		{"long timeout: a second of margin", 900 * time.Second, 0, false, 899 * time.Second, 899500 * ms},
		{"a twentieth", 15 * time.Second, 0, false, 14250 * ms, 14625 * ms},
		{"half a second at least", 3 * time.Second, 0, false, 2500 * ms, 2750 * ms},
		{"but a quarter at most", time.Second, 0, false, 750 * ms, 875 * ms},
		{"tiny", 100 * ms, 0, false, 75 * ms, 87500 * time.Microsecond},
		{"the caller's is earlier", 900 * time.Second, time.Second, false, time.Second, 1250 * ms},
		{"the caller's is just before the platform's", 3 * time.Second, 2400 * ms, false, 2400 * ms, 2700 * ms},
		{"the caller's is later", 3 * time.Second, time.Minute, false, 2500 * ms, 2750 * ms},
		{"recorded: five seconds", 900 * time.Second, 0, true, 895 * time.Second, 895500 * ms},
		{"recorded: a twentieth", 40 * time.Second, 0, true, 38 * time.Second, 38500 * ms},
		{"recorded, and a short timeout", 3 * time.Second, 0, true, 2250 * ms, 2500 * ms},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var kill time.Time
			if tt.kill != 0 {
				kill = now.Add(tt.kill)
			}
			end, answer := agent.Deadlines(now, kill, tt.remaining, tt.recorded)
			if tt.end == 0 {
				if !end.IsZero() || !answer.IsZero() {
					t.Fatalf("deadlines %v, %v; want none", end, answer)
				}
				return
			}
			if got := end.Sub(now); got != tt.end {
				t.Errorf("context ends after %v, want %v", got, tt.end)
			}
			if got := answer.Sub(now); got != tt.answer {
				t.Errorf("agent answers after %v, want %v", got, tt.answer)
			}
		})
	}
}

// A deadline in the past (a late wake-up of a frozen sandbox) must not give a
// context that ends after it.
func TestDeadlinesPast(t *testing.T) {
	now := time.Now()
	end, answer := agent.Deadlines(now, now.Add(-time.Second), 0, true)
	if end.After(now) || answer.After(now) {
		t.Errorf("deadlines %v and %v after now", end.Sub(now), answer.Sub(now))
	}
}

func TestProcs(t *testing.T) {
	for _, tt := range []struct {
		mb   int64
		max  int
		want int
	}{
		{0, 8, 8},       // not on Lambda
		{128, 8, 1},     // the smallest function
		{1769, 8, 1},    // one vCPU
		{2653, 8, 1},    // just below one and a half
		{2654, 8, 2},    // one and a half
		{3538, 8, 2},    // two
		{10240, 8, 6},   // the largest function
		{10240, 2, 2},   // never more than there are
		{1 << 30, 4, 4}, // nonsense
	} {
		if got := agent.ProcsFor(tt.mb, tt.max); got != tt.want {
			t.Errorf("%d MB on %d processors: %d at once, want %d", tt.mb, tt.max, got, tt.want)
		}
	}
}
