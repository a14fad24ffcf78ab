package mapreduce

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// A mapTask is the argument of a job's map function.
type mapTask[A any] struct {
	Input      A
	To         outlet
	Partitions int
	Bounds     [][]byte `msgpack:",omitempty"` // of ranges; nil: by a hash
	Memory     int64    // bytes
}

// A mapped is what it returns: what counts of all that attempts have stored.
type mapped struct {
	Objects []object
	Emitted int64
}

// runMap runs in an agent.
func (j *Job[A, K, V, R]) runMap(ctx context.Context, t mapTask[A]) (mapped, error) {
	if t.Partitions < 1 || t.Partitions > MaxPartitions || t.Memory < 1 {
		return mapped{}, fmt.Errorf("mapreduce: %s: a task for %d partitions in %d bytes: is client and agent the same version?", j.name, t.Partitions, t.Memory)
	}
	divide, err := divider(t.Partitions, t.Bounds)
	if err != nil {
		return mapped{}, fmt.Errorf("mapreduce: %s: %w", j.name, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var done mapped
	e := &emitter[K, V]{
		keys: j.keys, values: j.values, combine: j.combine, partitions: t.Partitions, divide: divide, limit: t.Memory, cancel: cancel,
		index: map[K]int{},
		store: func(body []byte, o object) (err error) {
			if o.Name, err = t.To.put(ctx, int64(len(body)), func() io.Reader { return bytes.NewReader(body) }); err != nil {
				return err
			}
			done.Objects = append(done.Objects, o)
			return nil
		},
	}
	err = j.mapper(ctx, t.Input, e.emit)
	if e.err != nil { // what the mapper says of it comes from there
		return mapped{}, e.err
	}
	if err != nil {
		return mapped{}, err
	}
	if err := e.flush(); err != nil {
		return mapped{}, err
	}
	done.Emitted = e.emitted
	return done, nil
}
