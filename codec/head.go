package codec

import (
	"encoding/binary"
	"unsafe"
)

// How msgpack's values begin, as https://github.com/msgpack/msgpack/blob/master/spec.md has it and
// msgpack's Encoder writes it: always in the shortest form. These functions are for the envelope,
// where the Encoder's way through io.Writer would cost more than the values.

// heads are the first bytes of a kind of values that have a length.
type heads struct {
	fix            byte // plus the length; 0: the kind has none such
	most           int  // that it says
	next8          byte // then the length in one byte; 0: the kind has none such
	next16, next32 byte
}

var (
	mapHeads   = heads{codeFixMap, 15, 0, codeMap16, codeMap32}
	arrayHeads = heads{codeFixArray, 15, 0, codeArray16, codeArray32}
	textHeads  = heads{codeFixStr, 31, codeStr8, codeStr16, codeStr32}
	binHeads   = heads{0, -1, codeBin8, codeBin16, codeBin32}
)

// appendLength appends the head of a value with n bytes, elements or pairs.
func appendLength(b []byte, h *heads, n int) []byte {
	switch {
	case n <= h.most:
		return append(b, h.fix+byte(n))
	case n <= 0xff && h.next8 != 0:
		return append(b, h.next8, byte(n))
	case n <= 0xffff:
		return append(b, h.next16, byte(n>>8), byte(n))
	default:
		return binary.BigEndian.AppendUint32(append(b, h.next32), uint32(n))
	}
}

// appendText appends a short string.
func appendText(b []byte, s string) []byte { return append(appendLength(b, &textHeads, len(s)), s...) }

// appendUint appends an integer.
func appendUint(b []byte, n uint64) []byte {
	switch {
	case n < codeFixMap:
		return append(b, byte(n))
	case n <= 0xff:
		return append(b, codeUint8, byte(n))
	case n <= 0xffff:
		return append(b, codeUint16, byte(n>>8), byte(n))
	case n <= 0xffffffff:
		return binary.BigEndian.AppendUint32(append(b, codeUint32), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(b, codeUint64), n)
	}
}

// appendInt appends an integer that may be negative.
func appendInt(b []byte, n int64) []byte {
	switch {
	case n >= 0:
		return appendUint(b, uint64(n))
	case n >= -32:
		return append(b, byte(n))
	case n >= -1<<7:
		return append(b, codeInt8, byte(n))
	case n >= -1<<15:
		return append(b, codeInt16, byte(n>>8), byte(n))
	case n >= -1<<31:
		return binary.BigEndian.AppendUint32(append(b, codeInt32), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(b, codeInt64), uint64(n))
	}
}

// text writes a string of whatever length.
func (e *encoder) text(s string) error {
	e.out.b = appendLength(e.out.b, &textHeads, len(s))
	if len(s) > cap(e.out.b)-len(e.out.b) {
		if err := e.out.grow(len(s)); err != nil {
			return err
		}
	}
	e.out.b = append(e.out.b, s...)
	return nil
}

// bytes writes a byte slice, or notes a large one where the output is made of pieces.
func (e *encoder) bytes(b []byte) error {
	if b == nil {
		e.out.b = append(e.out.b, codeNil)
		return nil
	}
	e.out.b = appendLength(e.out.b, &binHeads, len(b))
	if e.pieces != nil && len(b) >= pieceSize {
		return e.pieces.cut(len(e.out.b), b)
	}
	_, err := e.out.Write(b)
	return err
}

// bytes reads a byte slice, or a nil.
func (d *decoder) bytes(to *[]byte) error {
	if d.isNil() {
		*to = nil
		return nil
	}
	b, err := d.bin()
	if err != nil {
		return err
	}
	if !d.alias && !d.mayShare(b, 1) {
		if err := d.charge(1, uintptr(len(b))); err != nil {
			return err
		}
		b = append([]byte{}, b...)
	}
	*to = b
	return nil
}

// string reads a string, which may hold any bytes, as Go's do: msgpack's own rule of UTF-8 is not applied.
func (d *decoder) string(to *string) error {
	b, err := d.text()
	if err != nil {
		return err
	}
	if d.texts && len(b) > 0 {
		*to = unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // nobody writes there any more
		return nil
	}
	if err := d.charge(1, uintptr(len(b))); err != nil {
		return err
	}
	*to = string(b)
	return nil
}

// length reads the first byte of the next value and returns how many bytes, elements or pairs it has.
func (d *decoder) length() (int, error) {
	c := d.peek()
	switch {
	case isFixStr(c):
		d.in.pos++
		return int(c - codeFixStr), nil
	case codeFixMap <= c && c < codeFixArray:
		d.in.pos++
		return int(c - codeFixMap), nil
	case codeFixArray <= c && c < codeFixStr:
		d.in.pos++
		return int(c - codeFixArray), nil
	}
	width, size, _ := layout(c)
	d.in.pos++
	if width == 0 {
		return size, nil
	}
	n, err := d.number(width)
	return int(n), err
}

// number reads an unsigned number of some bytes.
func (d *decoder) number(width int) (n uint64, err error) {
	b, err := d.take(width)
	if err != nil {
		return 0, err
	}
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n, nil
}

// integer reads an integer of any of msgpack's forms. signed says that n is one whose sign counts.
func (d *decoder) integer() (n uint64, signed bool, err error) {
	c := d.peek()
	switch {
	case c < codeFixMap:
		d.in.pos++
		return uint64(c), false, nil
	case c >= codeFixNeg:
		d.in.pos++
		return uint64(int64(int8(c))), true, nil
	case !isInt(c):
		return 0, false, wrongKind("an integer", c)
	}
	d.in.pos++
	_, size, _ := layout(c)
	n, err = d.number(size)
	if !isSigned(c) {
		return n, false, err
	}
	shift := 64 - 8*size
	return uint64(int64(n<<shift) >> shift), true, err
}

// text returns the bytes of the next value, a string, as part of the input.
func (d *decoder) text() ([]byte, error) {
	if c := d.peek(); !isString(c) {
		return nil, wrongKind("a string", c)
	}
	n, err := d.length()
	if err != nil {
		return nil, err
	}
	return d.take(n)
}

// elements reads the head of an array, or a nil. What its elements of size bytes will occupy is
// charged, so that a head which promises more than the input can hold allocates nothing.
func (d *decoder) elements(size uintptr) (n int, isNil bool, err error) {
	if d.isNil() {
		return 0, true, nil
	}
	c := d.peek()
	if !isArray(c) {
		return 0, false, wrongKind("an array", c)
	}
	if n, err = d.length(); err != nil {
		return 0, false, err
	}
	return n, false, d.charge(n, size)
}
