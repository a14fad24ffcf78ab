package codec

import "reflect"

const overflow = "the number does not fit into %v"

func encodeBool(e *encoder, v reflect.Value) error { return e.mp.EncodeBool(v.Bool()) }

func decodeBool(d *decoder, v reflect.Value) error {
	if c := d.peek(); !isBool(c) {
		return wrongKind("a bool", c)
	}
	b, err := d.mp.DecodeBool()
	v.SetBool(b)
	return err
}

func encodeInt(e *encoder, v reflect.Value) error { return e.mp.EncodeInt(v.Int()) }

// decodeInt takes any of msgpack's integers and refuses one that does not fit. msgpack's own
// Decoder would cut it off without a word, so that 300 becomes the uint8 44.
func decodeInt(d *decoder, v reflect.Value) error {
	c := d.peek()
	if !isInt(c) {
		return wrongKind("an integer", c)
	}
	n, err := d.mp.DecodeInt64()
	if err != nil {
		return err
	}
	if c == codeUint64 && n < 0 || v.OverflowInt(n) {
		return fail(overflow, v.Type())
	}
	v.SetInt(n)
	return nil
}

func encodeUint(e *encoder, v reflect.Value) error { return e.mp.EncodeUint(v.Uint()) }

// decodeUint is decodeInt for unsigned integers, of which none is negative.
func decodeUint(d *decoder, v reflect.Value) error {
	c := d.peek()
	if !isInt(c) {
		return wrongKind("an integer", c)
	}
	n, err := d.mp.DecodeUint64()
	if err != nil {
		return err
	}
	if isSigned(c) && int64(n) < 0 || v.OverflowUint(n) {
		return fail(overflow, v.Type())
	}
	v.SetUint(n)
	return nil
}

// float32s are read and written in place: on their way through reflect's float64 a
// signaling NaN would lose its bits.

func encodeFloat32(e *encoder, v reflect.Value) error {
	return e.mp.EncodeFloat32(*(*float32)(v.Addr().UnsafePointer()))
}

func decodeFloat32(d *decoder, v reflect.Value) error {
	if c := d.peek(); c != codeFloat32 {
		return wrongKind("a float32", c)
	}
	f, err := d.mp.DecodeFloat32()
	*(*float32)(v.Addr().UnsafePointer()) = f
	return err
}

func encodeFloat64(e *encoder, v reflect.Value) error { return e.mp.EncodeFloat64(v.Float()) }

// decodeFloat64 takes a float64 only. A float32 or an integer there means that the sender has
// another type.
func decodeFloat64(d *decoder, v reflect.Value) error {
	if c := d.peek(); c != codeFloat64 {
		return wrongKind("a float64", c)
	}
	f, err := d.mp.DecodeFloat64()
	v.SetFloat(f)
	return err
}

// Strings may hold any bytes, as Go's do; msgpack's own rule of UTF-8 is not applied.
func encodeString(e *encoder, v reflect.Value) error { return e.mp.EncodeString(v.String()) }

func decodeString(d *decoder, v reflect.Value) error {
	var s string
	err := d.string(&s)
	v.SetString(s)
	return err
}
