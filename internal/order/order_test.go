package order_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lambdapool/lambdapool/internal/order"
)

// Whatever the order of the batches, each result comes once, in its place, as soon as those before it are there.
func TestBuffer(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		dice := rand.New(rand.NewPCG(seed, 0))
		n := 1 + dice.IntN(200)
		batches := make([][]int, 1+dice.IntN(20))
		for i := range n {
			b := dice.IntN(len(batches))
			batches[b] = append(batches[b], i)
		}
		buffer, there := order.NewBuffer(func(i *int) int { return *i }), order.NewSet(n)
		var got []int
		for _, batch := range batches {
			for _, i := range batch {
				there.Add(i)
			}
			buffer.Put(batch)
			for results := range buffer.Ready() {
				got = append(got, results...)
			}
			could := 0
			for could < n && there.Has(could) {
				could++
			}
			if len(got) != could {
				t.Fatalf("seed %d: %d are ready, %d could be", seed, len(got), could)
			}
		}
		if len(got) != n || !slices.IsSorted(got) || got[n-1] != n-1 {
			t.Fatalf("seed %d: %v", seed, got)
		}
	}
}

// A consumer that breaks off gets the rest the next time.
func TestBreak(t *testing.T) {
	t.Parallel()
	buffer := order.NewBuffer(func(i *int) int { return *i })
	buffer.Put([]int{0, 2})
	buffer.Put([]int{1})
	var got []int
	for range 4 {
		for results := range buffer.Ready() {
			got = append(got, results...)
			break
		}
	}
	if !slices.Equal(got, []int{0, 1, 2}) {
		t.Errorf("%v", got)
	}
}
