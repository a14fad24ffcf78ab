package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"sync"
)

// Version is the version of the protocol that this package speaks. A new field in the envelope
// does not change it, since unknown ones are skipped. Another version is refused with
// [ErrVersion].
const Version = 1

// A frame begins with its magic, the version and the flags. The first byte of the
// magic appears in neither msgpack nor UTF-8 text.
const (
	magic      = "\xc1LP"
	headerSize = len(magic) + 2

	flagZstd   = 1 << 0 // a uvarint, the size of the body, and the body compressed by zstd
	flagSealed = 1 << 1 // four more bytes at the end: see SealSize
	knownFlags = flagZstd | flagSealed
)

// The plans of the envelope are compiled at the first call: an agent that starts
// cold should ask for work before.
var (
	requestPlan = sync.OnceValue(func() *plan { return compileTagged(reflect.TypeFor[Request]()) })
	replyPlan   = sync.OnceValue(func() *plan { return compileTagged(reflect.TypeFor[Reply]()) })
)

// A FrameOption changes how a frame is encoded. [Compress] makes the only one. The receiver
// needs no option: the frame says what it is.
type FrameOption uint8

// Compress returns the option to compress the frame with zstd, at its fastest level. It is left
// out where it does not pay: below a kibibyte, for data that hardly shrinks, and for data that
// shrinks so much that the receiver would suspect a bomb. So it is never wrong to ask for, but
// costs time: see [CompressFrom].
func Compress() FrameOption { return flagZstd }

// EncodeRequest returns r as Lambda accepts it: a JSON string that holds base64 of the frame.
// Use it for platforms that insist on JSON, and [EncodeRawRequest] for others. It does not look
// whether the platform carries so much: see [MaxRequest].
//
// A negative Remaining is sent as the shortest time there is, since zero means no deadline. The
// error is a *[FrameError]: for more than [MaxItems] items, or a frame above [MaxEncoded].
// EncodeRequest keeps nothing of r and is safe for concurrent use.
func EncodeRequest(r *Request, opts ...FrameOption) ([]byte, error) {
	if len(opts) > 0 && r.size() > MaxRequestFrame {
		// Only compressed it can fit: that is tried without a copy of the items.
		if err := r.check(); err != nil {
			return nil, err
		}
		f, err := newFrame(requestPlan(), reflect.ValueOf(r.sent()).Elem(), opts)
		if err != nil {
			return nil, err
		}
		return quote(f.Sealed()), nil
	}
	return encodeRequest(r, func(e *encoder) []byte { return quote(e.out.b) }, opts)
}

// EncodeRawRequest returns r as the frame itself, for platforms that carry any bytes: three
// quarters of what [EncodeRequest] makes of it. In all else it is as that. [DecodeRequest]
// tells the two apart.
func EncodeRawRequest(r *Request, opts ...FrameOption) ([]byte, error) {
	return encodeRequest(r, func(e *encoder) []byte { return e.out.take() }, opts)
}

func encodeRequest(r *Request, form func(*encoder) []byte, opts []FrameOption) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	e := getEncoder()
	defer putEncoder(e)
	if err := e.frame(requestPlan(), reflect.ValueOf(r.sent()).Elem(), opts); err != nil {
		return nil, err
	}
	e.out.b = seal(e.out.b)
	return form(e), nil
}

// sent is r as it may be sent: a time that is over is the shortest there is.
func (r *Request) sent() *Request {
	if r.Remaining >= 0 {
		return r
	}
	c := *r
	c.Remaining = 1
	return &c
}

// size is what the items take, in bytes.
func (r *Request) size() (n int) {
	for _, item := range r.Items {
		n += len(item)
	}
	return n
}

