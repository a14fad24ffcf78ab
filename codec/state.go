package codec

import (
	"errors"
	"io"
	"reflect"
	"slices"
	"sync"
	"unsafe"

	"github.com/vmihailenco/msgpack/v5"
)

// keepBuffer is the largest buffer that the pools hold on to.
const keepBuffer = 8 << 20

// handOver is the size from which an encoding is handed out in the buffer that it
// was built in: copying it would cost more than a new buffer.
const handOver = 64 << 10

var errTooLong = errors.New("the encoding is larger than 1 GiB")

// A buffer collects an encoding. It is the writer below msgpack's Encoder.
type buffer struct {
	b     []byte
	roots []root // what is being encoded, by Marshal
	sized bool   // their size was asked for
}

func (w *buffer) Write(p []byte) (int, error) {
	if len(p) > cap(w.b)-len(w.b) {
		if err := w.grow(len(p)); err != nil {
			return 0, err
		}
	}
	w.b = append(w.b, p...)
	return len(p), nil
}

func (w *buffer) WriteByte(c byte) error {
	if len(w.b) == cap(w.b) {
		if err := w.grow(1); err != nil {
			return err
		}
	}
	w.b = append(w.b, c)
	return nil
}

// grow makes room for n bytes more; for all that are still to come once the encoding
// is large. There is never room for more than MaxEncoded.
func (w *buffer) grow(n int) error {
	if n > MaxEncoded-len(w.b) {
		return errTooLong
	}
	room := len(w.b) + n
	if room <= sizeFrom {
		w.b = slices.Grow(w.b, n)
		return nil
	}
	if !w.sized {
		w.sized = true
		room = max(room, sizeOf(w.roots))
	} else {
		room = max(room, len(w.b)/4*5) // it was not told all
	}
	w.b = append(make([]byte, 0, min(room, MaxEncoded)), w.b...)
	return nil
}

// take returns the collected bytes in a slice that the caller may keep.
func (w *buffer) take() []byte {
	if n := len(w.b); n >= handOver && cap(w.b)-n <= n/4 {
		b := w.b
		w.b = nil
		return b
	}
	return append(make([]byte, 0, len(w.b)), w.b...)
}

// An encoder is what one Marshal needs. All values that reach a plan's encode
// function are addressable where their kind is struct, array, float32 or complex.
type encoder struct {
	mp      *msgpack.Encoder
	out     buffer
	scratch []byte // for marshalers and for sorting map entries
	depth   int
	pieces  *pieces // not nil: large byte slices are noted there instead of written
}

var encoders = sync.Pool{New: func() any {
	e := &encoder{scratch: make([]byte, 0, 128)}
	e.mp = msgpack.NewEncoder(&e.out)
	return e
}}

// getEncoder returns an encoder for one message. Encoders are kept, because making one costs more
// than encoding a small call. The caller gives it back by putEncoder.
func getEncoder() *encoder {
	e := encoders.Get().(*encoder)
	e.out.b = e.out.b[:0]
	e.out.sized = false
	e.depth = 0
	return e
}

// putEncoder keeps an encoder for the next message, without what it has seen: neither values nor a
// buffer that one large call has left.
func putEncoder(e *encoder) {
	e.pieces = nil // it holds values, as the roots do
	clear(e.out.roots)
	e.out.roots = e.out.roots[:0]
	if cap(e.out.b) > keepBuffer {
		e.out.b = nil
	}
	if cap(e.scratch) > keepBuffer {
		e.scratch = make([]byte, 0, 128)
	}
	encoders.Put(e)
}

// enter goes one level down; the caller comes back up with e.depth--.
func (e *encoder) enter() error {
	if e.depth++; e.depth > MaxDepth {
		return fail("nested more than %d levels deep (a pointer cycle?)", MaxDepth)
	}
	return nil
}

// addressable returns v, or a copy of v in memory of its own.
func addressable(v reflect.Value) reflect.Value {
	if v.CanAddr() {
		return v
	}
	switch v.Kind() {
	case reflect.Struct, reflect.Array, reflect.Float32, reflect.Complex64, reflect.Complex128:
		c := reflect.New(v.Type()).Elem()
		c.Set(v)
		return c
	default:
		return v
	}
}

// A reader hands the input to msgpack's Decoder. Being an io.ByteScanner it keeps
// msgpack from buffering, so both may read from it in turn.
type reader struct {
	b   []byte
	pos int
}

