package schedule_test

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

// seed lets the simulations run again with other chances: go test -seed 7.
var seed = flag.Uint64("seed", 1, "of the simulations")

// steps is a limit that changes at the end of each interval, over and over.
func steps(interval time.Duration, limits ...int) func(time.Duration) int {
	return func(t time.Duration) int { return limits[int(t/interval)%len(limits)] }
}

// 100,000 calls of one second and 10,000 workers, against the scaling law and
// an account limit that the client is not told.
func TestScale(t *testing.T) {
	const (
		calls, workers = 100_000, 10_000
		run            = time.Second
	)
	near, far := 15*time.Millisecond, 75*time.Millisecond
	for _, c := range []struct {
		name       string
		limit      func(time.Duration) int
		retryAfter time.Duration
		oneWay     time.Duration
	}{
		{"the scaling law alone", constant(workers), 0, near},
		{"account limit 3000", constant(3000), 0, near},
		{"account limit 3000, Retry-After 1 s", constant(3000), time.Second, near},
		{"account limit 1000", constant(1000), 0, near},
		{"account limit 1000, Retry-After 1 s", constant(1000), time.Second, near},
		{"account limit 1000, 400, 2000, 700 for 10 s each", steps(10*time.Second, 1000, 400, 2000, 700), 0, near},
		{"another continent, account limit 1000", constant(1000), 0, far},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, *seed)
			w.limit, w.retryAfter, w.oneWay = c.limit, c.retryAfter, c.oneWay
			ideal := w.ideal(calls, workers, run)
			if c.oneWay == far {
				// Who waits for an answer before the next call cannot hide the way.
				ideal = w.ideal(calls, workers, run+2*far)
			}
			p := w.newPool(0, workers, calls, exactly(run))
			w.simulate(2*ideal, p)

			ratio := p.ended.Seconds() / ideal.Seconds()
			t.Logf("took %.1f s, ideal %.1f s: %.3f×; refused %d of %d requests: %.2f %%; longest call %.1f s",
				p.ended.Seconds(), ideal.Seconds(), ratio, p.refused, p.sent, p.refusedPercent(), p.longest.Seconds())
			if p.todo > 0 {
				t.Fatalf("%d calls have not ended in twice the ideal time", p.todo)
			}
			if ratio > 1.15 {
				t.Errorf("took %.3f× the ideal time, want at most 1.15×", ratio)
			}
			if p.refusedPercent() >= 5 {
				t.Errorf("%.2f %% of the requests were refused, want less than 5 %%", p.refusedPercent())
			}
		})
	}
}

// Calls so short that not the concurrency but the rate of requests is the limit.
func TestShortCalls(t *testing.T) {
	for _, c := range []struct {
		name     string
		limit    int
		run      time.Duration
		requests int
	}{
		{"10 ms, account limit 1000", 1000, 10 * time.Millisecond, 100_000},
		{"50 ms, account limit 100", 100, 50 * time.Millisecond, 50_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, *seed)
			w.limit = constant(c.limit)
			w.rate = func(time.Duration) float64 { return 10 * float64(c.limit) }
			ideal := w.ideal(c.requests, 10_000, c.run)
			p := w.newPool(0, 10_000, c.requests, exactly(c.run))
			w.simulate(2*ideal, p)

			ratio := p.ended.Seconds() / ideal.Seconds()
			t.Logf("took %.1f s, ideal %.1f s: %.3f×; refused %.2f %%", p.ended.Seconds(), ideal.Seconds(), ratio, p.refusedPercent())
			if p.todo > 0 || ratio > 1.15 || p.refusedPercent() >= 5 {
				t.Errorf("%d calls left, %.3f× the ideal time, %.2f %% refused; want 0, at most 1.15×, less than 5 %%",
					p.todo, ratio, p.refusedPercent())
			}
		})
	}
}

// A limit on requests per second, below what the law allows, is found as any other: nobody
// says which limit refuses.
func TestRateLimit(t *testing.T) {
	const settled, end = 15 * time.Second, 45 * time.Second
	for _, law := range []schedule.Law{{}, schedule.LambdaLaw()} {
		for _, run := range []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond, time.Second} {
			for _, rate := range []float64{100, 1000} {
				t.Run(fmt.Sprintf("%v requests of %v, law %v", rate, run, law.Rate), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, *seed)
					w.rate = func(time.Duration) float64 { return rate }
					p := w.newPool(0, 10_000, 1<<30, about(run))
					p.lim = schedule.NewLimiter(10_000, law)
					w.simulate(settled, p)
					sent, refused := p.sent, p.refused
					w.simulate(end, p)
					sent, refused = p.sent-sent, p.refused-refused
					share := float64(sent-refused) / rate / (end - settled).Seconds()
					t.Logf("after %v: %.0f %% of the limit in use, %.1f %% refused", settled, 100*share, 100*float64(refused)/float64(sent))
					if share < 0.8 {
						t.Errorf("%.0f %% of the limit in use, want 80 %%", 100*share)
					}
				})
			}
		}
	}
}
