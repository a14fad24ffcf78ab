package agent

import (
	"cmp"
	"slices"
	"strings"

	"github.com/lambdapool/lambdapool"
)

// maxNearest is how many names are suggested for an unknown one.
const maxNearest = 3

// nearest returns the registered names that differ least from name, if a slip
// of the pen explains the difference: letter case, or an edit in four letters.
func nearest(name string, functions []*lambdapool.Function) []string {
	type candidate struct {
		name string
		far  int
	}
	var close []candidate
	for _, f := range functions {
		limit := max(1, min(len(name), len(f.Name()))/4)
		if abs(len(name)-len(f.Name())) > limit { // also keeps a hostile name's length out of the table below
			continue
		}
		if far := editDistance(strings.ToLower(name), strings.ToLower(f.Name())); far <= limit {
			close = append(close, candidate{f.Name(), far})
		}
	}
	slices.SortStableFunc(close, func(a, b candidate) int { return cmp.Compare(a.far, b.far) })
	var names []string
	for _, c := range close[:min(len(close), maxNearest)] {
		names = append(names, c.name)
	}
	return names
}

func abs(n int) int { return max(n, -n) }

// editDistance counts the bytes to insert, remove or replace to get from a to b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
