package mapreduce

import (
	"bufio"
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/lambdapool/lambdapool/splits"
)

const (
	// fanIn is how many pieces are merged at once: each has a buffer, and the larger ones a connection.
	fanIn = 64

	// opening is how many of them are opened at the same time.
	opening = 16
)

// A merger yields the records of several pieces in the order of their keys.
type merger struct{ cursors cursors }

// newMerger opens pieces, of which there are at most fanIn.
func newMerger(ctx context.Context, pieces []piece) (*merger, error) {
	opened, failed := make([]*cursor, len(pieces)), make([]error, len(pieces))
	turns := make(chan struct{}, opening)
	var all sync.WaitGroup
	for i, p := range pieces {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			opened[i], failed[i] = p.open(ctx, i)
		})
	}
	all.Wait()
	m := &merger{}
	for _, c := range opened {
		if c != nil {
			m.cursors = append(m.cursors, c)
		}
	}
	err := errors.Join(failed...)
	for i := 0; err == nil && i < len(m.cursors); {
		var more bool
		if more, err = m.cursors[i].next(); err == nil && !more {
			m.cursors[i].close()
			m.cursors = slices.Delete(m.cursors, i, i+1)
			continue
		}
		i++
	}
	if err != nil {
		m.close()
		return nil, err
	}
	heap.Init(&m.cursors)
	return m, nil
}

// top returns the cursor whose record is next, or nil at the end.
func (m *merger) top() *cursor {
	if len(m.cursors) == 0 {
		return nil
	}
	return m.cursors[0]
}

// advance goes on to the next record.
func (m *merger) advance() error {
	c := m.cursors[0]
	more, err := c.next()
	switch {
	case err != nil:
		return err
	case more:
		heap.Fix(&m.cursors, 0)
	default:
		c.close()
		heap.Pop(&m.cursors)
	}
	return nil
}

func (m *merger) close() {
	for _, c := range m.cursors {
		c.close()
	}
}

// cursors are a heap.
type cursors []*cursor

func (c cursors) Len() int { return len(c) }
func (c cursors) Less(i, j int) bool {
	return cmp.Or(bytes.Compare(c[i].key, c[j].key), cmp.Compare(c[i].order, c[j].order)) < 0
}
func (c cursors) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c *cursors) Push(x any)   { *c = append(*c, x.(*cursor)) } //nolint:forcetypeassert // heap's way
func (c *cursors) Pop() any {
	last := len(*c) - 1
	x := (*c)[last]
	*c = (*c)[:last]
	return x
}

// mergeAll opens any number of pieces. What is more than fanIn is merged in rounds first, into files of dir. fuse combines
// two encoded values; nil: all of them stay.
func mergeAll(ctx context.Context, dir string, pieces []piece, fuse func(a, b []byte) ([]byte, error)) (*merger, error) {
	for len(pieces) > fanIn {
		var merged []piece
		for group := range slices.Chunk(pieces, fanIn) {
			p, err := mergeToFile(ctx, dir, group, fuse)
			if err != nil {
				return nil, err
			}
			merged = append(merged, p)
		}
		for _, p := range pieces {
			if p.file != "" { // of the round before
				_ = os.Remove(p.file) // the folder goes in the end
			}
		}
		pieces = merged
	}
	return newMerger(ctx, pieces)
}

// mergeToFile merges pieces into one, in a file.
func mergeToFile(ctx context.Context, dir string, pieces []piece, fuse func(a, b []byte) ([]byte, error)) (p piece, err error) {
	m, err := newMerger(ctx, pieces)
	if err != nil {
		return p, err
	}
	defer m.close()
	file, err := os.CreateTemp(dir, "piece-")
	if err != nil {
		return p, noRoom(err)
	}
	defer func() {
		if closed := file.Close(); err == nil && closed != nil {
			err = noRoom(closed)
		}
	}()
	to := bufio.NewWriterSize(file, readAhead)
	var record, key, value []byte
	size := int64(0)
	for m.top() != nil {
		key, value = append(key[:0], m.top().key...), append(value[:0], m.top().value...)
		if err := m.advance(); err != nil {
			return p, err
		}
		for fuse != nil && m.top() != nil && bytes.Equal(m.top().key, key) {
			if value, err = fuse(value, m.top().value); err != nil {
				return p, err
			}
			if err := m.advance(); err != nil {
				return p, err
			}
		}
		record = appendRecord(record[:0], key, value)
		p.Sum = checksum(p.Sum, record)
		size += int64(len(record))
		if _, err := to.Write(record); err != nil {
			return p, noRoom(err)
		}
	}
	if err := to.Flush(); err != nil {
		return p, noRoom(err)
	}
	p.file, p.Where = file.Name(), splits.Split{Name: file.Name(), To: size, Size: size}
	return p, nil
}

// noRoom says what to do about a file that cannot be written.
func noRoom(err error) error {
	return fmt.Errorf("mapreduce: a file of the agent: %w; give the run more Partitions, or the function a larger temporary directory", err)
}
