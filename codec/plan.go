package codec

import (
	"reflect"
	"slices"
)

// A plan says how values of one type are written and read. Plans refer to each
// other in circles where types do.
type plan struct {
	typ reflect.Type
	enc func(e *encoder, v reflect.Value) error
	dec func(d *decoder, v reflect.Value) error // v is settable and zero

	// What shapeOf and the enclosing plan look at.
	key, elem *plan
	fields    []field
	marshaler *marshaler // not nil: the type encodes itself
	tagged    *tagged    // not nil: a struct of the envelope
}

type field struct {
	name  string
	index int
	plan  *plan

	// Of the structs of the envelope only.
	tag       string
	omitEmpty bool
}

// nilable reports whether values of the type may be nil on the wire, where a
// pointer to a nil value must remain different from a nil pointer.
func (p *plan) nilable() bool {
	switch p.typ.Kind() {
	case reflect.Slice, reflect.Map, reflect.Pointer:
		return true
	default:
		return false
	}
}

// A compiler builds the plans of one type and of all that it refers to.
type compiler struct {
	plans  map[reflect.Type]*plan
	path   []string
	root   reflect.Type
	tagged bool // structs are maps keyed by their msgpack tags, as in the envelope
}

// custom reports whether a type among those compiled encodes itself by methods that
// are not the standard library's.
func (c *compiler) custom() bool {
	for t, p := range c.plans {
		if p.marshaler != nil && !slices.Contains(standard, t.PkgPath()) {
			return true
		}
	}
	return false
}

// standard are the packages of the standard library whose structs encode themselves.
var standard = []string{"crypto/x509", "log/slog", "math/big", "math/rand/v2", "net/netip", "net/url", "regexp", "time"}

// plan returns the plan of t, which lies at the given step below the current path.
func (c *compiler) plan(step string, t reflect.Type) (*plan, error) {
	if p, ok := c.plans[t]; ok {
		return p, nil
	}
	p := &plan{typ: t}
	c.plans[t] = p
	if step != "" {
		c.path = append(c.path, step)
		defer func() { c.path = c.path[:len(c.path)-1] }()
	}
	return p, c.fill(p)
}

func (c *compiler) fill(p *plan) error {
	switch p.typ.Kind() {
	case reflect.Bool:
		p.enc, p.dec = encodeBool, decodeBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		p.enc, p.dec = encodeInt, decodeInt
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		p.enc, p.dec = encodeUint, decodeUint
	case reflect.Float32:
		p.enc, p.dec = encodeFloat32, decodeFloat32
	case reflect.Float64:
		p.enc, p.dec = encodeFloat64, decodeFloat64
	case reflect.Complex64, reflect.Complex128:
		p.enc, p.dec = numericScalar(p.typ)
	case reflect.String:
		p.enc, p.dec = encodeString, decodeString
	case reflect.Slice:
		return c.slice(p)
	case reflect.Array:
		return c.array(p)
	case reflect.Map:
		return c.mapping(p)
	case reflect.Pointer:
		return c.pointer(p)
	case reflect.Struct:
		return c.structure(p)
	case reflect.Interface:
		return c.refuse(p.typ, "an interface would lose its dynamic type; use a concrete type")
	case reflect.Chan:
		return c.refuse(p.typ, "a channel belongs to one process; return the values instead")
	case reflect.Func:
		return c.refuse(p.typ, "no code travels; register the function and pass its name")
	default: // Uintptr, UnsafePointer
		return c.refuse(p.typ, "an address means nothing in another process; use an integer type")
	}
	return nil
}

func (c *compiler) refuse(t reflect.Type, reason string) error {
	return &UnsupportedError{Path: joinPath(c.root, c.path), Type: t, Reason: reason}
}
