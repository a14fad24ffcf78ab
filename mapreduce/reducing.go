package mapreduce

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"

	"github.com/lambdapool/lambdapool/driver"
)

// A reduceTask is the argument of a job's reduce function: a partition's pieces.
type reduceTask struct {
	Partition int
	Pieces    []piece
}

// A reduced is what it returns: sorted by key.
type reduced[K cmp.Ordered, R any] struct{ Pairs []Pair[K, R] }

// A writeTask is the argument of a job's write function: a reduceTask whose result is an object.
type writeTask struct {
	Task   reduceTask
	To     driver.Link // every attempt stores the same object
	Name   string      // of it
	Format Format
}

// A written is what it returns.
type written struct{ Records, Size int64 }

// runReduce runs in an agent.
func (j *Job[A, K, V, R]) runReduce(ctx context.Context, t reduceTask) (reduced[K, R], error) {
	var all reduced[K, R]
	err := j.reduceAll(ctx, t, func(p Pair[K, R]) error {
		all.Pairs = append(all.Pairs, p)
		return nil
	})
	return all, err
}

// reduceAll calls the reducer for each key of a partition and take for each result, in order.
func (j *Job[A, K, V, R]) reduceAll(ctx context.Context, t reduceTask, take func(Pair[K, R]) error) error {
	dir := ""
	if len(t.Pieces) > fanIn { // else nothing is merged by way of files, and an agent that is killed leaves none
		var err error
		if dir, err = os.MkdirTemp("", "lambdapool-reduce-"); err != nil {
			return noRoom(err)
		}
		defer func() { _ = os.RemoveAll(dir) }() // whoever ends the agent clears up more than that
	}
	m, err := mergeAll(ctx, dir, t.Pieces, j.fuse())
	if err != nil {
		return err
	}
	defer m.close()
	var key []byte
	for m.top() != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("mapreduce: partition %d: %w", t.Partition, context.Cause(ctx))
		}
		key = append(key[:0], m.top().key...)
		k, err := j.keys.decode(key)
		if err != nil {
			return fmt.Errorf("mapreduce: partition %d: %w: %w", t.Partition, ErrDamaged, err)
		}
		v := &valuesOfKey[V]{merger: m, key: key, values: j.values}
		result, err := j.reducer(ctx, k, v.all)
		if failed := v.rest(); failed != nil { // then the reducer has not seen all
			return failed
		}
		if err != nil {
			return fmt.Errorf("key %v: %w", k, err)
		}
		if err := take(Pair[K, R]{k, result}); err != nil {
			return err
		}
	}
	return nil
}

// fuse combines encoded values, or is nil.
func (j *Job[A, K, V, R]) fuse() func(a, b []byte) ([]byte, error) {
	if j.combine == nil {
		return nil
	}
	return func(a, b []byte) ([]byte, error) {
		one, err := j.values.decode(a)
		if err != nil {
			return nil, err
		}
		other, err := j.values.decode(b)
		if err != nil {
			return nil, err
		}
		both := j.combine(one, other)
		return j.values.encode(&both)
	}
}

// valuesOfKey are the values that a reducer gets.
type valuesOfKey[V any] struct {
	merger *merger
	key    []byte
	values valueCodec[V]
	over   bool // the reducer has returned
	err    error
}

func (v *valuesOfKey[V]) more() bool {
	return v.err == nil && v.merger.top() != nil && bytes.Equal(v.merger.top().key, v.key)
}

func (v *valuesOfKey[V]) all(yield func(V) bool) {
	for !v.over && v.more() {
		value, err := v.values.decode(v.merger.top().value)
		if err != nil {
			v.err = fmt.Errorf("mapreduce: %v: %w: %w", v.merger.top().piece.Where, ErrDamaged, err)
			return
		}
		if v.err = v.merger.advance(); !yield(value) {
			return
		}
	}
}

// rest passes over what the reducer did not read.
func (v *valuesOfKey[V]) rest() error {
	for v.over = true; v.more(); {
		v.err = v.merger.advance()
	}
	return v.err
}
