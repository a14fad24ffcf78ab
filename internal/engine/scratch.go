package engine

import "sync"

// A scratch lends slices that nobody needs any more when an attempt is over: with many
// small items they would be most of what the garbage collector has to do. Its zero value is
// ready, and safe for concurrent use.
type scratch[T any] struct{ pool sync.Pool }

// lend returns n zero values. A single one is not worth it, and may be large.
func (s *scratch[T]) lend(n int) []T {
	if n > 1 {
		if lent, ok := s.pool.Get().(*[]T); ok && cap(*lent) >= n {
			return (*lent)[:n]
		}
	}
	return make([]T, n)
}

// giveBack takes a slice back of which nothing is used any more.
func (s *scratch[T]) giveBack(lent []T) {
	if len(lent) > 1 {
		s.keep(lent)
	}
}

// keep is apart because its parameter is allocated.
func (s *scratch[T]) keep(lent []T) {
	clear(lent)
	s.pool.Put(&lent)
}