// EncodeReply returns r as a frame. It does not look whether the platform carries so much: an
// agent measures before it sends, as Lambda ends one whose reply is above [MaxReply]. The error
// is a *[FrameError]. EncodeReply keeps nothing of r and is safe for concurrent use.
func EncodeReply(r *Reply, opts ...FrameOption) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	e := getEncoder()
	defer putEncoder(e)
	if err := e.frame(replyPlan(), reflect.ValueOf(r).Elem(), opts); err != nil {
		return nil, err
	}
	e.out.b = seal(e.out.b)
	return e.out.take(), nil
}

// DecodeRequest decodes what [EncodeRequest] or [EncodeRawRequest] returned. JSON's own
// liberties (white space around the string, escapes inside of it) are accepted. payload may
// come from anybody: decoding is bounded as the package's comment says.
//
// The items of a raw request are parts of payload, and of a small one the strings, too. So payload must
// not be changed while they are in use. Those of another lie in one buffer of their own. They are not decoded yet:
// [Unmarshal] does that.
//
// The error is a *[FrameError]. It wraps [ErrVersion] when a newer client speaks, and
// [ErrDamaged] when bytes were changed on the way.
func DecodeRequest(payload []byte) (*Request, error) {
	frame := payload
	if len(payload) == 0 || payload[0] != magic[0] {
		var err error
		if frame, err = unquote(payload, "request"); err != nil {
			return nil, err
		}
	}
	r := new(Request)
	if err := open(frame, requestPlan(), reflect.ValueOf(r).Elem(), clientSide); err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	if r.Remaining < 0 {
		return nil, &FrameError{Reason: "malformed request: negative remaining time"}
	}
	return r, nil
}

// DecodeReply decodes what [EncodeReply] returned, raw or as a JSON string that holds base64 of
// it: some proxies insist on JSON. The values of a raw reply are parts of payload, not copies, and
// of a small one the strings, too. So payload must not be changed while they are in use.
//
// Negative measurements are read as zero. The error is a *[FrameError]. It wraps [ErrVersion]
// when a newer agent speaks, and [ErrDamaged] when bytes were changed.
func DecodeReply(payload []byte) (*Reply, error) {
	frame := payload
	if len(payload) == 0 || payload[0] != magic[0] {
		var err error
		if frame, err = unquote(payload, "reply"); err != nil {
			return nil, err
		}
	}
	r := new(Reply)
	if err := open(frame, replyPlan(), reflect.ValueOf(r).Elem(), agentSide); err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	r.clamp()
	return r, nil
}

// check refuses what no honest side sends, on both ends.
func (r *Request) check() error {
	if len(r.Items) > MaxItems {
		return tooManyItems("request", len(r.Items))
	}
	if r.Parallel < 0 {
		return &FrameError{Reason: "malformed request: negative parallelism"}
	}
	return nil
}

func (r *Reply) check() error {
	if len(r.Items) > MaxItems {
		return tooManyItems("reply", len(r.Items))
	}
	return nil
}

func tooManyItems(what string, n int) error {
	return &FrameError{Reason: fmt.Sprintf("the %s has %d items, at most %d are carried; use smaller chunks", what, n, MaxItems)}
}

// clamp makes measurements of a clock that went backwards harmless.
func (r *Reply) clamp() {
	for i := range r.Items {
		r.Items[i].Run = max(r.Items[i].Run, 0)
	}
	a := &r.Agent
	a.Init = max(a.Init, 0)
	a.Run = max(a.Run, 0)
	a.CPU = max(a.CPU, 0)
	a.PeakMemory = max(a.PeakMemory, 0)
	a.Memory = max(a.Memory, 0)
	a.Procs = max(a.Procs, 0)
}

