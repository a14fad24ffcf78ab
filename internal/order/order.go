// Package order brings results that come in batches, as they end, into the order of the input. It knows a result by
// its position alone.
package order

import "iter"

// A Buffer gives results back in the order of their positions, from 0 on. It keeps those that came early where they
// are, in the slices they came in, and is as large as these are many.
type Buffer[T any] struct {
	at    func(*T) int
	early map[int][]T // consecutive results, by the first one's position
	next  int         // the position that comes next
}

// NewBuffer returns one of results that are at the positions that at says.
func NewBuffer[T any](at func(*T) int) *Buffer[T] {
	return &Buffer[T]{at: at, early: map[int][]T{}}
}

// Put takes results over, sorted by position as the items of an invocation are.
func (b *Buffer[T]) Put(batch []T) {
	for len(batch) > 0 {
		first, n := b.at(&batch[0]), 1
		for n < len(batch) && b.at(&batch[n]) == first+n {
			n++
		}
		b.early[first] = batch[:n:n]
		batch = batch[n:]
	}
}

// Ready yields the results that come next as far as they are there.
func (b *Buffer[T]) Ready() iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		for results, ok := b.early[b.next]; ok; results, ok = b.early[b.next] {
			delete(b.early, b.next)
			b.next += len(results)
			if !yield(results) {
				return
			}
		}
	}
}

// A Set is a set of positions below the number it was made for.
type Set []uint64

// NewSet returns an empty one, of positions below n.
func NewSet(n int) Set { return make(Set, (n+63)/64) }

// Add adds a position.
func (s Set) Add(i int) { s[i/64] |= 1 << (i % 64) }

// Has reports whether a position was added.
func (s Set) Has(i int) bool { return s[i/64]>>(i%64)&1 == 1 }
