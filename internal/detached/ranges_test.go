package detached_test

import (
	"slices"
	"testing"

	"github.com/lambdapool/lambdapool/internal/detached"
)

// Ranges are their positions, in order.
func TestRanges(t *testing.T) {
	t.Parallel()
	for _, positions := range [][]int{nil, {0}, {3, 4, 5}, {0, 2, 3, 9, 10, 11, 40}} {
		ranges := detached.RangesOf(positions)
		var got []int
		for i := range positions {
			got = append(got, detached.At(ranges, i))
		}
		if !slices.Equal(got, positions) || detached.At(ranges, len(positions)) != -1 {
			t.Errorf("%v became %v", positions, got)
		}
	}
	if n := len(detached.RangesOf([]int{3, 4, 5, 7})); n != 2 {
		t.Errorf("%d ranges", n)
	}
}
