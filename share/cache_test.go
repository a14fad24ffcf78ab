package share

import (
	"container/list"
	"errors"
	"testing"
)

// What was asked for longest ago goes first, and the newest stays however large it is.
func TestEviction(t *testing.T) {
	c := &cache{limit: func() int64 { return 10 }, kept: map[id]*list.Element{}, loading: map[id]chan struct{}{}}
	loads := 0
	get := func(name string, size int64) {
		t.Helper()
		value, err := c.get(t.Context(), id{shape: name}, size, func() (any, error) {
			loads++
			return name, nil
		})
		if value != name || err != nil {
			t.Fatalf("%v, %v", value, err)
		}
	}
	for _, step := range []struct {
		name  string
		size  int64
		loads int // so far
	}{
		{"a", 4, 1},
		{"b", 4, 2},
		{"a", 4, 2},
		{"c", 4, 3}, // b goes
		{"a", 4, 3},
		{"b", 4, 4}, // c goes
		{"large", 100, 5},
		{"large", 100, 5},
		{"a", 4, 6}, // large goes
		{"large", 100, 7},
	} {
		get(step.name, step.size)
		if loads != step.loads {
			t.Fatalf("after %s: %d were loaded, want %d", step.name, loads, step.loads)
		}
	}
}

// What could not be loaded, or panicked, is not kept, and holds nobody up.
func TestFailedLoads(t *testing.T) {
	c := &cache{limit: room, kept: map[id]*list.Element{}, loading: map[id]chan struct{}{}}
	errNo := errors.New("no")
	if _, err := c.get(t.Context(), id{}, 1, func() (any, error) { return nil, errNo }); !errors.Is(err, errNo) {
		t.Error(err)
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = c.get(t.Context(), id{}, 1, func() (any, error) { panic("no") })
	}()
	if value, err := c.get(t.Context(), id{}, 1, func() (any, error) { return 7, nil }); value != 7 || err != nil {
		t.Errorf("%v, %v", value, err)
	}
	if c.size != 1 || c.order.Len() != 1 || len(c.loading) != 0 {
		t.Errorf("%d bytes, %d kept, %d loading", c.size, c.order.Len(), len(c.loading))
	}
}
