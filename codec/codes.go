package codec

// The first bytes of msgpack values, from https://github.com/msgpack/msgpack/blob/master/spec.md.
// The extension types (0xc7 to 0xc9, 0xd4 to 0xd8) are not used here.
const (
	codeFixMap   = 0x80 // to 0x8f, with the number of pairs
	codeFixArray = 0x90 // to 0x9f, with the number of values
	codeFixStr   = 0xa0 // to 0xbf, with the number of bytes
	codeNil      = 0xc0
	codeNever    = 0xc1 // begins no value
	codeFalse    = 0xc2
	codeTrue     = 0xc3
	codeBin8     = 0xc4
	codeBin16    = 0xc5
	codeBin32    = 0xc6
	codeFloat32  = 0xca
	codeFloat64  = 0xcb
	codeUint8    = 0xcc
	codeUint16   = 0xcd
	codeUint32   = 0xce
	codeUint64   = 0xcf
	codeInt8     = 0xd0
	codeInt16    = 0xd1
	codeInt32    = 0xd2
	codeInt64    = 0xd3
	codeStr8     = 0xd9
	codeStr16    = 0xda
	codeStr32    = 0xdb
	codeArray16  = 0xdc
	codeArray32  = 0xdd
	codeMap16    = 0xde
	codeMap32    = 0xdf
	codeFixNeg   = 0xe0 // to 0xff, -32 to -1; 0x00 to 0x7f stand for themselves
)

// These tell the kinds apart by the first byte alone. Decoding looks at it before it calls
// msgpack's Decoder, which would convert where this package refuses.
func isFixNum(c byte) bool { return c < codeFixMap || c >= codeFixNeg }
func isFixStr(c byte) bool { return codeFixStr <= c && c < codeNil }
func isInt(c byte) bool    { return isFixNum(c) || codeUint8 <= c && c <= codeInt64 }
func isSigned(c byte) bool { return c >= codeFixNeg || codeInt8 <= c && c <= codeInt64 }
func isBool(c byte) bool   { return c == codeFalse || c == codeTrue }
func isBin(c byte) bool    { return codeBin8 <= c && c <= codeBin32 }
func isString(c byte) bool { return isFixStr(c) || codeStr8 <= c && c <= codeStr32 }

func isArray(c byte) bool {
	return codeFixArray <= c && c < codeFixStr || c == codeArray16 || c == codeArray32
}

func isMap(c byte) bool {
	return codeFixMap <= c && c < codeFixArray || c == codeMap16 || c == codeMap32
}

// layout says how a value that begins with c goes on: how wide the length is that
// follows, or else how many bytes (of an array: values, of a map: pairs) follow.
func layout(c byte) (width, size int, ok bool) {
	switch {
	case isFixNum(c), c == codeNil, isBool(c):
		return 0, 0, true
	case isFixStr(c):
		return 0, int(c - codeFixStr), true
	case c < codeFixArray:
		return 0, int(c - codeFixMap), true
	case c < codeFixStr:
		return 0, int(c - codeFixArray), true
	}
	switch c {
	case codeUint8, codeInt8:
		return 0, 1, true
	case codeUint16, codeInt16:
		return 0, 2, true
	case codeUint32, codeInt32, codeFloat32:
		return 0, 4, true
	case codeUint64, codeInt64, codeFloat64:
		return 0, 8, true
	case codeStr8, codeBin8:
		return 1, 0, true
	case codeStr16, codeBin16, codeArray16, codeMap16:
		return 2, 0, true
	case codeStr32, codeBin32, codeArray32, codeMap32:
		return 4, 0, true
	default:
		return 0, 0, false
	}
}

// wrongKind names what was found and what belongs there, by kind and never by value.
func wrongKind(want string, c byte) error { return fail("%s where %s belongs", kindOf(c), want) }

// kindOf names what begins with c, for messages.
func kindOf(c byte) string {
	switch {
	case c == codeNil:
		return "nil"
	case isBool(c):
		return "a bool"
	case isInt(c):
		return "an integer"
	case c == codeFloat32:
		return "a float32"
	case c == codeFloat64:
		return "a float64"
	case isString(c):
		return "a string"
	case isBin(c):
		return "bytes"
	case isArray(c):
		return "an array"
	case isMap(c):
		return "a map"
	default:
		return "an unknown value"
	}
}
