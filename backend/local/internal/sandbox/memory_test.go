package sandbox

import (
	"testing"
	"time"
)

// Looking at many agents is spread out; a look that the machine has held up is not taken for that.
func TestCostOfLooking(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for _, c := range []struct{ took, before, want time.Duration }{
		{ms / 10, 0, ms / 10},
		{time.Second, 0, ms / 2},
		{time.Second, ms / 10, ms / 2},
		{time.Second, 10 * ms, 20 * ms},
		{15 * ms, 10 * ms, 15 * ms},
		{ms, 10 * ms, ms},
	} {
		if got := costOf(c.took, c.before); got != c.want {
			t.Errorf("%v after %v: %v, want %v", c.took, c.before, got, c.want)
		}
	}
}
