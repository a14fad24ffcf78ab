package schedule_test

import (
	"testing"
	"time"
)

// Other tenants take most of the account for twenty seconds.
func TestFollow(t *testing.T) {
	const shrinks, grows, end = 40 * time.Second, 60 * time.Second, 70 * time.Second
	for _, c := range []struct {
		name            string
		high, low       int
		run, retryAfter time.Duration
	}{
		{"1000 to 300 and back", 1000, 300, time.Second, 0},
		{"1000 to 300 and back, Retry-After 3 s", 1000, 300, time.Second, 3 * time.Second},
		{"1000 to 100 and back", 1000, 100, time.Second, 0},
		{"3000 to 500 and back", 3000, 500, time.Second, 0},
		{"500 to 50 and back", 500, 50, time.Second, 0},
		{"1000 to nothing and back", 1000, 0, time.Second, 0},
		{"1000 to 300 and back, 200 ms calls", 1000, 300, 200 * time.Millisecond, 0},
		{"1000 to 100 and back, 10 s calls", 1000, 100, 10 * time.Second, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, *seed)
			w.retryAfter = c.retryAfter
			w.limit = func(t time.Duration) int {
				if t >= shrinks && t < grows {
					return c.low
				}
				return c.high
			}
			p := w.newPool(0, 10_000, 1<<30, about(c.run))
			w.simulate(shrinks, p)

			w.simulate(shrinks+5*time.Second, p)
			sent, refused := p.sent, p.refused
			work, samples := 0, 0
			w.every(50*time.Millisecond, func() {
				work += p.busy
				samples++
			})
			w.simulate(grows, p)
			use := float64(work) / float64(samples)
			sent, refused = p.sent-sent, p.refused-refused
			t.Logf("from 5 s after the limit fell to %d: %.0f running, %d of %d requests refused", c.low, use, refused, sent)
			if use < 0.85*float64(c.low) {
				t.Errorf("%.0f running on average, want at least 85 %% of %d", use, c.low)
			}
			if sent >= 1000 && float64(refused) >= 0.05*float64(sent) {
				t.Errorf("%d of %d requests refused, want less than 5 %%", refused, sent)
			}

			for p.busy < c.high*9/10 && w.now < end {
				w.simulate(w.now+1, p)
			}
			t.Logf("%.1f s after the limit rose to %d: 90 %% in use", (w.now - grows).Seconds(), c.high)
			if w.now > grows+5*time.Second {
				t.Errorf("took longer than 5 s: %d running", p.busy)
			}
		})
	}
}

// Pools that share an account get about the same of it, also those that come
// when others have taken everything.
func TestFair(t *testing.T) {
	const pools, start, end = 4, 10 * time.Second, 100 * time.Second
	for _, c := range []struct {
		name  string
		limit int
		jain  float64 // least index of fairness: 1 is all equal, 1/4 is one has everything
		share float64 // least share of the poorest in its fair share
	}{
		{"account limit 3000", 3000, 0.95, 0.7},
		{"account limit 1000", 1000, 0.9, 0.5},
		{"account limit 100", 100, 0.5, 0.1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, *seed)
			w.limit = constant(c.limit)
			ps := []*pool{w.newPool(0, 1000, 1<<30, about(time.Second))}
			for range pools - 1 {
				ps = append(ps, w.newPool(start, 1000, 1<<30, about(time.Second)))
			}
			w.simulate(end/2, ps...)

			var work [pools]float64
			w.every(50*time.Millisecond, func() {
				for i, p := range ps {
					work[i] += float64(p.busy)
				}
			})
			w.simulate(end, ps...)
			var sum, squares float64
			least := work[0]
			for _, x := range work {
				sum += x
				squares += x * x
				least = min(least, x)
			}
			jain, share := sum*sum/squares/pools, least/sum*pools
			t.Logf("40 s after the others came: Jain's index %.3f, the poorest has %.2f of its share; %.1f %% refused of the first, %.1f %% of the second",
				jain, share, ps[0].refusedPercent(), ps[1].refusedPercent())
			if jain < c.jain || share < c.share {
				t.Errorf("index %.3f, poorest %.2f; want at least %.2f, %.2f", jain, share, c.jain, c.share)
			}
		})
	}
}

// Every call of a newcomer ends, though the account is full of another's.
func TestNewcomer(t *testing.T) {
	w := newWorld(t, *seed)
	w.limit = constant(500)
	full := w.newPool(0, 1000, 1<<30, about(time.Second))
	w.simulate(20*time.Second, full)
	late := w.newPool(0, 1000, 1000, about(time.Second))
	w.simulate(80*time.Second, late)
	t.Logf("1000 calls of the newcomer took %.1f s, the longest %.1f s", (late.ended - 20*time.Second).Seconds(), late.longest.Seconds())
	if late.todo > 0 {
		t.Errorf("%d calls have not ended in a minute", late.todo)
	}
}

// Refusals that have nothing to do with load, such as faults on request, do not
// bring the pool to its knees.
func TestNoise(t *testing.T) {
	for _, c := range []struct {
		name  string
		noise float64
		ratio float64
	}{
		{"0.3 %", 0.003, 1.15},
		{"1 %", 0.01, 1.25},
		{"3 %", 0.03, 2},
		{"8 %", 0.08, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, *seed)
			w.noise = c.noise
			ideal := w.ideal(100_000, 1000, 100*time.Millisecond+2*w.oneWay)
			p := w.newPool(0, 1000, 100_000, about(100*time.Millisecond))
			w.simulate(10*ideal, p)
			ratio := p.ended.Seconds() / ideal.Seconds()
			t.Logf("took %.1f s, without noise %.1f s: %.2f×", p.ended.Seconds(), ideal.Seconds(), ratio)
			if p.todo > 0 || ratio > c.ratio {
				t.Errorf("%d calls left, %.2f×; want 0, at most %.2f×", p.todo, ratio, c.ratio)
			}
		})
	}
}
