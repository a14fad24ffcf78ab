package engine

import (
	"container/heap"
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

// rated is how many of a run's items may begin in a second, all together and of each key. What is sent again counts
// again. It is guarded by e.mu. Nil: there is no bound.
type rated struct {
	all    *schedule.Meter // nil: only keys have bounds
	perKey float64         // 0: they have none
	keys   map[string]*keyed
	due    keyHeap // keys that have items, soonest first
	n      int     // of these items
}

// A keyed is what is known of one key.
type keyed struct {
	meter *schedule.Meter
	items []Item
	place int // in due
}

// sweepKeys is how many keys are kept before those of which nothing waits are forgotten.
const sweepKeys = 1 << 10

// newRated returns the bounds of a run; 0 is none.
func newRated(all, perKey float64) *rated {
	if all == 0 && perKey == 0 {
		return nil
	}
	r := &rated{perKey: perKey, keys: map[string]*keyed{}}
	if all > 0 {
		r.all = schedule.NewMeter(all)
	}
	return r
}

// hold has an item wait for its key's turn, and reports whether it does: not where keys have no bounds.
func (r *rated) hold(it Item, key string, now time.Time) bool {
	if r == nil || r.perKey == 0 {
		return false
	}
	k := r.keys[key]
	if k == nil {
		if len(r.keys) >= sweepKeys+4*len(r.due) {
			for name, k := range r.keys {
				if len(k.items) == 0 && k.meter.Idle(now) {
					delete(r.keys, name)
				}
			}
		}
		k = &keyed{meter: schedule.NewMeter(r.perKey)}
		r.keys[key] = k
	}
	it.key = k
	if k.items = append(k.items, it); len(k.items) == 1 {
		heap.Push(&r.due, k)
	}
	r.n++
	return true
}

// waiting is how many items wait for their key's turn.
func (r *rated) waiting() int {
	if r == nil {
		return 0
	}
	return r.n
}

// at returns when the next invocation may be formed; ready says that items wait for nothing but the common bound.
func (r *rated) at(ready bool) (at time.Time) {
	if r == nil {
		return at
	}
	if r.all != nil {
		at = r.all.At()
	}
	if !ready && len(r.due) > 0 {
		if next := r.due[0].meter.At(); next.After(at) {
			at = next
		}
	}
	return at
}

// most is how many of n items may be sent now.
func (r *rated) most(n int, now time.Time) int {
	if r == nil || r.all == nil {
		return n
	}
	return min(n, max(1, r.all.Available(now)))
}

// release takes out up to n items whose key's turn it is.
func (r *rated) release(n int, now time.Time) (items []Item) {
	for len(items) < n && len(r.due) > 0 && r.due[0].meter.Ready(now) {
		k := r.due[0]
		items = append(items, k.items[0])
		k.items[0] = Item{}
		k.items = k.items[1:]
		k.meter.Take(1, now)
		r.n--
		if len(k.items) > 0 {
			heap.Fix(&r.due, 0)
		} else {
			k.items = nil
			heap.Pop(&r.due)
		}
	}
	return items
}

// drop takes out the items that come behind the one of that index, in their order.
func (r *rated) drop(last int) (items []Item) {
	if r == nil || r.n == 0 {
		return nil
	}
	var gone indexHeap // of each key, whose items are in their order
	left := r.due[:0]
	for _, k := range r.due {
		n := len(k.items)
		for n > 0 && k.items[n-1].Index > last {
			n--
		}
		if n < len(k.items) {
			gone = append(gone, k.items[n:])
		}
		if k.items = k.items[:n:n]; n > 0 {
			k.place = len(left)
			left = append(left, k)
		}
	}
	r.due = left
	heap.Init(&r.due)
	for heap.Init(&gone); len(gone) > 0; {
		items = append(items, gone[0][0])
		if gone[0] = gone[0][1:]; len(gone[0]) > 0 {
			heap.Fix(&gone, 0)
		} else {
			heap.Pop(&gone)
		}
	}
	r.n -= len(items)
	return items
}

// indexHeap orders lists of items by their first one's index. A generic sort of items would be some 10 kB of an agent.
type indexHeap [][]Item

func (h indexHeap) Len() int           { return len(h) }
func (h indexHeap) Less(i, j int) bool { return h[i][0].Index < h[j][0].Index }
func (h indexHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *indexHeap) Push(x any)        { *h = append(*h, x.([]Item)) }
func (h *indexHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// permits returns when a call may be sent that was formed before: again, or as a duplicate.
func (r *rated) permits(c *Call) (at time.Time) {
	if r == nil {
		return at
	}
	if r.all != nil {
		at = r.all.At()
	}
	for i := range c.chunk.items {
		if k := c.chunk.items[i].key; k != nil && k.meter.At().After(at) {
			at = k.meter.At()
		}
	}
	return at
}

// took counts such a call.
func (r *rated) took(c *Call, now time.Time) {
	if r == nil {
		return
	}
	r.count(len(c.chunk.items), now)
	for i := range c.chunk.items {
		if k := c.chunk.items[i].key; k != nil {
			k.meter.Take(1, now)
			if len(k.items) > 0 {
				heap.Fix(&r.due, k.place)
			}
		}
	}
}

// count counts n items that are sent, for the common bound.
func (r *rated) count(n int, now time.Time) {
	if r != nil && r.all != nil {
		r.all.Take(n, now)
	}
}

// awaitRate has the feeder of a run whose items run inline wait for an item's turn. e.mu is held, and let go of meanwhile.
func (l *Lane) awaitRate(it Item, key string) {
	if l.rated == nil {
		return
	}
	held := l.rated.hold(it, key, it.Accepted)
	for now := time.Now(); l.Ctx.Err() == nil; now = time.Now() {
		at := l.rated.at(!held)
		if !at.After(now) {
			break
		}
		l.e.mu.Unlock()
		select {
		case <-time.After(at.Sub(now)):
		case <-l.Ctx.Done():
		}
		l.e.mu.Lock()
	}
	l.rated.drop(-1)
	l.rated.count(1, time.Now())
	if k := l.rated.keys[key]; held && k != nil {
		k.meter.Take(1, time.Now())
	}
}

// keyHeap orders keys by when the next item of theirs may begin.
type keyHeap []*keyed

func (h keyHeap) Len() int           { return len(h) }
func (h keyHeap) Less(i, j int) bool { return h[i].meter.At().Before(h[j].meter.At()) }
func (h keyHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *keyHeap) Push(x any) {
	k := x.(*keyed)
	k.place = len(*h)
	*h = append(*h, k)
}

func (h *keyHeap) Pop() any {
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = nil
	*h = (*h)[:len(*h)-1]
	return last
}