// frame writes header and body into e.out.
func (e *encoder) frame(p *plan, v reflect.Value, opts []FrameOption) error {
	var flags FrameOption
	for _, o := range opts {
		flags |= o
	}
	e.out.b = append(e.out.b, magic+"\x01\x00"...)
	if err := p.enc(e, v); err != nil {
		pe := asPathError(err)
		return &FrameError{Reason: fmt.Sprintf("encode %s: %s", pe.path(p.typ), pe.reason)}
	}
	if flags&flagZstd == 0 {
		return nil
	}
	packed, ok := compress(e.out.b[headerSize:], e.scratch[:0])
	if ok {
		size := uint64(len(e.out.b) - headerSize)
		e.out.b[headerSize-1] |= flagZstd
		e.out.b = binary.AppendUvarint(e.out.b[:headerSize], size)
		e.out.b = append(e.out.b, packed...)
	}
	if cap(packed) > cap(e.scratch) {
		e.scratch = packed
	}
	return nil
}

// A side is who wrote a frame, for the message when the versions differ.
type side struct{ versions, advice string }

var (
	clientSide = side{"client speaks protocol %d, this agent %d", "deploy an agent built from the same version of lambdapool"}
	agentSide  = side{"agent speaks protocol %d, this client %d", "rebuild the client with the agent's version of lambdapool"}
)

// open decodes a frame into v, a zero struct. Byte slices become parts of frame.
func open(frame []byte, p *plan, v reflect.Value, from side) error {
	body, err := openBody(frame, from)
	if err != nil {
		return err
	}
	return decodeBody(body, p, v)
}

// smallBody is the size in bytes up to which the strings of an envelope are left where they lie. One that is
// kept, such as an agent's name, keeps no more than that alive.
const smallBody = 1 << 10

// decodeBody decodes an envelope. The scan comes first: after it no length is wrong and no nesting
// too deep, so that what follows may recurse.
func decodeBody(body []byte, p *plan, v reflect.Value) error {
	if err := scan(body, 1); err != nil {
		return malformed(p, err)
	}
	d := getDecoder(body, true)
	defer putDecoder(d)
	d.texts = len(body) <= smallBody
	if err := p.dec(d, v); err != nil {
		return malformed(p, err)
	}
	return nil
}

// malformed says where in the envelope the bytes make no sense.
func malformed(p *plan, err error) error {
	pe := asPathError(err)
	if path := pe.path(p.typ); path != "" {
		return &FrameError{Reason: fmt.Sprintf("malformed %s: %s", path, pe.reason)}
	}
	return &FrameError{Reason: fmt.Sprintf("malformed %s: %s", p.typ.Name(), pe.reason)}
}

// checkHeader returns the flags of a frame that this package can read.
func checkHeader(frame []byte, from side) (byte, error) {
	n := min(len(frame), len(magic))
	switch {
	case string(frame[:n]) != magic[:n]:
		return 0, &FrameError{Reason: "not a lambdapool frame: it begins with other bytes; was it sent by something else?"}
	case len(frame) < headerSize:
		return 0, &FrameError{Reason: "the frame ends inside of its header"}
	case frame[3] != Version:
		return 0, &FrameError{
			Reason: fmt.Sprintf(from.versions+": %s", frame[3], Version, from.advice),
			Err:    ErrVersion,
		}
	}
	flags := frame[4]
	if flags&^knownFlags != 0 {
		return 0, &FrameError{Reason: fmt.Sprintf("the frame has unknown flags 0x%02x", flags)}
	}
	return flags, nil
}

func errNoSize() error { return &FrameError{Reason: "the compressed frame does not say its size"} }

// openBody returns what a frame holds: it checks header and seal, and decompresses.
func openBody(frame []byte, from side) ([]byte, error) {
	flags, err := checkHeader(frame, from)
	if err != nil {
		return nil, err
	}
	if flags&flagSealed != 0 {
		if frame, err = unseal(frame); err != nil {
			return nil, err
		}
	}
	body := frame[headerSize:]
	if flags&flagZstd == 0 {
		return body, nil
	}
	size, n := binary.Uvarint(body)
	if n <= 0 {
		return nil, errNoSize()
	}
	body, err = decompress(body[n:], size)
	if err != nil {
		return nil, &FrameError{Reason: err.Error(), Err: errors.Unwrap(err)}
	}
	return body, nil
}
