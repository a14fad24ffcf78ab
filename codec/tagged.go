package codec

import "reflect"

// The structs of the envelope travel as maps keyed by their tags. Old and new
// programs meet there: a missing key leaves the field zero, an unknown one is
// skipped.

// compileTagged plans a struct of the envelope.
func compileTagged(t reflect.Type) *plan {
	c := &compiler{plans: make(map[reflect.Type]*plan), root: t, tagged: true}
	p, err := c.plan("", t)
	if err != nil {
		panic(err) // the envelope is ours
	}
	return p
}

// encodeTagged writes the fields that are not empty, keyed by their tags.
func (p *plan) encodeTagged(e *encoder, v reflect.Value) error {
	present, skipped := 0, uint64(0)
	for i := range p.fields {
		if p.fields[i].absent(v) {
			skipped |= 1 << i
		} else {
			present++
		}
	}
	if err := e.mp.EncodeMapLen(present); err != nil {
		return err
	}
	for i := range p.fields {
		f := &p.fields[i]
		if skipped&(1<<i) != 0 {
			continue
		}
		if err := e.mp.EncodeString(f.tag); err != nil {
			return err
		}
		if err := f.plan.enc(e, v.Field(f.index)); err != nil {
			return at("."+f.name, err)
		}
	}
	return nil
}

// absent reports whether a field is left out: a zero value, or a slice without elements.
func (f *field) absent(v reflect.Value) bool {
	if !f.omitEmpty {
		return false
	}
	fv := v.Field(f.index)
	if fv.Kind() == reflect.Slice {
		return fv.Len() == 0
	}
	return fv.IsZero()
}

// decodeTagged fills the fields that it knows. A key that comes twice is an error, since two
// readers could take different ones.
func (p *plan) decodeTagged(d *decoder, v reflect.Value) error {
	if c := d.peek(); !isMap(c) {
		return wrongKind("a map", c)
	}
	n, err := d.mp.DecodeMapLen()
	if err != nil {
		return err
	}
	var seen uint64
	for range n {
		f, bit, err := p.nextField(d)
		if err != nil {
			return err
		}
		if f == nil {
			if err := d.skip(); err != nil {
				return err
			}
			continue
		}
		if seen&bit != 0 {
			return at("."+f.name, fail("the same key twice"))
		}
		seen |= bit
		if err := f.plan.dec(d, v.Field(f.index)); err != nil {
			return at("."+f.name, err)
		}
	}
	return nil
}

// nextField reads a key and returns its field, or nil if this version has none.
func (p *plan) nextField(d *decoder) (f *field, bit uint64, err error) {
	if c := d.peek(); !isString(c) {
		return nil, 0, wrongKind("a string", c)
	}
	n, err := d.mp.DecodeBytesLen()
	if err != nil {
		return nil, 0, err
	}
	tag, err := d.take(n)
	if err != nil {
		return nil, 0, err
	}
	for i := range p.fields {
		if p.fields[i].tag == string(tag) {
			return &p.fields[i], 1 << i, nil
		}
	}
	return nil, 0, nil
}

// skip passes over the next value.
func (d *decoder) skip() error {
	n, err := skip(d.in.b[d.in.pos:], 1)
	d.in.pos += n
	return err
}
