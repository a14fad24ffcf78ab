package codec

import (
	"bytes"
	"reflect"
	"slices"
	"unsafe"
)

func (c *compiler) slice(p *plan) (err error) {
	if p.elem, err = c.plan("[]", p.typ.Elem()); err != nil {
		return err
	}
	n, ok := numericOf(p.typ.Elem())
	switch {
	case ok && p.typ.Elem().Kind() == reflect.Uint8:
		p.enc, p.dec = byteSlice()
	case ok:
		p.enc, p.dec = numericSlice(n)
	default:
		p.enc, p.dec = p.encodeSlice, p.decodeSlice
	}
	return nil
}

func (p *plan) encodeSlice(e *encoder, v reflect.Value) error {
	if v.IsNil() {
		return e.mp.EncodeNil()
	}
	return p.encodeElements(e, v)
}

func (p *plan) encodeElements(e *encoder, v reflect.Value) error {
	if err := e.enter(); err != nil {
		return err
	}
	n := v.Len()
	if n > MaxEncoded {
		return errTooLong
	}
	if err := e.mp.EncodeArrayLen(n); err != nil {
		return err
	}
	for i := range n {
		if err := p.elem.enc(e, v.Index(i)); err != nil {
			return atIndex(i, err)
		}
	}
	e.depth--
	return nil
}

func (p *plan) decodeSlice(d *decoder, v reflect.Value) error {
	if d.isNil() {
		v.SetZero()
		return nil
	}
	n, err := d.array()
	if err != nil {
		return err
	}
	if err := d.charge(n, p.elem.typ.Size()); err != nil {
		return err
	}
	s := reflect.MakeSlice(p.typ, n, n)
	if err := p.decodeElements(d, s); err != nil {
		return err
	}
	v.Set(s)
	return nil
}

func (p *plan) decodeElements(d *decoder, v reflect.Value) error {
	for i := range v.Len() {
		if err := p.elem.dec(d, v.Index(i)); err != nil {
			return atIndex(i, err)
		}
	}
	return nil
}

func (c *compiler) array(p *plan) (err error) {
	if p.elem, err = c.plan("[]", p.typ.Elem()); err != nil {
		return err
	}
	if n, ok := numericOf(p.typ.Elem()); ok {
		p.enc, p.dec = numericRun(n, p.typ.Len())
		return nil
	}
	p.enc = p.encodeElements
	p.dec = func(d *decoder, v reflect.Value) error {
		if err := d.arrayOf(p.typ.Len()); err != nil {
			return err
		}
		return p.decodeElements(d, v)
	}
	return nil
}

func (c *compiler) pointer(p *plan) (err error) {
	if p.elem, err = c.plan("", p.typ.Elem()); err != nil {
		return err
	}
	p.enc, p.dec = p.encodePointer, p.decodePointer
	return nil
}

// A pointer is nil or what it points to. Where that may be nil itself it is wrapped
// into an array of one, so that the two remain different.
func (p *plan) encodePointer(e *encoder, v reflect.Value) error {
	switch {
	case v.IsNil():
		return e.mp.EncodeNil()
	case !p.elem.nilable():
		return p.elem.enc(e, v.Elem())
	}
	if err := e.enter(); err != nil {
		return err
	}
	if err := e.mp.EncodeArrayLen(1); err != nil {
		return err
	}
	if err := p.elem.enc(e, v.Elem()); err != nil {
		return err
	}
	e.depth--
	return nil
}

func (p *plan) decodePointer(d *decoder, v reflect.Value) error {
	if d.isNil() {
		v.SetZero()
		return nil
	}
	if p.elem.nilable() {
		if err := d.arrayOf(1); err != nil {
			return err
		}
	}
	if err := d.charge(1, p.elem.typ.Size()); err != nil {
		return err
	}
	n := reflect.New(p.elem.typ)
	if err := p.elem.dec(d, n.Elem()); err != nil {
		return err
	}
	v.Set(n)
	return nil
}

const (
	mapKeyStep  = "[key]"
	mapElemStep = "[]"
)

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
	for _, n := range entries {
		sorted = append(sorted, e.out.b[n.key:n.end]...)
	}
	copy(e.out.b[start:], sorted)
	e.scratch = sorted
}

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
