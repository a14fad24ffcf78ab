package schedule_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

// A chunked run is items that workers take as a Chunker says, in virtual time.
type chunked struct {
	workers  int
	overhead time.Duration // of an invocation
	items    []time.Duration
}

// run returns how long the run takes, and how often that which clairvoyants would take: one chunk for each worker, all
// equally long.
func (r chunked) run(tb testing.TB) (took time.Duration, ratio float64) {
	tb.Helper()
	type flight struct {
		items     int
		sent, run time.Duration
	}
	var (
		chunker = schedule.NewChunker(schedule.ChunkLimits{})
		events  queue[flight]
		next    int
		flying  int
		sum     time.Duration
	)
	send := func(now time.Duration) {
		left := len(r.items) - next
		if left == 0 {
			return
		}
		n := min(left, chunker.Size(schedule.Backlog{Remaining: left, Ready: left, Flying: flying, Workers: r.workers}))
		f := flight{items: n, sent: now}
		for _, d := range r.items[next : next+n] {
			f.run += d
		}
		next, flying, sum = next+n, flying+n, sum+f.run
		events.push(now+r.overhead+f.run, f)
	}
	for range r.workers {
		send(0)
	}
	for flying > 0 {
		now, f := events.pop()
		took, flying = now, flying-f.items
		chunker.Observe(f.items, now-f.sent, f.run, 1, 10*f.items)
		send(now)
	}
	return took, float64(took) / float64(r.overhead+sum/time.Duration(r.workers))
}

// The rounds to the end of an input are few where items are alike, and many where they are not: then the last ones must
// be short.
func TestChunksEndTogether(t *testing.T) {
	const n, workers, overhead, item = 1000, 16, 20 * time.Millisecond, 10 * time.Millisecond
	for _, tt := range []struct {
		name string
		most float64 // times the ideal
		item func(rnd *rand.Rand, i int) float64
	}{
		{"equal", 1.14, func(*rand.Rand, int) float64 { return 1 }},
		{"a tenth more or less", 1.15, func(rnd *rand.Rand, _ int) float64 { return 0.9 + 0.2*rnd.Float64() }},
		{"ascending", 1.22, func(_ *rand.Rand, i int) float64 { return 0.5 + float64(i)/n }},
		{"descending", 1.17, func(_ *rand.Rand, i int) float64 { return 1.5 - float64(i)/n }},
		{"exponential", 1.24, func(rnd *rand.Rand, _ int) float64 { return rnd.ExpFloat64() }},
		{"the last tenth is ten times as long", 1.2, func(_ *rand.Rand, i int) float64 {
			if i >= n*9/10 {
				return 10
			}
			return 1
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, 2))
			r := chunked{workers: workers, overhead: overhead}
			for i := range n {
				r.items = append(r.items, time.Duration(tt.item(rnd, i)*float64(item)))
			}
			took, ratio := r.run(t)
			t.Logf("%v, %.3f times the ideal", took, ratio)
			if ratio > tt.most {
				t.Errorf("%.3f times the ideal, want %.2f at most", ratio, tt.most)
			}
		})
	}
}

// Workers that come and go begin another round: else many would share a round of few, or the other way round.
func TestChunksFollowWorkers(t *testing.T) {
	chunker := schedule.NewChunker(schedule.ChunkLimits{})
	chunker.Observe(1, 11*time.Millisecond, 10*time.Millisecond, 1, 10)
	size := func(remaining, workers int) int {
		return chunker.Size(schedule.Backlog{Remaining: remaining, Flying: workers, Workers: workers})
	}
	if got, want := size(240, 100), 2; got != want {
		t.Errorf("of 240 items, one of 100 workers takes %d, want %d", got, want)
	}
	if got, want := size(240, 10), 3; got != want { // three make 30 overheads, which is enough
		t.Errorf("of 240 items, one of 10 workers takes %d, want %d", got, want)
	}
}
