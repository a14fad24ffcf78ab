package live

import (
	"time"
)

// maxPoints bounds the series: when there are more, two become one.
const maxPoints = 300

// A series is what is drawn over time. Its points are at equal distances.
type series struct {
	step   int // seconds between points
	points []point
	peak   int // invocations in flight at once, since the last sample
	open   point
	taken  int // samples in open
	last   totals
}

// A point is what happened within a step.
type point struct {
	inFlight  int   // at most
	limit     int64 // workers, or what the platform was found to allow; 0: not known
	ended     int64
	throttled int64
	retried   int64
	cost      float64
}

// sample adds to the series, once a second until the watch is closed.
func (w *watch) sample() {
	defer close(w.sampled)
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			w.snapshots() // so that their rates are known when a browser comes
			w.observe()
		case <-w.done:
			w.observe()
			return
		}
	}
}

// observe takes one sample, and wakes those who wait for news.
func (w *watch) observe() {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &w.series
	t := w.totals
	s.add(point{
		inFlight:  max(s.peak, len(w.inFlight)),
		limit:     w.stats.Stats().Limit,
		ended:     t.items - s.last.items,
		throttled: t.throttled - s.last.throttled,
		retried:   t.retried - s.last.retried,
		cost:      t.cost - s.last.cost,
	})
	s.last, s.peak = t, len(w.inFlight)
	close(w.news)
	w.news = make(chan struct{})
}

func (s *series) add(p point) {
	s.step = max(s.step, 1)
	s.open = s.open.with(p)
	if s.taken++; s.taken < s.step {
		return
	}
	s.points = append(s.points, s.open)
	s.open, s.taken = point{}, 0
	if len(s.points) < maxPoints {
		return
	}
	for i := range maxPoints / 2 {
		s.points[i] = s.points[2*i].with(s.points[2*i+1])
	}
	s.points = s.points[:maxPoints/2]
	s.step *= 2
}

// with is the point of two that follow each other.
func (p point) with(next point) point {
	return point{
		inFlight: max(p.inFlight, next.inFlight), limit: max(p.limit, next.limit),
		ended: p.ended + next.ended, throttled: p.throttled + next.throttled, retried: p.retried + next.retried,
		cost: p.cost + next.cost,
	}
}

// lately returns the sum of the last seconds, and how many those are.
func (s *series) lately(seconds int) (sum point, span time.Duration) {
	sum, span = s.open, time.Duration(s.taken)*time.Second
	for i := len(s.points) - 1; i >= 0 && span < time.Duration(seconds)*time.Second; i-- {
		sum = s.points[i].with(sum)
		span += time.Duration(s.step) * time.Second
	}
	return sum, span
}
