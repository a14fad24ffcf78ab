package codec

import (
	"bytes"
	"reflect"
	"slices"
	"unsafe"
)

const (
	mapKeyStep  = "[key]"
	mapElemStep = "[]"
)

// mapping plans a map. Keys must be equal after the journey when they were before, which a pointer
// is not.
func (c *compiler) mapping(p *plan) (err error) {
	if p.key, err = c.plan(mapKeyStep, p.typ.Key()); err != nil {
		return err
	}
	if holdsPointer(p.key.typ) {
		c.path = append(c.path, mapKeyStep)
		return c.refuse(p.key.typ, "a pointer in a map key would lose its identity; use a value as key")
	}
	if p.elem, err = c.plan(mapElemStep, p.typ.Elem()); err != nil {
		return err
	}
	p.enc, p.dec = p.encodeMap, p.decodeMap
	return nil
}

// holdsPointer reports whether values of t that were equal may differ after they
// travelled, because a pointer decides whether they are equal.
func holdsPointer(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer:
		return true
	case reflect.Array:
		return holdsPointer(t.Elem())
	case reflect.Struct:
		if marshalerOf(t) != nil {
			return false
		}
		for f := range t.Fields() {
			if travels(f) && holdsPointer(f.Type) {
				return true
			}
		}
	default:
	}
	return false
}

// An entry is where one pair of a map lies in the output.
type entry struct{ key, value, end int }

// encodeMap writes the entries in the order of their encoded keys, so that equal
// maps have equal encodings.
func (p *plan) encodeMap(e *encoder, v reflect.Value) error {
	if v.IsNil() {
		return e.mp.EncodeNil()
	}
	if err := e.enter(); err != nil {
		return err
	}
	if err := e.mp.EncodeMapLen(v.Len()); err != nil {
		return err
	}
	key := reflect.New(p.key.typ).Elem()
	elem := reflect.New(p.elem.typ).Elem()
	entries := make([]entry, 0, v.Len())
	for it := v.MapRange(); it.Next(); {
		at0 := len(e.out.b)
		key.SetIterKey(it)
		if err := p.key.enc(e, key); err != nil {
			return at(mapKeyStep, err)
		}
		at1 := len(e.out.b)
		elem.SetIterValue(it)
		if err := p.elem.enc(e, elem); err != nil {
			return at(mapElemStep, err)
		}
		entries = append(entries, entry{at0, at1, len(e.out.b)})
	}
	e.sort(entries)
	e.depth--
	return nil
}

// sort brings the entries, which end the output, into the order of their keys.
func (e *encoder) sort(entries []entry) {
	byKey := func(a, b entry) int {
		return bytes.Compare(e.out.b[a.key:a.value], e.out.b[b.key:b.value])
	}
	if len(entries) < 2 || slices.IsSortedFunc(entries, byKey) {
		return
	}
	start := entries[0].key
	slices.SortFunc(entries, byKey)
	sorted := e.scratch[:0]
	if n := len(e.out.b) - start; n > cap(sorted) {
		sorted = make([]byte, 0, max(n, 2*cap(sorted)))
	}
	for _, n := range entries {
		sorted = append(sorted, e.out.b[n.key:n.end]...)
	}
	copy(e.out.b[start:], sorted)
	e.scratch = sorted
}

// decodeMap refuses a key that comes twice: which of the values was meant is anybody's guess.
func (p *plan) decodeMap(d *decoder, v reflect.Value) error {
	if d.isNil() {
		v.SetZero()
		return nil
	}
	if c := d.peek(); !isMap(c) {
		return wrongKind("a map", c)
	}
	n, err := d.mp.DecodeMapLen()
	if err != nil {
		return err
	}
	if err := d.charge(1, p.mapSize(n)); err != nil {
		return err
	}
	m := reflect.MakeMapWithSize(p.typ, n)
	key := reflect.New(p.key.typ).Elem()
	elem := reflect.New(p.elem.typ).Elem()
	for i := range n {
		key.SetZero()
		if err := p.key.dec(d, key); err != nil {
			return at(mapKeyStep, err)
		}
		elem.SetZero()
		if err := p.elem.dec(d, elem); err != nil {
			return at(mapElemStep, err)
		}
		m.SetMapIndex(key, elem)
		if m.Len() != i+1 {
			return at(mapKeyStep, fail("the same key twice"))
		}
	}
	v.Set(m)
	return nil
}

// mapSize estimates from above what a map of n entries occupies: Go keeps them in
// groups of eight slots, of which up to half stay empty, and holds keys and values
// of more than 128 bytes behind a pointer.
func (p *plan) mapSize(n int) uintptr {
	// Go's map as of 1.24: slots of a control byte, a key and a value, in groups of eight.
	const header, group, direct = 64, 8, 128
	size := uintptr(header)
	slot := uintptr(1)
	for _, s := range []uintptr{p.key.typ.Size(), p.elem.typ.Size()} {
		size += s // one to decode into
		if s > direct {
			size += uintptr(n) * s
			s = unsafe.Sizeof(size)
		}
		slot += s
	}
	switch {
	case n == 0:
		return size
	case n <= group:
		return size + group*slot
	default:
		return size + uintptr(n)*slot*5/2
	}
}
