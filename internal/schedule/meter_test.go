package schedule_test

import (
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

// Whoever takes all that is available, at whatever moments, never has more than the rate and a tenth in any second.
func TestMeter(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0.5, 1, 3, 10, 25, 1000} {
		for _, step := range []time.Duration{time.Millisecond, 7 * time.Millisecond, 333 * time.Millisecond, 3 * time.Second} {
			m, now := schedule.NewMeter(rate), time.Unix(1000, 0)
			var at []time.Time
			end := now.Add(20 * time.Second)
			for now.Before(end) {
				n := m.Available(now)
				if (n > 0) != m.Ready(now) {
					t.Fatalf("rate %v: ready %t, but %d are available", rate, m.Ready(now), n)
				}
				m.Take(n, now)
				for range n {
					at = append(at, now)
				}
				now = now.Add(step)
			}
			first := 0
			most := int(rate+rate/10) + 1
			for i := range at {
				for at[i].Sub(at[first]) >= time.Second {
					first++
				}
				if n := i - first + 1; n > most {
					t.Fatalf("rate %v, steps of %v: %d in a second", rate, step, n)
				}
			}
			if step == time.Millisecond && float64(len(at)) < 0.9*rate*20 {
				t.Errorf("rate %v: only %d in 20 seconds", rate, len(at))
			}
		}
	}
}

// What was taken without asking is waited for.
func TestMeterInDebt(t *testing.T) {
	t.Parallel()
	m, now := schedule.NewMeter(10), time.Unix(1000, 0)
	m.Take(10, now)
	if m.Ready(now.Add(900*time.Millisecond)) || !m.Ready(now.Add(time.Second)) || m.Idle(now) || !m.Idle(now.Add(time.Second)) {
		t.Errorf("the next may be at %v", m.At())
	}
}
