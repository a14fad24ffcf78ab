package shards_test

import (
	"testing"

	"github.com/lambdapool/lambdapool/internal/shards"
)

func TestOf(t *testing.T) {
	for _, tt := range []struct {
		name, mark, base string
		i, n             int
	}{
		{"demo", "", "demo", 0, 1},
		{"demo", "0/10", "demo", 0, 10},
		{"demo-3", "3/10", "demo", 3, 10},
		{"a-b-19", "19/20", "a-b", 19, 20},
		{"demo-3", "", "demo-3", 0, 1},        // a function of somebody's that is called so
		{"demo-4", "3/10", "demo-4", 0, 1},    // a copy of one
		{"-3", "3/10", "-3", 0, 1},            // no name is left
		{"demo-1", "1/1", "demo-1", 0, 1},     // one is not sharded
		{"demo-1", "01/2", "demo-1", 0, 1},    // not as we write it
		{"demo", "0/21", "demo", 0, 1},        // more than there can be
		{"demo-10", "10/10", "demo-10", 0, 1}, // out of range
		{"demo", "0/10/2", "demo", 0, 1},
	} {
		if base, i, n := shards.Of(tt.name, tt.mark); base != tt.base || i != tt.i || n != tt.n {
			t.Errorf("Of(%q, %q) = %q, %d, %d; want %q, %d, %d", tt.name, tt.mark, base, i, n, tt.base, tt.i, tt.n)
		}
	}
	for i := range shards.Most {
		name := shards.Name("demo", i)
		if base, j, n := shards.Of(name, shards.Mark(i, shards.Most)); base != "demo" || j != i || n != shards.Most {
			t.Errorf("%s stands for shard %d of %d of %s", name, j, n, base)
		}
	}
}
