package codec

import "encoding/binary"

// scan reports why data is not exactly n well-formed values, without allocating
// more than a counter for each level and without recursion. After it, a decoder
// meets no length beyond the input, no extension type, no depth above MaxDepth
// and nothing behind the last value.
func scan(data []byte, n int) error {
	end, err := skip(data, n)
	if err != nil {
		return err
	}
	if end != len(data) {
		return fail("%d bytes follow the last value", len(data)-end)
	}
	return nil
}

// Length returns how many bytes of data are its first n values. The error says what is wrong, or that data
// ends before they do. It allocates next to nothing, and is safe for bytes of whatever origin.
func Length(data []byte, n int) (int, error) {
	end, err := skip(data, n)
	if err != nil {
		return 0, &DecodeError{Value: -1, Reason: err.Error()}
	}
	return end, nil
}

// skip returns where the first n values of data end. It and header are careful
// with their frames, hence the few levels and the errors in functions of their own:
// the goroutine of a call begins with a small stack, and growing it takes longer
// than all the rest of a scan.
func skip(data []byte, n int) (int, error) {
	var levels [8]int
	open := append(levels[:0], n) // values still to come, on each level
	pos := 0
	for len(open) > 0 {
		top := len(open) - 1
		if open[top] == 0 {
			open = open[:top]
			continue
		}
		open[top]--
		if pos < len(data) { // most values are small
			if c := data[pos]; isFixNum(c) {
				pos++
				continue
			} else if n := int(c - codeFixStr); isFixStr(c) && n < len(data)-pos {
				pos += 1 + n
				continue
			}
		}
		values, next, err := header(data, pos)
		if err != nil {
			return 0, err
		}
		pos = next
		if values > 0 {
			if len(open) > MaxDepth {
				return 0, tooDeep()
			}
			open = append(open, values)
		}
	}
	return pos, nil
}

// header reads what is at pos: how many values it announces, and where the
// first of them, or the next value, begins.
func header(data []byte, pos int) (values, next int, err error) {
	if pos >= len(data) {
		return 0, 0, fail("ends where a value belongs")
	}
	c := data[pos]
	pos++
	left := len(data) - pos
	width, size, ok := layout(c)
	switch {
	case !ok:
		return 0, 0, noValue(c)
	case width > left:
		return 0, 0, fail("ends inside a length")
	}
	n := uint64(size)
	switch width {
	case 1:
		n = uint64(data[pos])
	case 2:
		n = uint64(binary.BigEndian.Uint16(data[pos:]))
	case 4:
		n = uint64(binary.BigEndian.Uint32(data[pos:]))
	}
	pos += width
	left -= width
	switch {
	case isMap(c):
		n *= 2
	case !isArray(c):
		if n > uint64(left) {
			return 0, 0, tooFew("bytes", n, left)
		}
		return 0, pos + int(n), nil
	}
	if n > uint64(left) { // each value takes a byte at least
		return 0, 0, tooFew("values", n, left)
	}
	return int(n), pos, nil
}

//go:noinline
func tooFew(what string, n uint64, left int) error {
	return fail("announces %d %s where %d bytes are left", n, what, left)
}

//go:noinline
func noValue(c byte) error { return fail("byte 0x%02x begins no value", c) }

//go:noinline
func tooDeep() error { return fail("nested more than %d levels deep", MaxDepth) }
