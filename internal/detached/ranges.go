package detached

// A Range is positions from the first to the last, both included.
type Range [2]int

// RangesOf returns ascending positions as ranges.
func RangesOf(positions []int) (ranges []Range) {
	for _, p := range positions {
		if last := len(ranges) - 1; last >= 0 && ranges[last][1]+1 == p {
			ranges[last][1] = p
			continue
		}
		ranges = append(ranges, Range{p, p})
	}
	return ranges
}

// At returns the i-th of the positions of ranges, or -1 if there are not so many.
func At(ranges []Range, i int) int {
	for _, r := range ranges {
		n := r[1] - r[0] + 1
		if i < n {
			return r[0] + i
		}
		i -= n
	}
	return -1
}
