package schedule

import (
	"testing"
	"time"
)

// observed returns a Chunker that has seen invocations of n items which take item each, with
// that latency, until it has settled.
func observed(n int, latency, item time.Duration) *Chunker {
	c := NewChunker(ChunkLimits{})
	for range 50 {
		run := time.Duration(n) * item
		c.Observe(n, latency+run, run, 1, n)
	}
	return c
}

func TestSizeOfChunksOfCheapItems(t *testing.T) {
	for _, tc := range []struct {
		latency, item time.Duration
		want          int
	}{
		{200 * time.Microsecond, 100 * time.Nanosecond, cheapItems}, // an item bears 0.4 µs of the overhead
		{5 * time.Millisecond, time.Microsecond, 1000},
		{20 * time.Millisecond, time.Microsecond, chosenMax},
		{20 * time.Millisecond, time.Millisecond, 600},
		{20 * time.Millisecond, time.Second, 1},
	} {
		if got := observed(100, tc.latency, tc.item).Size(Backlog{Remaining: -1, Workers: 8}); got < tc.want-1 || got > tc.want {
			t.Errorf("%v of latency, items of %v: %d items, want %d", tc.latency, tc.item, got, tc.want)
		}
	}
}

// The start of agents is no overhead of what is sent to them then; the time of their items counts.
func TestColdStartIsNoOverhead(t *testing.T) {
	const ms = time.Millisecond
	c := NewChunker(ChunkLimits{})
	for range 8 { // a start of 150 ms, of which the agent knows 50, and 20 ms on the wire
		c.ObserveCold(1, 180*ms, 50*ms, 10*ms, 1, 1)
	}
	want := func(items int, when string) {
		t.Helper()
		if got := c.Size(Backlog{Remaining: -1, Workers: 8}); got < items-1 || got > items {
			t.Errorf("%s: %d items, want %d", when, got, items)
		}
	}
	want(300, "after cold ones only, 100 ms of overhead")
	c.Observe(10, 120*ms, 100*ms, 1, 10)
	want(60, "after a warm one, 20 ms of overhead")
	for range 8 {
		c.ObserveCold(1, 380*ms, 50*ms, 10*ms, 1, 1)
	}
	want(60, "after more cold ones")
	for range 50 {
		c.ObserveCold(1, 390*ms, 50*ms, 20*ms, 1, 1)
	}
	want(30, "after cold ones whose items are twice as long")
	c.ObserveCold(0, time.Hour, 0, time.Hour, 1, 1) // no item has begun
	want(30, "after one of no items")
}

func TestWindow(t *testing.T) {
	for _, tc := range []struct {
		name          string
		latency, item time.Duration
		n, workers    int
		window, size  int
	}{
		{"far away, cheap: what a client can do in twice the latency", 20 * time.Millisecond, time.Microsecond, 3072, 64, 2 * 64 * 468, 468},
		{"very far away, cheap: bounded", 200 * time.Millisecond, time.Microsecond, 3072, 64, 2 * flightMax, 512},
		{"near, cheap: a few chunks", 100 * time.Microsecond, time.Microsecond, 512, 64, 2 * fewChunks * smallChunk, smallChunk},
		{"near, cheap, two workers", 100 * time.Microsecond, time.Microsecond, 512, 2, 2 * 2 * smallChunk, smallChunk},
		{"cheap, many workers: fewer than these in flight", 2 * time.Millisecond, time.Microsecond, 512, 1000, 6_000, smallChunk},
		{"work: all workers have some", 20 * time.Millisecond, time.Millisecond, 600, 100, 2 * 100 * 600, 600},
		{"work for very many workers: it is divided among them", 20 * time.Millisecond, time.Millisecond, 600, 1000, 2 * 1000 * 65, 65},
		{"single items of a second", 20 * time.Millisecond, time.Second, 1, 1000, 2000, 1},
		{"a worker at least", 20 * time.Millisecond, time.Second, 1, 0, 2, 1},
	} {
		window, size := observed(100, tc.latency, tc.item).Window(tc.n, tc.workers)
		if window < tc.window-1 || window > tc.window || size != tc.size {
			t.Errorf("%s: a window of %d and chunks of %d, want %d and %d", tc.name, window, size, tc.window, tc.size)
		}
	}
}

// A machine that is busy for a while makes neither chunks nor windows larger for good.
func TestLatencyIsTheLeastOverhead(t *testing.T) {
	c := observed(100, time.Millisecond, time.Microsecond)
	before, _ := c.Window(512, 8)
	for range 20 {
		c.Observe(100, 50*time.Millisecond, 100*time.Microsecond, 1, 100)
	}
	during, _ := c.Window(512, 8)
	if float64(during) > 1.4*float64(before) {
		t.Errorf("the window has grown from %d to %d", before, during)
	}
	c.Observe(100, time.Millisecond, time.Millisecond, 1, 100) // no overhead at all, for once
	for range 1000 {                                           // the network is slower now
		c.Observe(100, 50*time.Millisecond, 100*time.Microsecond, 1, 100)
	}
	if after, _ := c.Window(3072, 8); after < 2*before {
		t.Errorf("the window of %d for a slow network is that of a fast one, %d", after, before)
	}
}
