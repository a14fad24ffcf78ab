package check

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/lambdapool/lambdapool/codec"
)

// mostShown is how many bytes of a text are shown.
const mostShown = 60

// shown describes what became of an item, for people.
func shown(item *codec.ItemReply) string {
	if err := item.Err; err != nil {
		what := "the error "
		if err.Kind == codec.KindPanic {
			what = "the panic "
		}
		return what + quoted(err.Message)
	}
	if text, ok := scalar(item.Value); ok {
		return text
	}
	return fmt.Sprintf("%x… (%d bytes)", item.Value[:min(len(item.Value), 8)], len(item.Value))
}

func quoted(text string) string {
	if len(text) > mostShown {
		return fmt.Sprintf("%q… (%d bytes)", text[:mostShown], len(text))
	}
	return strconv.Quote(text)
}

// scalar prints an encoded value that is nil, a bool, a number or a string: these are most of what
// flags change. Package codec says how values are encoded.
// Source: https://github.com/msgpack/msgpack/blob/master/spec.md
func scalar(v []byte) (string, bool) {
	if len(v) == 0 {
		return "", false
	}
	kind, rest := v[0], v[1:]
	if len(rest) == 0 {
		if text, ok := short(kind); ok {
			return text, true
		}
	}
	if kind >= 0xca && kind <= 0xd3 {
		return number(kind, rest)
	}
	return text(kind, rest)
}

// short prints what is one byte.
func short(kind byte) (string, bool) {
	switch {
	case kind <= 0x7f:
		return strconv.Itoa(int(kind)), true
	case kind >= 0xe0:
		return strconv.Itoa(int(int8(kind))), true
	case kind == 0xc0:
		return "nil", true
	case kind == 0xc2 || kind == 0xc3:
		return strconv.FormatBool(kind == 0xc3), true
	}
	return "", false
}

// number prints a number of more than one byte.
func number(kind byte, rest []byte) (string, bool) {
	var wide [8]byte
	if len(rest) > len(wide) {
		return "", false
	}
	copy(wide[len(wide)-len(rest):], rest)
	n := binary.BigEndian.Uint64(wide[:])
	switch {
	case kind == 0xca && len(rest) == 4:
		return strconv.FormatFloat(float64(math.Float32frombits(uint32(n))), 'g', -1, 32), true
	case kind == 0xcb && len(rest) == 8:
		return strconv.FormatFloat(math.Float64frombits(n), 'g', -1, 64), true
	case kind >= 0xcc && kind <= 0xcf && len(rest) == 1<<(kind-0xcc):
		return strconv.FormatUint(n, 10), true
	case kind >= 0xd0 && kind <= 0xd3 && len(rest) == 1<<(kind-0xd0):
		unused := 64 - 8*len(rest) // shifted out and in again, they repeat the sign
		return strconv.FormatInt(int64(n<<unused)>>unused, 10), true
	}
	return "", false
}

// text prints a string.
func text(kind byte, rest []byte) (string, bool) {
	switch {
	case kind&0xe0 == 0xa0 && len(rest) == int(kind&0x1f):
		return quoted(string(rest)), true
	case kind == 0xd9 && len(rest) > 0 && len(rest)-1 == int(rest[0]):
		return quoted(string(rest[1:])), true
	case kind == 0xda && len(rest) > 1 && len(rest)-2 == int(binary.BigEndian.Uint16(rest)):
		return quoted(string(rest[2:])), true
	}
	return "", false
}
