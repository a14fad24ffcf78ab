package schedule_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

func ExampleHedger() {
	h := schedule.NewHedger(schedule.DefaultHedgePolicy())
	for i := range 100 {
		h.Start()
		h.Observe(1, time.Duration(i+1)*time.Millisecond)
	}
	fmt.Println(h.Ask(1, 80*time.Millisecond, false)) // not slow yet
	fmt.Println(h.Ask(1, 96*time.Millisecond, true))  // not while throttled
	fmt.Println(h.Ask(1, 96*time.Millisecond, false))
	// Output:
	// false 16ms
	// false 12ms
	// true 0s
}

func TestHedgeDelay(t *testing.T) {
	type seen struct {
		times, items int
		took         time.Duration
	}
	for _, c := range []struct {
		name  string
		seen  []seen
		items int
		want  time.Duration // 0: too little is known
	}{
		{"nothing known", nil, 1, 0},
		{"one too few", []seen{{19, 1, time.Second}}, 1, 0},
		{"all alike: a fifth more", []seen{{20, 1, time.Second}}, 1, 1200 * time.Millisecond},
		{"few stragglers do not count", []seen{{98, 1, time.Second}, {2, 1, 20 * time.Second}}, 1, 1200 * time.Millisecond},
		{"a slow tenth does", []seen{{90, 1, time.Second}, {10, 1, 3 * time.Second}}, 1, 3 * time.Second},
		{"the past is forgotten", []seen{{1000, 1, time.Minute}, {256, 1, time.Second}}, 1, 1200 * time.Millisecond},
		{"more items take longer", []seen{{20, 10, time.Second}}, 30, 3600 * time.Millisecond},
		{"fewer items not less", []seen{{20, 10, time.Second}}, 1, 1200 * time.Millisecond},
		{"no items are one", []seen{{20, 0, time.Second}}, -1, 1200 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := schedule.NewHedger(schedule.DefaultHedgePolicy())
			for _, s := range c.seen {
				for range s.times {
					h.Observe(s.items, s.took)
				}
			}
			if got, ok := h.Delay(c.items); got != c.want || ok != (c.want > 0) {
				t.Errorf("Delay = %v, %v, want %v", got, ok, c.want)
			}
		})
	}
}

// The delay follows what is observed, and the number of items asked for.
func TestHedgeDelayFollows(t *testing.T) {
	h := schedule.NewHedger(schedule.HedgePolicy{Quantile: 0.5, MinSamples: 1, Budget: 1})
	for i, c := range []struct {
		took  time.Duration
		items int
		want  time.Duration
	}{
		{10 * time.Second, 1, 12 * time.Second},
		{10 * time.Second, 2, 24 * time.Second},
		{5 * time.Second, 1, 6 * time.Second},
	} {
		for range 1000 {
			h.Observe(1, c.took)
		}
		if got, _ := h.Delay(c.items); got != c.want {
			t.Errorf("step %d: Delay(%d) = %v, want %v", i, c.items, got, c.want)
		}
	}
}

// Odd quantiles neither panic nor leave the observed times.
func TestHedgeQuantileBounds(t *testing.T) {
	for _, q := range []float64{-1, 0, 1, 2} {
		h := schedule.NewHedger(schedule.HedgePolicy{Quantile: q})
		for i := range 100 {
			h.Observe(1, time.Duration(i+1)*time.Second)
		}
		if got, ok := h.Delay(1); !ok || got < 60*time.Second || got > 100*time.Second {
			t.Errorf("quantile %v of 1 s … 100 s: %v, %v", q, got, ok)
		}
	}
}

