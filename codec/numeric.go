package codec

import (
	"encoding/binary"
	"reflect"
	"unsafe"
)

// A numeric says how a run of numbers lies in memory and on the wire, where it is
// one byte string: the elements back to back, little endian, int and uint in eight
// bytes.
type numeric struct {
	mem    int  // bytes of one component in memory
	wire   int  // bytes of one component on the wire
	parts  int  // components of an element: 2 for complex numbers, else 1
	signed bool // integers that widen with their sign
	native bool // memory and wire look the same
}

// littleEndian reports the byte order of this machine.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// numericOf returns the layout of t, if t is a number.
func numericOf(t reflect.Type) (numeric, bool) {
	n := numeric{mem: int(t.Size()), parts: 1}
	switch t.Kind() {
	case reflect.Int, reflect.Uint:
		n.wire = 8
		n.signed = t.Kind() == reflect.Int
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64:
		n.wire = n.mem
	case reflect.Complex64, reflect.Complex128:
		n.parts = 2
		n.mem /= 2
		n.wire = n.mem
	default:
		return numeric{}, false
	}
	n.native = n.mem == n.wire && (littleEndian || n.mem == 1)
	return n, true
}

// size returns the bytes of an element on the wire.
func (n numeric) size() int { return n.wire * n.parts }

// write appends count elements at p to the output, as a byte string.
func (n numeric) write(e *encoder, p unsafe.Pointer, count int) error {
	if count > MaxEncoded/n.size() {
		return errTooLong
	}
	if err := e.mp.EncodeBytesLen(count * n.size()); err != nil {
		return err
	}
	if count == 0 {
		return nil
	}
	mem := unsafe.Slice((*byte)(p), count*n.parts*n.mem)
	if n.native {
		_, err := e.out.Write(mem)
		return err
	}
	for ; len(mem) > 0; mem = mem[n.mem:] {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], n.load(mem))
		if _, err := e.out.Write(b[:n.wire]); err != nil {
			return err
		}
	}
	return nil
}

// read fills the memory at p from b, whose length is right.
func (n numeric) read(p unsafe.Pointer, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	mem := unsafe.Slice((*byte)(p), len(b)/n.wire*n.mem)
	if n.native {
		copy(mem, b)
		return nil
	}
	for ; len(b) > 0; b, mem = b[n.wire:], mem[n.mem:] {
		var w [8]byte
		copy(w[:], b[:n.wire])
		u := binary.LittleEndian.Uint64(w[:])
		n.store(mem, u)
		if n.wire != n.mem && n.load(mem) != u {
			return fail("a number does not fit into %d bits", n.mem*8)
		}
	}
	return nil
}

// load returns the component at mem, widened to 64 bits.
func (n numeric) load(mem []byte) uint64 {
	switch n.mem {
	case 1:
		return uint64(mem[0])
	case 2:
		return uint64(binary.NativeEndian.Uint16(mem))
	case 4:
		u := binary.NativeEndian.Uint32(mem)
		if n.signed {
			return uint64(int64(int32(u)))
		}
		return uint64(u)
	default:
		return binary.NativeEndian.Uint64(mem)
	}
}

// store is the opposite of load.
func (n numeric) store(mem []byte, u uint64) {
	switch n.mem {
	case 1:
		mem[0] = byte(u)
	case 2:
		binary.NativeEndian.PutUint16(mem, uint16(u))
	case 4:
		binary.NativeEndian.PutUint32(mem, uint32(u))
	default:
		binary.NativeEndian.PutUint64(mem, u)
	}
}

// elements reads the next value, a byte string of whole elements.
func (n numeric) elements(d *decoder) (b []byte, count int, err error) {
	b, err = d.bin()
	if err != nil {
		return nil, 0, err
	}
	if len(b)%n.size() != 0 {
		return nil, 0, fail("%d bytes are no whole number of elements of %d", len(b), n.size())
	}
	return b, len(b) / n.size(), nil
}

type (
	encodeFunc = func(*encoder, reflect.Value) error
	decodeFunc = func(*decoder, reflect.Value) error
)

// numericScalar is for single complex numbers, which msgpack does not know.
func numericScalar(t reflect.Type) (encodeFunc, decodeFunc) {
	n, _ := numericOf(t)
	return numericRun(n, 1)
}

// numericRun is for a fixed number of elements: an array, or a complex number.
func numericRun(n numeric, length int) (encodeFunc, decodeFunc) {
	enc := func(e *encoder, v reflect.Value) error {
		return n.write(e, v.Addr().UnsafePointer(), length)
	}
	dec := func(d *decoder, v reflect.Value) error {
		b, count, err := n.elements(d)
		if err != nil {
			return err
		}
		if count != length {
			return fail("%d elements where %d belong", count, length)
		}
		return n.read(v.Addr().UnsafePointer(), b)
	}
	return enc, dec
}

func numericSlice(n numeric) (encodeFunc, decodeFunc) {
	enc := func(e *encoder, v reflect.Value) error {
		if v.IsNil() {
			return e.mp.EncodeNil()
		}
		return n.write(e, v.UnsafePointer(), v.Len())
	}
	dec := func(d *decoder, v reflect.Value) error {
		if d.isNil() {
			v.SetZero()
			return nil
		}
		b, count, err := n.elements(d)
		if err != nil {
			return err
		}
		if n.native && d.mayShare(b, v.Type().Elem().Align()) {
			v.Set(reflect.SliceAt(v.Type().Elem(), unsafe.Pointer(unsafe.SliceData(b)), count).Convert(v.Type()))
			return nil
		}
		if err := d.charge(count, v.Type().Elem().Size()); err != nil {
			return err
		}
		s := reflect.MakeSlice(v.Type(), count, count)
		if err := n.read(s.UnsafePointer(), b); err != nil {
			return err
		}
		v.Set(s)
		return nil
	}
	return enc, dec
}

// byteSlice is numericSlice for bytes, without clearing the memory first.
func byteSlice() (encodeFunc, decodeFunc) {
	enc := func(e *encoder, v reflect.Value) error { return e.bytes(v.Bytes()) }
	dec := func(d *decoder, v reflect.Value) error {
		var b []byte
		err := d.bytes(&b)
		v.SetBytes(b)
		return err
	}
	return enc, dec
}
