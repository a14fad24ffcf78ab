package engine

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// For a moment the items of a chunk have ended and their invocation has not: they are not
// running any more, and never make a count negative.
func TestStatsWhileItemsLeaveTheirChunk(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ counted, want Stats }{
		{
			Stats{Submitted: 9, Running: 7, Succeeded: 3, FunctionErrors: 2},
			Stats{Submitted: 9, Running: 4, Succeeded: 3, FunctionErrors: 2},
		},
		{
			Stats{Submitted: 9, Running: 7, PoolErrors: 9, Canceled: 9},
			Stats{Submitted: 9, PoolErrors: 9, Canceled: 9},
		},
		{
			Stats{Submitted: 9, Running: 2, Succeeded: 4},
			Stats{Submitted: 9, Queued: 3, Running: 2, Succeeded: 4},
		},
	} {
		if diff := cmp.Diff(tt.want, tt.counted.now()); diff != "" {
			t.Errorf("of %+v: %s", tt.counted, diff)
		}
	}
}