func TestHedgeAsk(t *testing.T) {
	h := schedule.NewHedger(schedule.DefaultHedgePolicy())
	for _, c := range []struct{ running, want time.Duration }{
		{0, 10 * time.Millisecond},
		{8 * time.Second, time.Second},
	} {
		if hedge, again := h.Ask(1, c.running, false); hedge || again != c.want {
			t.Errorf("nothing known, running for %v: %v, again in %v; want again in %v", c.running, hedge, again, c.want)
		}
	}
	for range 20 {
		h.Observe(1, time.Second)
	}
	if hedge, again := h.Ask(1, time.Minute, false); hedge || again != 150*time.Millisecond {
		t.Errorf("without a budget: %v, again in %v", hedge, again)
	}
	for range 100 {
		h.Start()
	}
	if hedge, again := h.Ask(1, time.Second, false); hedge || again != 200*time.Millisecond {
		t.Errorf("not slow yet: %v, again in %v", hedge, again)
	}
	if hedge, again := h.Ask(1, time.Minute, true); hedge || again != 150*time.Millisecond {
		t.Errorf("throttled: %v, again in %v", hedge, again)
	}
	for range 50 {
		h.Ask(1, time.Minute, false)
	}
	if h.Hedged() != 5 {
		t.Errorf("%d duplicates of 100 invocations, want 5", h.Hedged())
	}
}

// hedgedMap simulates a map of items over workers, with a share of stragglers
// that are 20 times slower, and returns how long it takes.
func hedgedMap(rnd *rand.Rand, items, workers int, stragglers float64, h *schedule.Hedger) time.Duration {
	var (
		events  queue[func()]
		now     time.Duration
		next    int
		left    = items
		free    = workers
		waiting []func() // duplicates that wait for a worker
	)
	took := func() time.Duration {
		d := time.Duration((0.9 + 0.2*rnd.Float64()) * float64(time.Second))
		if rnd.Float64() < stragglers {
			d *= 20
		}
		return d
	}
	var dispatch func()
	start := func() {
		running, done, latest := 0, false, now
		run := func() {
			running++
			free--
			since := now
			latest = now
			events.push(now+took(), func() {
				if done {
					return // abandoned: its worker is free already
				}
				done = true
				free += running
				left--
				h.Observe(1, now-since)
				dispatch()
			})
		}
		h.Start()
		run()
		var ask func()
		ask = func() {
			if done {
				return
			}
			hedge, again := h.Ask(1, now-latest, false)
			if !hedge {
				events.push(now+again, ask)
				return
			}
			waiting = append(waiting, func() {
				if !done {
					run()
					ask()
				}
			})
			dispatch()
		}
		ask()
	}
	dispatch = func() {
		for free > 0 && len(waiting) > 0 {
			run := waiting[0]
			waiting = waiting[1:]
			run()
		}
		for free > 0 && next < items {
			next++
			start()
		}
	}
	dispatch()
	for left > 0 {
		var f func()
		now, f = events.pop()
		f()
	}
	return now
}

// With 2 % of the calls 20 times slower, a map of 2,000 items takes at most
// 1.3 times as long as without, and at most 5 % extra invocations.
func TestHedgedMap(t *testing.T) {
	const items, workers = 2000, 128
	off := schedule.HedgePolicy{MinSamples: items + 1}
	for s := *seed; s < *seed+5; s++ {
		clean := hedgedMap(rand.New(rand.NewPCG(s, 1)), items, workers, 0, schedule.NewHedger(off))
		slow := hedgedMap(rand.New(rand.NewPCG(s, 1)), items, workers, 0.02, schedule.NewHedger(off))
		h := schedule.NewHedger(schedule.DefaultHedgePolicy())
		hedged := hedgedMap(rand.New(rand.NewPCG(s, 1)), items, workers, 0.02, h)
		ratio := hedged.Seconds() / clean.Seconds()
		t.Logf("seed %d: %.1f s without stragglers, %.1f s with, %.1f s hedged: %.2f×; %d duplicates",
			s, clean.Seconds(), slow.Seconds(), hedged.Seconds(), ratio, h.Hedged())
		if ratio > 1.3 || h.Hedged() > items/20 {
			t.Errorf("seed %d: %.2f× and %d duplicates, want at most 1.3× and %d", s, ratio, h.Hedged(), items/20)
		}
		if slow < 2*clean {
			t.Errorf("seed %d: stragglers cost nothing (%v, %v): the test shows nothing", s, clean, slow)
		}
	}
}
