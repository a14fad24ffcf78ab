package schedule_test

import (
	"math"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

// always is a source of chance without any.
func always(x float64) func() float64 { return func() float64 { return x } }

func TestBackoff(t *testing.T) {
	b := schedule.Backoff{Base: 100 * time.Millisecond, Max: time.Second}
	for _, c := range []struct {
		name       string
		b          schedule.Backoff
		attempt    int
		retryAfter time.Duration
		rnd        float64
		want       time.Duration
	}{
		{"no chance, no wait", b, 1, 0, 0, 0},
		{"first", b, 1, 0, 0.5, 50 * time.Millisecond},
		{"doubles", b, 3, 0, 0.5, 200 * time.Millisecond},
		{"until Max", b, 5, 0, 0.5, 500 * time.Millisecond},
		{"and never above", b, math.MaxInt, 0, 0.5, 500 * time.Millisecond},
		{"attempt 0 is like the first", b, 0, 0, 0.5, 50 * time.Millisecond},
		{"Retry-After is a floor", b, 1, 3 * time.Second, 0, 3 * time.Second},
		{"jitter on top of it", b, 1, 3 * time.Second, 0.5, 3050 * time.Millisecond},
		{"negative Retry-After is none", b, 1, -time.Second, 0.5, 50 * time.Millisecond},
		{"absurd Retry-After does not overflow", b, 1, math.MaxInt64, 0.5, math.MaxInt64},
		{"without Max it stays at Base", schedule.Backoff{Base: time.Second}, 9, 0, 0.5, 500 * time.Millisecond},
		{"Max below Base", schedule.Backoff{Base: time.Second, Max: time.Millisecond}, 9, 0, 0.5, 500 * time.Millisecond},
		{"zero value", schedule.Backoff{}, math.MaxInt, time.Second, 0.5, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.b.Delay(c.attempt, c.retryAfter, always(c.rnd)); got != c.want {
				t.Errorf("Delay(%d, %v) = %v, want %v", c.attempt, c.retryAfter, got, c.want)
			}
		})
	}
}
