package lambdapool

import "sync"

// A scratch lends slices that nobody needs any more when an attempt is over: with many
// small items they would be most of what the garbage collector has to do. Its zero value is
// ready, and safe for concurrent use.
type scratch[T any] struct{ pool sync.Pool }

// lend returns n zero values.
func (s *scratch[T]) lend(n int) *[]T {
	lent, _ := s.pool.Get().(*[]T)
	if lent == nil {
		lent = new([]T)
	}
	if cap(*lent) < n {
		*lent = make([]T, n)
	}
	*lent = (*lent)[:n]
	return lent
}

// giveBack takes a slice back of which nothing is used any more.
func (s *scratch[T]) giveBack(lent *[]T) {
	if lent != nil {
		clear(*lent)
		s.pool.Put(lent)
	}
}
