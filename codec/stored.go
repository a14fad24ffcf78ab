package codec

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync"
	"unsafe"
)

// pieceSize is the size from which a byte slice becomes a piece of a [Frame] of its
// own: below, copying costs less.
const pieceSize = 64 << 10

// A Frame is a frame on its way to an object store. It is made of pieces: large items and
// values are those of the message that it was made of, not copies, and must not be changed
// while the Frame is in use. So a result of a gigabyte is in memory once. It is safe for
// concurrent use.
type Frame struct {
	pieces [][]byte
	size   int64
	sum    func() [sha256.Size]byte
}

// FrameRequest returns the frame that stands for r's items, and for nothing else of r. Send r
// with Stored instead of Items then. The error is a *[FrameError]: for more than [MaxItems]
// items, or more than [MaxStored] bytes.
func FrameRequest(r *Request, opts ...FrameOption) (*Frame, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	return newFrame(requestPlan(), reflect.ValueOf(&Request{Items: r.Items}).Elem(), opts)
}

// FrameReply returns the frame of r. The agent stores it, and answers with a Reply that says
// where: see [Frame.Stored]. The error is a *[FrameError], as for [FrameRequest].
func FrameReply(r *Reply, opts ...FrameOption) (*Frame, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	return newFrame(replyPlan(), reflect.ValueOf(r).Elem(), opts)
}

// Size returns the length of the frame in bytes. It is known without reading.
func (f *Frame) Size() int64 { return f.size }

// Sum returns the SHA-256 of the frame. It is computed once, when it is first asked for.
func (f *Frame) Sum() [sha256.Size]byte { return f.sum() }

// Reader returns a new reader of the frame, at its beginning. Several may be used at once, one
// for each try to store it. A single one is not safe for concurrent use.
func (f *Frame) Reader() io.ReadSeeker { return &frameReader{frame: f} }

// Bytes returns the frame in one slice, copied unless it is in one piece. It must not be
// changed. [Frame.Reader] needs no copy.
func (f *Frame) Bytes() []byte {
	if len(f.pieces) == 1 {
		return f.pieces[0]
	}
	b := make([]byte, 0, f.size)
	for _, p := range f.pieces {
		b = append(b, p...)
	}
	return b
}

// Stored returns what the message that stands for the frame says about it: from, the size and
// the sum. A reply leaves from empty, as its receiver made the link.
func (f *Frame) Stored(from Link) *Stored {
	return &Stored{From: from, Size: f.size, SHA256: f.Sum()}
}

// newFrame makes a frame whose large byte slices are pieces, compressed if that pays.
func newFrame(p *plan, v reflect.Value, opts []FrameOption) (*Frame, error) {
	e := getEncoder()
	defer putEncoder(e)
	e.pieces = new(pieces)
	if err := e.frame(p, v, nil); err != nil {
		return nil, err
	}
	all := e.pieces.around(e.out.take())
	for _, o := range opts {
		if o&flagZstd == 0 {
			continue
		}
		if packed, ok := compressPieces(all); ok {
			all = packed
		}
	}
	f := frameOf(all)
	if f.size > MaxStored {
		return nil, &FrameError{Reason: fmt.Sprintf("the frame has %d bytes, at most %d are stored", f.size, MaxStored)}
	}
	return f, nil
}

// frameOf makes a frame of its pieces.
func frameOf(all [][]byte) *Frame {
	f := &Frame{pieces: all}
	for _, piece := range all {
		f.size += int64(len(piece))
	}
	f.sum = sync.OnceValue(func() (sum [sha256.Size]byte) {
		h := sha256.New()
		for _, piece := range all {
			_, _ = h.Write(piece) // never fails
		}
		h.Sum(sum[:0])
		return sum
	})
	return f
}

// pieces are the large byte slices of a message, and where in its encoding they go.
type pieces struct {
	cuts []piece
	size int
}

type piece struct {
	at   int
	data []byte
}

// cut notes that data belongs at this place of the encoding.
func (p *pieces) cut(at int, data []byte) error {
	if len(data) > MaxEncoded-at-p.size {
		return errTooLong
	}
	p.cuts = append(p.cuts, piece{at, data})
	p.size += len(data)
	return nil
}

// around puts the pieces into the rest of the encoding.
func (p *pieces) around(rest []byte) [][]byte {
	all := make([][]byte, 0, 2*len(p.cuts)+1)
	from := 0
	for _, c := range p.cuts {
		all = append(all, rest[from:c.at], c.data)
		from = c.at
	}
	return append(all, rest[from:])
}

// frameReader reads a Frame.
type frameReader struct {
	frame *Frame
	off   int64
}

func (r *frameReader) Read(b []byte) (n int, err error) {
	skip := r.off
	for _, p := range r.frame.pieces {
		if skip >= int64(len(p)) {
			skip -= int64(len(p))
			continue
		}
		m := copy(b[n:], p[skip:])
		skip = 0
		n += m
		if n == len(b) {
			break
		}
	}
	r.off += int64(n)
	if n == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Seek lets whoever stores the frame begin again, after a try that failed.
func (r *frameReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.off
	case io.SeekEnd:
		offset += r.frame.size
	}
	if offset < 0 {
		return r.off, errors.New("seek before the beginning of the frame")
	}
	r.off = offset
	return offset, nil
}

