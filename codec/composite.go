package codec

import "reflect"

// slice plans a slice. Numbers travel as one byte string, everything else as an array: element by
// element, a slice of floats would take six to eight times as long.
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

// encodeElements writes what a slice or an array holds, and says at which index it failed.
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

// decodeSlice makes the whole slice at once. What it will occupy is charged before, so that a
// header which promises more than the input can hold allocates nothing.
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

// array plans an array, whose length is a part of its type: another one on the wire is an error.
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

// pointer plans what a pointer points to. Who else points there does not travel.
func (c *compiler) pointer(p *plan) (err error) {
	if p.elem, err = c.plan("", p.typ.Elem()); err != nil {
		return err
	}
	p.enc, p.dec = p.encodePointer, p.decodePointer
	return nil
}

// A pointer is nil or what it points to. Where that may be nil itself it is wrapped into an array
// of one, so that the two remain different.
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
