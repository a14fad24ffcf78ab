package lambdapool

// A reorder buffer gives results back in the order of their Index, from 0 on. It is a ring as
// large as they were ever apart; a map of as many would take more than twice the memory.
type reorder[R any] struct {
	ring []Result[R] // at Index modulo its length, a power of two; Index is -1 where there is none
	next int         // the Index that comes next
}

// put takes a result that next has not come to.
func (b *reorder[R]) put(r Result[R]) {
	if apart := r.Index - b.next; apart >= len(b.ring) {
		b.grow(apart + 1)
	}
	b.ring[r.Index&(len(b.ring)-1)] = r
}

// take returns the next result if it is there, and moves on.
func (b *reorder[R]) take() (r Result[R], ok bool) {
	if len(b.ring) == 0 {
		return r, false
	}
	slot := &b.ring[b.next&(len(b.ring)-1)]
	if slot.Index != b.next {
		return r, false
	}
	r = *slot
	*slot = Result[R]{Index: -1}
	b.next++
	return r, true
}

// pass moves on over a result that was next and was never put.
func (b *reorder[R]) pass() { b.next++ }

func (b *reorder[R]) grow(n int) {
	size := max(64, len(b.ring))
	for size < n {
		size *= 2
	}
	ring := make([]Result[R], size)
	for i := range ring {
		ring[i].Index = -1
	}
	for _, r := range b.ring {
		if r.Index >= 0 {
			ring[r.Index&(size-1)] = r
		}
	}
	b.ring = ring
}