// ReadRequest reads the frame of a request that s describes, and returns the request, of which
// only Items is set. r is usually the body of an answer of the store. It is read to the end of
// the frame, not beyond, and not closed.
//
// It allocates s.Size bytes, once that is known to be at most [MaxStored], and what the frame
// decompresses to. A compressed frame is decompressed as it arrives. The error is a
// *[FrameError] when the bytes are not the frame, and wraps [ErrDamaged] when they were
// changed. Any other is r's, or io.ErrUnexpectedEOF.
func ReadRequest(r io.Reader, s *Stored) (*Request, error) {
	req := new(Request)
	body, err := s.body(r, clientSide)
	if err != nil {
		return nil, err
	}
	if err := decodeBody(body, requestPlan(), reflect.ValueOf(req).Elem()); err != nil {
		return nil, err
	}
	return req, req.check()
}

// ReadReply reads the frame of a reply that s describes, as [ReadRequest] does that of a
// request. The values of the reply lie in one buffer of their own. The numbers of a large slice
// are aligned there, for [UnmarshalShared]. [OpenValue] is for a value that should not be in
// memory at all.
func ReadReply(r io.Reader, s *Stored) (*Reply, error) {
	body, err := s.body(r, agentSide)
	if err != nil {
		return nil, err
	}
	reply := new(Reply)
	if err := decodeBody(body, replyPlan(), reflect.ValueOf(reply).Elem()); err != nil {
		return nil, err
	}
	if by := misaligned(reply); by > 0 {
		moved := body[:len(body)+by][by:]
		copy(moved, body)
		reply = new(Reply)
		if err := decodeBody(moved, replyPlan(), reflect.ValueOf(reply).Elem()); err != nil {
			return nil, err
		}
	}
	if err := reply.check(); err != nil {
		return nil, err
	}
	reply.clamp()
	return reply, nil
}

// maxAlign is what no number needs more of.
const maxAlign = 8

// misaligned returns by how many bytes the first large value, if it is one slice of
// bytes or numbers, would have to be moved until these were aligned.
func misaligned(r *Reply) int {
	const header = 5 // of a bin 32
	for i := range r.Items {
		if v := r.Items[i].Value; len(v) >= pieceSize && v[0] == codeBin32 {
			return int(-uintptr(unsafe.Pointer(&v[header])) % maxAlign) //nolint:gosec // an address to compare
		}
	}
	return 0
}

// body reads the frame and returns its body, which is nobody else's and has room to be
// moved by maxAlign.
func (s *Stored) body(r io.Reader, from side) ([]byte, error) {
	if s.Size < int64(headerSize) || s.Size > MaxStored {
		return nil, &FrameError{Reason: fmt.Sprintf("a stored frame of %d bytes is announced; it has from %d to %d", s.Size, headerSize, MaxStored)}
	}
	in := &summed{r: io.LimitReader(r, s.Size), sum: sha256.New()}
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(in, header); err != nil {
		return nil, unexpected(err)
	}
	flags, problem := checkHeader(header, from)
	var body []byte
	switch {
	case problem != nil:
	case flags&flagSealed != 0:
		problem = &FrameError{Reason: "a sealed frame is stored; those are sent"}
	case flags&flagZstd != 0:
		body, problem = in.decompress(s.Size)
	default:
		n := s.Size - int64(headerSize)
		body = make([]byte, n, n+maxAlign)
		if _, err := io.ReadFull(in, body); err != nil {
			return nil, unexpected(err)
		}
	}
	if in.err == nil {
		// What is left counts for the sum, which is told first if it is wrong.
		_, in.err = io.Copy(io.Discard, in)
	}
	switch {
	case in.err != nil:
		return nil, in.err
	case in.n != s.Size:
		return nil, io.ErrUnexpectedEOF
	case [sha256.Size]byte(in.sum.Sum(nil)) != s.SHA256:
		return nil, &FrameError{
			Reason: fmt.Sprintf("the stored frame of %d bytes has another SHA-256 than when it was stored: its bytes were changed", s.Size),
			Err:    ErrDamaged,
		}
	}
	return body, problem
}

// unexpected is the error of a stream that ends before it should.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// summed hashes what is read, counts it, and remembers how reading failed.
type summed struct {
	r   io.Reader
	sum interface {
		io.Writer
		Sum(b []byte) []byte
	}
	n   int64
	err error
}

func (s *summed) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	_, _ = s.sum.Write(b[:n]) // never fails
	s.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// ReadByte is for the uvarint, which ends within a few bytes.
func (s *summed) ReadByte() (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(s, b[:])
	return b[0], err
}

// decompress reads the rest of a compressed frame of size bytes as it arrives, so
// that it is never in memory beside what it becomes.
func (s *summed) decompress(size int64) ([]byte, error) {
	n, err := binary.ReadUvarint(s)
	if err != nil {
		return nil, errNoSize()
	}
	if err := checkExpansion(size, n); err != nil {
		return nil, &FrameError{Reason: err.Error()}
	}
	body, err := decompressStream(s, n)
	if err != nil {
		return nil, &FrameError{Reason: err.Error(), Err: errors.Unwrap(err)}
	}
	return body, nil
}
