package order

import "sync"

// Batches are results on the way from workers to a consumer, in slices that are used again. It is safe for
// concurrent use.
type Batches[T any] struct {
	News chan struct{} // holds an entry when there is something to receive

	mu    sync.Mutex
	ended [][]T
	spare [][]T // that the consumer has done with
}

// spareBatches is how many slices are kept for others: one for the consumer, and some
// that workers fill meanwhile.
const spareBatches = 4

// NewBatches returns an empty one.
func NewBatches[T any]() *Batches[T] { return &Batches[T]{News: make(chan struct{}, 1)} }

// Room returns a slice for n results.
func (b *Batches[T]) Room(n int) []T {
	b.mu.Lock()
	defer b.mu.Unlock()
	if last := len(b.spare) - 1; last >= 0 {
		batch := b.spare[last]
		b.spare = b.spare[:last]
		if cap(batch) >= n {
			return batch[:n]
		}
	}
	return make([]T, n)
}

// Done takes a slice back, or a part of one, of which nothing is needed any more.
func (b *Batches[T]) Done(batch []T) {
	clear(batch)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.spare) < spareBatches {
		b.spare = append(b.spare, batch)
	}
}

// Hand gives results to the consumer.
func (b *Batches[T]) Hand(batches ...[]T) {
	b.mu.Lock()
	b.ended = append(b.ended, batches...)
	b.mu.Unlock()
	select {
	case b.News <- struct{}{}:
	default:
	}
}

// Received takes what has ended.
func (b *Batches[T]) Received() [][]T {
	b.mu.Lock()
	defer b.mu.Unlock()
	batches := b.ended
	b.ended = nil
	return batches
}

// HasNews reports whether something has ended that the consumer has not received.
func (b *Batches[T]) HasNews() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.ended) > 0
}
