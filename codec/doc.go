// Package codec turns calls into bytes and back: the values of arguments and
// results, and the frames that carry them between client and agent.
//
// It is written for bytes from anywhere. Whatever arrives, decoding ends in a value
// or an error; it does not crash, recurse without bound, or allocate beyond a stated
// multiple of the input.
//
// # Who needs it
//
// Programs that call functions do not: the executor and the agent use it for them. Import it
// to write an agent or a client of another kind, a proxy or a tool that looks into payloads,
// or to see in a test whether a type travels before a function of it is registered.
//
//	values, arguments and results   TypeOf, Marshal, Unmarshal; UnmarshalShared for large results
//	what Lambda's Invoke carries    EncodeRequest, DecodeRequest, EncodeReply, DecodeReply
//	what carries any bytes          EncodeRawRequest instead
//	what an object store holds      FrameRequest and ReadRequest, FrameReply and ReadReply
//	one stored value, as a stream   Frame.Seal and OpenValue
//
// Functions are safe for concurrent use, and block only where they are given an io.Reader, or
// for a moment when more goroutines compress, or decompress, than there are CPUs. Errors are of four types:
// [UnsupportedError] for a Go type, [EncodeError] and [DecodeError] for a value, [FrameError]
// for a message. Their texts name types and fields, not values.
//
// # Values
//
// [TypeOf] compiles the codec of a Go type, or refuses the type and names the field
// that cannot travel. [Marshal] and [Unmarshal] use it.
//
// These travel, and arrive equal: booleans, integers, floats and complex numbers to
// the last bit (NaN and infinities too), strings of any bytes, slices, arrays, maps,
// pointers and structs of them, embedded ones and recursive types included. A nil
// slice, map or pointer arrives nil, an empty one empty, and a pointer to a nil slice
// is not a nil pointer. Two pointers to the same variable arrive as two variables.
//
// A struct that encodes itself is sent that way: by MarshalBinary or AppendBinary
// and UnmarshalBinary, else by GobEncode and GobDecode, else, if it has unexported
// fields, by MarshalText and UnmarshalText. So [time.Time], [math/big.Int],
// [net/netip.Addr] and [net/url.URL] travel. Methods that a struct merely inherits from
// an embedded field do not count: they would lose the other fields.
//
// These do not arrive:
//
//   - unexported fields, and fields tagged `msgpack:"-"`; a struct that has unexported
//     fields only, and does not encode itself, is refused
//   - of a [time.Time] the name of its location (the offset stays) and its monotonic clock
//     reading; a time whose offset is the receiver's own at that instant arrives as local
//   - interfaces, channels, functions, uintptr and unsafe.Pointer, pointers in map keys,
//     and embedded pointers to unexported structs: [TypeOf] refuses their types
//   - pointer cycles, and values nested more than [MaxDepth] levels deep: [Marshal]
//     refuses the value
//
// # Layout of values
//
// Values lie back to back, each of them one msgpack value:
//
//	bool, string            as msgpack has them; strings are not checked to be UTF-8
//	int…, uint…             the shortest integer
//	float32, float64        always in 4 and 8 bytes
//	[]byte, [N]byte         bin
//	slices and arrays of    bin: the elements back to back, little endian; int and
//	numbers, complex        uint in 8 bytes, a complex number as real and imaginary part
//	other slices, arrays    array
//	map                     map, in the order of the encoded keys
//	struct                  array of the fields that travel, in order of declaration
//	struct that encodes     bin of what its method returned
//	itself
//	time.Time               bin of 16 bytes, big endian: Unix seconds (8), nanoseconds
//	                        (4), offset in seconds (4; the lowest number for UTC)
//	nil slice, map, pointer nil
//	pointer                 what it points to; an array of one around it where that is
//	                        itself a slice, map or pointer
//
// Fields have no names on the wire, so both sides must have compared their
// [Type.Shape] before. Equal maps have equal encodings, except for several NaN
// keys of the same bits, whose order is open.
//
// Decoding is strict. Another kind of value, a number that does not fit, another
// count of fields or elements, a key twice or bytes behind the last value are errors.
//
// # Bounds
//
// Before anything is decoded, a pass without recursion checks that every length lies
// within the input, that nothing is nested deeper than [MaxDepth], and that nothing
// follows the last value. Decoding then counts the memory it asks for and stops at
// [MaxExpansion] times the input, plus 64 KiB. Only a type whose unexported fields are
// large can reach that with an honest value: a slice of structs of some hundred
// bytes each of which one travels.
//
// A compressed frame must say how large it becomes: at most [MaxExpansion] times its
// size, and at most [MaxDecompressed]. So at worst a compressed request occupies that
// much, and its values MaxExpansion times as much again.
//
// What UnmarshalBinary and the like allocate is theirs to bound. Their panics, and
// those of MarshalBinary, become errors.
//
// # The protocol and its version
//
// Client and agent are built from one source and deployed together, so the format is free to
// change from release to release. What matters is that two releases never misread each
// other. So [Version] comes before everything else, and a frame of another one is refused with
// [ErrVersion]. The encoding of values is compared by shape: a call carries the fingerprint of
// its function, and the agent refuses one that is not its own.
//
// A new field of the envelope needs no new version, as long as an older reader that skips it
// does nothing wrong: give it a short tag and omitempty, and let zero mean what was before.
// Anything else, such as another encoding of a kind of value, does need one. Golden files
// hold both; a test that fails there has found a change of the protocol.
//
// # Frames
//
// A [Request] or [Reply] is framed as
//
//	0xC1 'L' 'P'   magic
//	1              version of the protocol
//	flags          bit 0: the body is compressed, bit 1: the frame is sealed
//	[uvarint]      only if compressed: size of the body before
//	body           the envelope, a msgpack map keyed by the tags of its struct
//	[4 bytes]      only if sealed: CRC-32C of all before, little endian
//
// and a request once more as a JSON string of base64, since Lambda carries nothing but
// JSON. Unknown keys in the envelope are skipped and missing ones left zero, so
// a field can be added without a new version. What is sent is sealed: a byte that
// changes on the way gets an error, and never becomes another value.
//
// A frame that Lambda does not carry lies in an object store instead, as it is, and the
// request or reply says where, how large it is and what its SHA-256 is: [Stored] and
// [Spill]. [FrameRequest] and [FrameReply] make it without copying large items, and
// [ReadRequest] and [ReadReply] read it into one buffer.
package codec
