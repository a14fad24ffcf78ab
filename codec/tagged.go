package codec

import (
	"math/bits"
	"reflect"
	"unsafe"
)

// The structs of the envelope travel as maps keyed by their tags. Old and new
// programs meet there: a missing key leaves the field zero, an unknown one is
// skipped.
//
// Each call has four of them to write or to read. Reflection would take more time than all the
// rest of a small call, so most fields are written and read where they lie, see access.

// A tagged is how a struct of the envelope travels.
type tagged struct {
	size   uintptr // in memory
	fields []taggedField
}

type taggedField struct {
	*field

	at    uintptr // where it lies in the struct
	key   []byte  // its tag, encoded
	by    access
	of    *tagged // of asStruct and asStructs
	empty bool    // an empty one travels, too
}

// compileTagged plans a struct of the envelope.
func compileTagged(t reflect.Type) *plan {
	c := &compiler{plans: make(map[reflect.Type]*plan), root: t, tagged: true}
	p, err := c.plan("", t)
	if err != nil {
		panic(err) // the envelope is ours
	}
	return p
}

// keyed has p, a struct of the envelope, travel by its tags.
func (p *plan) keyed() {
	t := &tagged{size: p.typ.Size(), fields: make([]taggedField, len(p.fields))}
	for i := range p.fields {
		f := &p.fields[i]
		by, of := accessTo(f.plan)
		t.fields[i] = taggedField{
			field: f, at: p.typ.Field(f.index).Offset, key: appendText(nil, f.tag), by: by, of: of, empty: !f.omitEmpty,
		}
	}
	p.tagged = t
	p.enc = func(e *encoder, v reflect.Value) error { return t.encode(e, v.Addr().UnsafePointer()) }
	p.dec = func(d *decoder, v reflect.Value) error { return t.decode(d, v.Addr().UnsafePointer()) }
}

// encode writes the fields that are not empty, keyed by their tags. The struct lies at base.
func (t *tagged) encode(e *encoder, base unsafe.Pointer) error {
	present := uint64(0)
	for i := range t.fields {
		if f := &t.fields[i]; f.empty || !f.absent(unsafe.Add(base, f.at)) {
			present |= 1 << i
		}
	}
	e.out.b = appendLength(e.out.b, &mapHeads, bits.OnesCount64(present))
	for ; present != 0; present &= present - 1 {
		f := &t.fields[bits.TrailingZeros64(present)]
		e.out.b = append(e.out.b, f.key...)
		if err := f.encode(e, unsafe.Add(base, f.at)); err != nil {
			return at("."+f.name, err)
		}
	}
	return nil
}

// decode fills the fields that it knows. A key that comes twice is an error, since two
// readers could take different ones. The struct lies at base, and is zero.
func (t *tagged) decode(d *decoder, base unsafe.Pointer) error {
	c := d.peek()
	if !isMap(c) {
		return wrongKind("a map", c)
	}
	n, err := d.length()
	if err != nil {
		return err
	}
	seen, next := uint64(0), 0
	for range n {
		i, err := t.find(d, next)
		if err != nil {
			return err
		}
		if i < 0 {
			if err := d.skip(); err != nil {
				return err
			}
			continue
		}
		f := &t.fields[i]
		if seen&(1<<i) != 0 {
			return at("."+f.name, fail("the same key twice"))
		}
		seen, next = seen|1<<i, i+1
		if err := f.decode(d, unsafe.Add(base, f.at)); err != nil {
			return at("."+f.name, err)
		}
	}
	return nil
}

// find reads a key and returns the place of its field, or -1 if this version has none. A sender
// of this version goes through the fields in order, so the search begins at next.
func (t *tagged) find(d *decoder, next int) (int, error) {
	tag, err := d.text()
	if err != nil {
		return 0, err
	}
	for i := next; i < len(t.fields); i++ {
		if t.fields[i].tag == string(tag) {
			return i, nil
		}
	}
	for i := range next {
		if t.fields[i].tag == string(tag) {
			return i, nil
		}
	}
	return -1, nil
}

// skip passes over the next value.
func (d *decoder) skip() error {
	n, err := skip(d.in.b[d.in.pos:], 1)
	d.in.pos += n
	return err
}
