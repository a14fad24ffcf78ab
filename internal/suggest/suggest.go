// Package suggest finds what was probably meant by a name that nobody knows.
package suggest

import (
	"cmp"
	"slices"
	"strings"
)

// most is how many names are suggested.
const most = 3

// Nearest returns those of the known names that a slip of the pen explains:
// another letter case, an edit in about three letters, or a part left out or
// added. The nearest come first.
func Nearest(name string, known []string) []string {
	type candidate struct {
		name string
		far  int
	}
	var candidates []candidate
	lower := strings.ToLower(name)
	for _, k := range known {
		limit := max(1, min(len(name), len(k))/3)
		far := limit + 1
		if difference := max(len(name)-len(k), len(k)-len(name)); difference <= limit { // keeps a hostile name's length out of the table
			far = distance(lower, strings.ToLower(k))
		}
		if far > limit && name != "" && (strings.Contains(strings.ToLower(k), lower) || k != "" && strings.Contains(lower, strings.ToLower(k))) {
			far = limit
		}
		if far <= limit {
			candidates = append(candidates, candidate{k, far})
		}
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int { return cmp.Compare(a.far, b.far) })
	var names []string
	for _, c := range candidates[:min(len(candidates), most)] {
		if c.far > candidates[0].far+1 {
			break // much farther than the nearest
		}
		names = append(names, c.name)
	}
	return names
}

// distance counts the bytes to insert, remove or replace, and the neighbours to swap,
// to get from a to b.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range len(b) {
			replaced := last[j]
			if a[i] != b[j] {
				replaced++
			}
			row[j+1] = min(replaced, row[j]+1, last[j+1]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
