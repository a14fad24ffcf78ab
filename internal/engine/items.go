package engine

import (
	"slices"
	"time"
)

// An Item is one item, waiting or in flight.
type Item struct {
	Index    int
	Args     []byte
	Accepted time.Time
	runs     int    // attempts that ended in an error of the function
	key      *keyed // that has a rate of its own; nil: none
}

// itemQueue is a queue of items that reuses its memory.
type itemQueue struct {
	items []Item
	head  int
}

func (q *itemQueue) len() int       { return len(q.items) - q.head }
func (q *itemQueue) at(i int) *Item { return &q.items[q.head+i] }

func (q *itemQueue) push(it Item) {
	if q.head > 64 && q.head > len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, it)
}

// giveBack puts items in again that were taken out. The queue is in the order of the input.
func (q *itemQueue) giveBack(items []Item) {
	n := len(items)
	if q.head < n { // mostly there is room where they were
		q.items, q.head = append(make([]Item, n, n+len(q.items)), q.items[q.head:]...), n
	}
	to := q.items[q.head-n:]
	q.head -= n
	for at, waiting := 0, n; len(items) > 0; at++ {
		if waiting < len(to) && to[waiting].Index < items[0].Index {
			to[at], waiting = to[waiting], waiting+1
		} else {
			to[at], items = items[0], items[1:]
		}
	}
}

// cutBehind takes the items that come behind the one of that index. The queue may be in no order, see rated.
func (q *itemQueue) cutBehind(last int) (items []Item) {
	q.items = append(q.items[:q.head], slices.DeleteFunc(q.items[q.head:], func(it Item) bool {
		if it.Index > last {
			items = append(items, it)
			return true
		}
		return false
	})...)
	return items
}

// cut takes the first n items.
func (q *itemQueue) cut(n int) []Item {
	taken := q.items[q.head : q.head+n]
	items := append([]Item(nil), taken...)
	clear(taken)
	q.head += n
	return items
}
