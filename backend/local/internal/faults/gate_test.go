package faults

import (
	"testing"
	"time"
)

// flood has that many requests come at once, at each of the times, and returns
// how many each time were let in.
func flood(g *gate, size int, at ...time.Duration) (admitted []int) {
	epoch := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for _, d := range at {
		n := 0
		for range size {
			if g.enter(epoch.Add(d)) == nil {
				n++
			}
		}
		for range n {
			g.leave()
		}
		admitted = append(admitted, n)
	}
	return admitted
}

func TestThrottles(t *testing.T) {
	t.Parallel()
	const s = time.Second
	for name, c := range map[string]struct {
		throttle Throttling
		at       []time.Duration
		want     []int
	}{
		"none":                        {Throttling{}, []time.Duration{0, s}, []int{100, 100}},
		"rate":                        {Throttling{Rate: 200}, []time.Duration{0, s / 20, s / 10, s, s}, []int{20, 10, 10, 20, 0}},
		"slow rate":                   {Throttling{Rate: 2}, []time.Duration{0, s / 4, s / 2, s}, []int{1, 0, 1, 1}},
		"law":                         {Throttling{Burst: 10, Ramp: 5}, []time.Duration{0, s, 2 * s, 3 * s}, []int{10, 15, 20, 25}},
		"burst":                       {Throttling{Burst: 10}, []time.Duration{0, 100 * s}, []int{10, 10}},
		"unused starts do not accrue": {Throttling{Burst: 10, Ramp: 5}, []time.Duration{0, 100 * s}, []int{10, 20}},
		"a limit that moves": {
			Throttling{Limit: func(d time.Duration) int { return int(d / s) }},
			[]time.Duration{0, s, 7 * s, 2 * s}, []int{0, 1, 7, 2},
		},
	} {
		got := flood(&gate{Throttling: c.throttle}, 100, c.at...)
		for i := range c.want {
			if got[i] != c.want[i] {
				t.Errorf("%s: %v let in, want %v", name, got, c.want)
				break
			}
		}
	}
}
