package report

import (
	"container/heap"
	"slices"
	"time"
)

// concurrency returns the most invocations in flight within each of n equal
// parts of the run.
func (r *Report) concurrency(n int) []int {
	starts := make([]time.Duration, len(r.entries))
	ends := make([]time.Duration, len(r.entries))
	for i, e := range r.entries {
		starts[i], ends[i] = e.sent, e.until()
	}
	slices.Sort(ends)
	series := make([]int, n)
	at, level := 0, 0
	change := func(t time.Duration, by int) {
		for part := r.part(t, n); at < part; {
			at++
			series[at] = level
		}
		level += by
		series[at] = max(series[at], level)
	}
	for i, j := 0, 0; j < len(ends); {
		// What ends makes room for what begins then.
		if i < len(starts) && starts[i] < ends[j] {
			change(starts[i], 1)
			i++
		} else {
			change(ends[j], -1)
			j++
		}
	}
	if kept := int64(r.Kept); kept > 0 && kept < r.Invocations {
		for i := range series {
			series[i] = int(int64(series[i]) * r.Invocations / kept)
		}
	}
	return series
}

// part returns in which of n equal parts of the run t is.
func (r *Report) part(t time.Duration, n int) int {
	if r.Elapsed <= 0 {
		return 0
	}
	return max(min(int(float64(n)*float64(t-r.begin)/float64(r.Elapsed)), n-1), 0)
}

// lanes puts invocations into rows, so that none overlap: the fewest rows, each
// invocation in the first that is free. It returns a row for each entry, and
// how many there are.
func (r *Report) lanes() (lane []int, rows int) {
	lane = make([]int, len(r.entries))
	var busy busyLanes
	var free freeLanes
	for i := range r.entries {
		e := &r.entries[i]
		for len(busy) > 0 && busy[0].until <= e.sent {
			heap.Push(&free, heap.Pop(&busy).(busyLane).lane)
		}
		if len(free) > 0 {
			lane[i] = heap.Pop(&free).(int)
		} else {
			lane[i] = rows
			rows++
		}
		heap.Push(&busy, busyLane{lane: lane[i], until: e.until()})
	}
	return lane, rows
}

// until is when an invocation's place is free again. One that took no time takes
// some here, or many would share a place.
func (e *entry) until() time.Duration { return max(e.received, e.sent+1) }

// A busyLane is a row whose invocation lasts until then.
type busyLane struct {
	lane  int
	until time.Duration
}

// busyLanes is a heap: the row that is free first is on top.
type busyLanes []busyLane

func (b busyLanes) Len() int           { return len(b) }
func (b busyLanes) Less(i, j int) bool { return b[i].until < b[j].until }
func (b busyLanes) Swap(i, j int)      { b[i], b[j] = b[j], b[i] }
func (b *busyLanes) Push(x any)        { *b = append(*b, x.(busyLane)) }
func (b *busyLanes) Pop() any {
	last := (*b)[len(*b)-1]
	*b = (*b)[:len(*b)-1]
	return last
}

// freeLanes is a heap, too: the uppermost free row is on top, so that rows fill from above.
type freeLanes []int

func (f freeLanes) Len() int           { return len(f) }
func (f freeLanes) Less(i, j int) bool { return f[i] < f[j] }
func (f freeLanes) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *freeLanes) Push(x any)        { *f = append(*f, x.(int)) }
func (f *freeLanes) Pop() any {
	last := (*f)[len(*f)-1]
	*f = (*f)[:len(*f)-1]
	return last
}
