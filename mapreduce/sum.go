package mapreduce

import (
	"cmp"
	"context"
	"iter"
)

// A Number can be added up.
type Number interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

// Sum is a [Reducer]: the sum of a key's values. With [Combine] and [Add] it is all that counting needs beside a mapper. It
// overflows as Go's numbers do.
func Sum[K cmp.Ordered, V Number](_ context.Context, _ K, values iter.Seq[V]) (sum V, _ error) {
	for v := range values {
		sum += v
	}
	return sum, nil
}

// Concat is a [Reducer]: the values of a key, one after another, those of earlier inputs first. A job that sorts records has it, with
// [Ranges] and [As]([Raw]).
func Concat[K cmp.Ordered](_ context.Context, _ K, values iter.Seq[[]byte]) (all []byte, _ error) {
	for v := range values {
		if all == nil { // of most keys there is one
			all = v
			continue
		}
		all = append(all, v...)
	}
	return all, nil
}

// Add returns a + b, for [Combine].
func Add[V Number](a, b V) V { return a + b }
