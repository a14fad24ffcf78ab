package mapreduce

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// perEntry is about what an entry costs beside its key and its value, in bytes: a map's slot, an index, a pointer.
const perEntry = 64

// An emitter takes what a mapper emits. When it has as much as fits in memory it stores that, sorted, as an object.
type emitter[K cmp.Ordered, V any] struct {
	keys       keyCodec[K]
	values     valueCodec[V]
	combine    func(V, V) V // nil: every value travels
	partitions int
	divide     func(key []byte) int              // the partition of an encoded key
	limit      int64                             // bytes in memory
	store      func(body []byte, o object) error // takes an object away
	cancel     context.CancelCauseFunc           // of the mapper

	err      error // the first
	emitted  int64 // pairs
	size     int64 // of what is in memory, about
	index    map[K]int
	combined []V // by index; nil: not combined
	arena    []byte
	entries  []entry
}

// An entry is a key and its value in the arena.
type entry struct {
	prefix     uint64 // of the key: most keys are told apart without a look into the arena
	at         int    // in the arena: the key, and the value behind it
	partition  int32
	key, value int32 // their lengths
}

// keyIn returns the key of n.
func (n *entry) keyIn(arena []byte) []byte { return arena[n.at : n.at+int(n.key)] }

// order compares two entries: by partition, by key, and values of a key in the order in which they came.
func (n *entry) order(other *entry, arena []byte) int {
	switch {
	case n.partition != other.partition:
		return cmp.Compare(n.partition, other.partition)
	case n.prefix != other.prefix:
		return cmp.Compare(n.prefix, other.prefix)
	}
	return cmp.Or(bytes.Compare(n.keyIn(arena), other.keyIn(arena)), cmp.Compare(n.at, other.at))
}

// prefixOf returns the first bytes of a key as a number that is ordered as they are. A short key is followed by zeros.
func prefixOf(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var first [8]byte
	copy(first[:], key)
	return binary.BigEndian.Uint64(first[:])
}

func (e *emitter[K, V]) emit(k K, v V) {
	if e.err != nil {
		return
	}
	e.emitted++
	if e.combine == nil {
		e.fail(e.add(k, &v))
	} else {
		e.fail(e.join(k, v))
	}
	if e.err == nil && e.size > e.limit {
		e.fail(e.flush())
	}
}

// fail has the mapper end: nobody looks at what it emits any more.
func (e *emitter[K, V]) fail(err error) {
	if err != nil && e.err == nil {
		e.err = err
		e.cancel(err)
	}
}

// join combines v with what there is of k.
func (e *emitter[K, V]) join(k K, v V) error {
	grows := int64(0)
	if !e.values.fixed {
		data, err := e.values.encode(&v)
		if err != nil {
			return fmt.Errorf("a value of key %v: %w", k, err)
		}
		grows = int64(len(data))
	}
	if i, there := e.index[k]; there {
		e.combined[i] = e.combine(e.combined[i], v)
		e.size += grows
		return nil
	}
	if k != k { //nolint:gocritic // NaN alone is not itself
		return errNaN
	}
	e.index[k] = len(e.combined)
	e.combined = append(e.combined, v)
	e.size += grows + perEntry + int64(reflect.TypeFor[V]().Size())
	if s := reflect.ValueOf(k); s.Kind() == reflect.String {
		e.size += int64(s.Len())
	}
	return nil
}

var errNaN = errors.New("a key is not a number (NaN), which is equal to nothing: emit another key for it")

// add encodes k and v.
func (e *emitter[K, V]) add(k K, v *V) error {
	if k != k { //nolint:gocritic // as above
		return errNaN
	}
	data, err := e.values.encode(v)
	if err != nil {
		return fmt.Errorf("a value of key %v: %w", k, err)
	}
	at := len(e.arena)
	e.arena = e.keys.append(e.arena, k)
	key := e.arena[at:]
	if len(key) > maxKey {
		return fmt.Errorf("a key of %d bytes: at most %d are allowed; emit its hash, and it as the value", len(key), maxKey)
	}
	if len(data) > maxValue {
		return fmt.Errorf("a value of key %v: %d bytes: at most %d are allowed", k, len(data), maxValue)
	}
	n := entry{prefix: prefixOf(key), partition: int32(e.divide(key)), at: at, key: int32(len(key)), value: int32(len(data))}
	e.arena = append(e.arena, data...)
	e.entries = append(e.entries, n)
	e.size += int64(len(key) + len(data) + perEntry)
	return nil
}

// flush sorts what is in memory, and stores it.
func (e *emitter[K, V]) flush() error {
	for k, i := range e.index {
		if err := e.add(k, &e.combined[i]); err != nil {
			return err
		}
	}
	if len(e.entries) == 0 {
		return nil
	}
	slices.SortFunc(e.entries, func(a, b entry) int { return a.order(&b, e.arena) })
	o := object{Sizes: make([]int64, e.partitions), Sums: make([]uint32, e.partitions)}
	body := make([]byte, 0, len(e.arena)+8*len(e.entries))
	for first := 0; first < len(e.entries); {
		p, begin := e.entries[first].partition, len(body)
		for ; first < len(e.entries) && e.entries[first].partition == p; first++ {
			n := &e.entries[first]
			key, value := n.keyIn(e.arena), e.arena[n.at+int(n.key):]
			body = appendRecord(body, key, value[:n.value])
		}
		o.Sizes[p], o.Sums[p] = int64(len(body)-begin), checksum(0, body[begin:])
	}
	e.arena, e.entries, e.combined, e.size = e.arena[:0], e.entries[:0], e.combined[:0], 0
	clear(e.index)
	return e.store(body, o)
}
