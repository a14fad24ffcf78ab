package engine

import (
	"fmt"
	"testing"
	"time"
)

// What is dropped comes in the order of the input, whatever the keys, and what is left can still be released, once each.
func TestRatedDrop(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	for last := -1; last <= 30; last += 5 {
		r := newRated(0, 1000)
		for i := range 30 {
			if !r.hold(Item{Index: i}, fmt.Sprint(i*i%7), now) {
				t.Fatal("an item with a key is not held")
			}
		}
		dropped := r.drop(last)
		for k, it := range dropped {
			if it.Index != last+1+k {
				t.Fatalf("behind %d: %d came %dth", last, it.Index, k)
			}
		}
		if len(dropped)+r.waiting() != 30 {
			t.Fatalf("behind %d: %d dropped, %d left", last, len(dropped), r.waiting())
		}
		seen := map[int]bool{}
		for r.waiting() > 0 {
			for _, it := range r.release(3, now) {
				if seen[it.Index] || it.Index > last {
					t.Errorf("behind %d: %d is released", last, it.Index)
				}
				seen[it.Index] = true
			}
			now = now.Add(time.Second)
		}
	}
}