func (r *reader) Read(p []byte) (int, error) {
	if r.pos >= len(r.b) {
		return 0, io.EOF
	}
	n := copy(p, r.b[r.pos:])
	r.pos += n
	return n, nil
}

func (r *reader) ReadByte() (byte, error) {
	if r.pos >= len(r.b) {
		return 0, io.EOF
	}
	c := r.b[r.pos]
	r.pos++
	return c, nil
}

func (r *reader) UnreadByte() error {
	if r.pos == 0 {
		return io.ErrNoProgress
	}
	r.pos--
	return nil
}

// A decoder is what one Unmarshal needs. Its input has passed scan.
type decoder struct {
	mp     *msgpack.Decoder
	in     reader
	budget int  // bytes that may still be allocated
	alias  bool // []byte may point into the input
	share  bool // what is most of the input may be left there
	texts  bool // strings are, all together, or those of a small envelope
}

// mayShare says whether a slice, whose bytes are b of the input, may be left there: it
// must be at least half of it, so that it keeps little else alive, and aligned.
func (d *decoder) mayShare(b []byte, align int) bool {
	return d.share && len(b) > 0 && len(b) >= len(d.in.b)/2 && uintptr(unsafe.Pointer(unsafe.SliceData(b)))%uintptr(align) == 0 //nolint:gosec // an address to compare
}

// mostStrings says whether strings are at least half of data, which has passed scan.
func mostStrings(data []byte) bool {
	total := 0
	for pos := 0; pos < len(data); {
		at := pos
		if _, pos, _ = header(data, at); isString(data[at]) {
			total += pos - at
		}
	}
	return total >= len(data)/2
}

var decoders = sync.Pool{New: func() any {
	d := new(decoder)
	d.mp = msgpack.NewDecoder(&d.in)
	return d
}}

// getDecoder returns a decoder of data. alias lets byte slices point into data, as those of the
// envelope may, whose items are decoded later.
func getDecoder(data []byte, alias bool) *decoder {
	d := decoders.Get().(*decoder)
	d.in = reader{b: data}
	d.budget = min(len(data), (maxInt-expansionSlack)/MaxExpansion)*MaxExpansion + expansionSlack
	d.alias, d.share, d.texts = alias, false, false
	return d
}

func putDecoder(d *decoder) {
	d.in = reader{}
	decoders.Put(d)
}

const maxInt = int(^uint(0) >> 1)

// charge accounts for n allocations of size bytes each, before they are made.
func (d *decoder) charge(n int, size uintptr) error {
	if n == 0 || size == 0 {
		return nil
	}
	if uintptr(n) > uintptr(d.budget)/size {
		return fail("would need more than %d bytes of memory for each byte received", MaxExpansion)
	}
	d.budget -= n * int(size)
	return nil
}

// peek returns the first byte of the next value. There is one: a plan reads only
// values that scan has counted.
func (d *decoder) peek() byte {
	if d.in.pos < len(d.in.b) {
		return d.in.b[d.in.pos]
	}
	return codeNever
}

// isNil consumes a nil, if one is next.
func (d *decoder) isNil() bool {
	if d.peek() != codeNil {
		return false
	}
	d.in.pos++
	return true
}

// take returns the next n bytes of the input itself.
func (d *decoder) take(n int) ([]byte, error) {
	if n > len(d.in.b)-d.in.pos {
		return nil, io.ErrUnexpectedEOF
	}
	b := d.in.b[d.in.pos : d.in.pos+n : d.in.pos+n]
	d.in.pos += n
	return b, nil
}

// bin returns the next value, a byte string, as part of the input.
func (d *decoder) bin() ([]byte, error) {
	if c := d.peek(); !isBin(c) {
		return nil, wrongKind("bytes", c)
	}
	n, err := d.length()
	if err != nil {
		return nil, err
	}
	return d.take(n)
}

// array reads the header of an array.
func (d *decoder) array() (int, error) {
	if c := d.peek(); !isArray(c) {
		return 0, wrongKind("an array", c)
	}
	return d.mp.DecodeArrayLen()
}

// arrayOf reads the header of an array that must hold n values.
func (d *decoder) arrayOf(n int) error {
	got, err := d.array()
	if err == nil && got != n {
		err = fail("%d values where %d belong", got, n)
	}
	return err
}
