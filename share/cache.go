package share

import (
	"container/list"
	"context"
	"crypto/sha256"
	"math"
	"runtime/debug"
	"sync"
)

// loaded is what this process has loaded. Values are shared between everything in it, as its memory is.
var loaded = &cache{limit: room, kept: map[id]*list.Element{}, loading: map[id]chan struct{}{}}

// An id tells values apart: by what they are encoded, and as what they are decoded.
type id struct {
	sum   [sha256.Size]byte
	shape string
}

// A cache keeps the values that were asked for last.
type cache struct {
	limit func() int64 // bytes

	mu      sync.Mutex
	kept    map[id]*list.Element // of *entry
	order   list.List            // the one that was asked for last is the first
	size    int64
	loading map[id]chan struct{} // closed when it has ended
}

// An entry is a value that is there.
type entry struct {
	id    id
	size  int64
	value any
}

const (
	// roomShare is the part of an agent's memory that shared values may take: the function needs the rest.
	roomShare = 2

	// roomUnknown is for processes that have no limit, such as a client's own.
	roomUnknown = 1 << 30
)

// room is how many bytes are kept. The agent sets the limit that it goes by from the memory of its function.
func room() int64 {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return roomUnknown
	}
	return limit / roomShare
}

// get returns the value of an id, which load makes if it is not there.
func (c *cache) get(ctx context.Context, id id, size int64, load func() (any, error)) (any, error) {
	for {
		c.mu.Lock()
		if e := c.kept[id]; e != nil {
			c.order.MoveToFront(e)
			c.mu.Unlock()
			return e.Value.(*entry).value, nil //nolint:forcetypeassert // as put made it
		}
		others := c.loading[id]
		if others == nil {
			break
		}
		c.mu.Unlock()
		select {
		case <-others:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	ended := make(chan struct{})
	c.loading[id] = ended
	c.mu.Unlock()

	done := false
	var value any
	var err error
	defer func() { // also when load panics or ends its goroutine
		c.mu.Lock()
		delete(c.loading, id)
		if done && err == nil {
			c.put(&entry{id, size, value})
		}
		c.mu.Unlock()
		close(ended)
	}()
	value, err = load()
	done = true
	return value, err
}

// put keeps a value, and lets others go for which there is no room beside it. c.mu is held.
func (c *cache) put(e *entry) {
	c.kept[e.id] = c.order.PushFront(e)
	c.size += e.size
	for limit := c.limit(); c.size > limit && c.order.Len() > 1; {
		last := c.order.Back()
		gone := c.order.Remove(last).(*entry) //nolint:forcetypeassert // as above
		delete(c.kept, gone.id)
		c.size -= gone.size
	}
}
