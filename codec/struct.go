package codec

import (
	"reflect"
	"strings"
)

// structure plans a struct: an array of its fields in order, or the bytes of its
// marshaler.
func (c *compiler) structure(p *plan) (err error) {
	if p.marshaler = marshalerOf(p.typ); p.marshaler != nil {
		p.enc, p.dec = p.encodeMarshaler, p.decodeMarshaler
		return nil
	}
	hidden := false
	for i := range p.typ.NumField() {
		sf := p.typ.Field(i)
		if !travels(sf) {
			hidden = hidden || !excluded(sf)
			continue
		}
		if sf.Type.Kind() == reflect.Pointer && !sf.IsExported() {
			c.path = append(c.path, "."+sf.Name)
			return c.refuse(sf.Type, "an embedded pointer to an unexported struct cannot be set; embed the struct itself, or name the field")
		}
		tag, options, _ := strings.Cut(sf.Tag.Get("msgpack"), ",")
		f := field{name: sf.Name, index: i, tag: tag, omitEmpty: options == "omitempty"}
		if f.plan, err = c.plan("."+sf.Name, sf.Type); err != nil {
			return err
		}
		p.fields = append(p.fields, f)
	}
	if len(p.fields) == 0 && hidden {
		return c.refuse(p.typ, "all its fields are unexported, so it would arrive empty; export them, give it MarshalBinary and UnmarshalBinary, or leave it out with the tag `msgpack:\"-\"`")
	}
	if c.tagged {
		p.keyed()
	} else {
		p.enc, p.dec = p.encodeStruct, p.decodeStruct
	}
	return nil
}

// excluded reports whether nobody expects a field to be sent.
func excluded(sf reflect.StructField) bool {
	return sf.Name == "_" || sf.Tag.Get("msgpack") == "-"
}

// travels reports whether a field is sent: an exported one is, and an embedded
// unexported struct if something inside of it is.
func travels(sf reflect.StructField) bool {
	switch {
	case excluded(sf):
		return false
	case sf.IsExported():
		return true
	case !sf.Anonymous:
		return false
	case sf.Type.Kind() == reflect.Pointer: // embedded, so to a named struct
		return true
	case sf.Type.Kind() != reflect.Struct:
		return false
	case marshalerOf(sf.Type) != nil:
		return true
	}
	for f := range sf.Type.Fields() {
		if travels(f) {
			return true
		}
	}
	return false
}

// encodeStruct writes the fields without their names: both sides have compared the shapes.
// That saves some 40 % of the bytes.
func (p *plan) encodeStruct(e *encoder, v reflect.Value) error {
	if err := e.enter(); err != nil {
		return err
	}
	if err := e.mp.EncodeArrayLen(len(p.fields)); err != nil {
		return err
	}
	for i := range p.fields {
		f := &p.fields[i]
		if err := f.plan.enc(e, v.Field(f.index)); err != nil {
			return at("."+f.name, err)
		}
	}
	e.depth--
	return nil
}

// decodeStruct wants exactly as many values as there are fields.
func (p *plan) decodeStruct(d *decoder, v reflect.Value) error {
	if err := d.arrayOf(len(p.fields)); err != nil {
		return err
	}
	for i := range p.fields {
		f := &p.fields[i]
		if err := f.plan.dec(d, v.Field(f.index)); err != nil {
			return at("."+f.name, err)
		}
	}
	return nil
}
