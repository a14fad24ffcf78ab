package codec

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zstd"
)

// ErrNotStreamable says that an item of a reply has no bytes to stream: it failed, or its value
// does not travel as bytes, as a []byte, a string and a slice of numbers do. A [FrameError]
// wraps it. Read the whole reply with [ReadReply] then.
var ErrNotStreamable = errors.New("the item has no bytes to stream")

// Seal returns the frame with a checksum of its own, as an object has that nothing else
// describes: the result of a detached run. [OpenValue] and [DecodeReply] read it, and
// [ReadReply] does not. It copies nothing but the header, and reads all of the frame once.
func (f *Frame) Seal() *Frame {
	head := append([]byte{}, f.pieces[0][:headerSize]...)
	head[headerSize-1] |= flagSealed
	pieces := append([][]byte{head, f.pieces[0][headerSize:]}, f.pieces[1:]...)
	var sum uint32
	for _, p := range pieces {
		sum = crc32.Update(sum, castagnoli, p)
	}
	return frameOf(append(pieces, binary.LittleEndian.AppendUint32(nil, sum)))
}

// A ValueReader reads the bytes of one item's value from the frame of a reply as it arrives.
// Get it from [OpenValue]. What it has read is certain only at io.EOF, before which it checks
// the frame's checksum: write to a temporary file, and rename that at the end. It is not safe
// for concurrent use.
type ValueReader struct {
	frame *sealedReader
	zstd  *zstd.Decoder // nil: the frame is not compressed
	body  *bufio.Reader // what the frame holds
	left  int64         // bytes of the value to come
	size  int64
	err   error
}

// OpenValue reads a sealed frame of size bytes up to the value of item i, counted from 0. The
// value must be a []byte or a string. Of a slice of numbers it reads the encoding, which is
// little endian. Use it for values that are larger than memory, or that go to a file anyway.
//
// It takes memory for a buffer, whatever the sizes. It blocks for as long as r does, and passes
// over the items before i. The error is a *[FrameError], which wraps [ErrNotStreamable] when
// the item has no bytes, or r's. It does not close r.
func OpenValue(r io.Reader, size int64, i int) (*ValueReader, error) {
	v := &ValueReader{frame: &sealedReader{r: r, left: size - SealSize}}
	err := v.open(i)
	if err == nil {
		return v, nil
	}
	v.close()
	if v.frame.err != nil {
		return nil, v.frame.err // that the rest makes no sense comes of it
	}
	var failed *FrameError
	if !errors.As(err, &failed) {
		err = &FrameError{Reason: "malformed reply: " + unexpected(err).Error()}
	}
	return nil, err
}

// open reads up to the value: the header, the reply's "it", the items before, the item's "v". It
// goes by the first bytes of msgpack values alone, since no decoder works on what is still to come.
func (v *ValueReader) open(i int) error {
	head := make([]byte, headerSize)
	if _, err := io.ReadFull(v.frame, head); err != nil {
		return err
	}
	flags, err := checkHeader(head, agentSide)
	if err != nil {
		return err
	}
	if flags&flagSealed == 0 {
		return &FrameError{Reason: "the frame is not sealed: nobody could say whether it is whole"}
	}
	v.body = bufio.NewReader(v.frame)
	if flags&flagZstd != 0 {
		if _, err := binary.ReadUvarint(v.body); err != nil {
			return errNoSize()
		}
		v.zstd = newZstdDecoder(1, zstdWindow)
		if err := v.zstd.Reset(v.body); err != nil {
			return errDamagedZstd(err)
		}
		v.body = bufio.NewReader(v.zstd)
	}
	if err := v.key("it"); err != nil {
		return err
	}
	c, n, err := v.header()
	if err != nil {
		return err
	}
	if !isArray(c) || i < 0 || uint64(i) >= n {
		return &FrameError{Reason: fmt.Sprintf("the reply has no item %d", i), Err: ErrNotStreamable}
	}
	if err := v.skip(uint64(i)); err != nil {
		return err
	}
	if err := v.key("v"); err != nil {
		return err
	}
	if c, _, err = v.header(); err != nil || !isBin(c) {
		return errors.Join(err, &FrameError{Reason: "malformed reply: a value is not encoded"})
	}
	// The value is itself encoded: what follows is its own header.
	if c, n, err = v.header(); err != nil {
		return err
	}
	if !isBin(c) && !isString(c) {
		return &FrameError{Reason: "the value is " + kindOf(c) + ", not bytes", Err: ErrNotStreamable}
	}
	v.left, v.size = int64(n), int64(n)
	return nil
}

// Size returns how many bytes the value has. It is known before they are read, but, as they
// are, certain only at io.EOF.
func (v *ValueReader) Size() int64 { return v.size }

// Read reads the value. Its error is io.EOF once all of the frame has been read and is what was
// sent. It is a *[FrameError] that wraps [ErrDamaged] when it is not, and r's where that
// failed. An error stays: later calls return it again.
func (v *ValueReader) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	if v.left > 0 {
		n, err := v.body.Read(p[:min(int64(len(p)), v.left)])
		v.left -= int64(n)
		if err != nil {
			v.err = v.failure(unexpected(err))
			err = v.err
		}
		return n, err
	}
	v.err = v.finish()
	return 0, v.err
}

// finish reads the rest of the frame, which nobody wants, and its checksum.
func (v *ValueReader) finish() error {
	_, err := io.Copy(io.Discard, v.body)
	if err == nil {
		_, err = io.Copy(io.Discard, v.frame) // what zstd has not asked for
	}
	v.close()
	if err != nil {
		return v.failure(err)
	}
	return v.frame.check()
}

// failure prefers the reason that lies deepest.
func (v *ValueReader) failure(err error) error {
	if v.frame.err != nil {
		return v.frame.err
	}
	if v.zstd != nil {
		return &FrameError{Reason: errDamagedZstd(err).Error(), Err: ErrDamaged}
	}
	return err
}

func (v *ValueReader) close() {
	if v.zstd != nil {
		v.zstd.Close()
		v.zstd = nil
	}
}

// Close ends reading, also before the end. The reader that OpenValue was given is the caller's
// to close. It returns nil, and may be called again.
func (v *ValueReader) Close() error {
	v.close()
	if v.err == nil {
		v.err = errors.New("the value was closed")
	}
	return nil
}

// key reads a map up to the value of a key. Without the key there is nothing to stream.
func (v *ValueReader) key(want string) error {
	c, n, err := v.header()
	if err != nil {
		return err
	}
	if !isMap(c) {
		return wrongKind("a map", c)
	}
	for range n {
		c, length, err := v.header()
		if err != nil {
			return err
		}
		if !isString(c) || length > maxTag {
			return wrongKind("a key", c)
		}
		var key [maxTag]byte
		if _, err := io.ReadFull(v.body, key[:length]); err != nil {
			return err
		}
		if string(key[:length]) == want {
			return nil
		}
		if err := v.skip(1); err != nil {
			return err
		}
	}
	return &FrameError{Reason: "the item failed, or its value is empty", Err: ErrNotStreamable}
}

// maxTag is the longest key that is compared, in bytes.
const maxTag = 32

// header reads the first byte of a value, and how many bytes (of an array: values, of a
// map: pairs) follow.
func (v *ValueReader) header() (c byte, n uint64, err error) {
	if c, err = v.body.ReadByte(); err != nil {
		return 0, 0, err
	}
	width, size, ok := layout(c)
	if !ok {
		return 0, 0, fail("byte 0x%02x begins no value", c)
	}
	if width == 0 {
		return c, uint64(size), nil
	}
	var length [4]byte
	if _, err := io.ReadFull(v.body, length[4-width:]); err != nil {
		return 0, 0, err
	}
	return c, uint64(binary.BigEndian.Uint32(length[:])), nil
}

// skip passes over n values. It needs no memory for their depth: what is announced is
// only counted, and what is never there ends the frame.
func (v *ValueReader) skip(n uint64) error {
	for ; n > 0; n-- {
		c, size, err := v.header()
		if err != nil {
			return err
		}
		switch {
		case isArray(c):
			n += size
		case isMap(c):
			n += 2 * size
		default:
			if _, err := io.CopyN(io.Discard, v.body, int64(size)); err != nil {
				return err
			}
		}
	}
	return nil
}

// A sealedReader reads a sealed frame but its seal.
type sealedReader struct {
	r    io.Reader
	left int64 // bytes before the seal
	sum  uint32
	err  error // r's
}

func (s *sealedReader) Read(p []byte) (int, error) {
	if s.left <= 0 {
		return 0, io.EOF
	}
	n, err := s.r.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	s.sum = crc32.Update(s.sum, castagnoli, p[:n])
	if err != nil && (!errors.Is(err, io.EOF) || s.left > 0) {
		s.err = unexpected(err)
		return n, s.err
	}
	return n, nil
}

// check reads the seal and compares it. io.EOF says that the frame is what was sent.
func (s *sealedReader) check() error {
	if s.err != nil {
		return s.err
	}
	var seal [SealSize]byte
	if _, err := io.ReadFull(s.r, seal[:]); err != nil {
		return unexpected(err)
	}
	if binary.LittleEndian.Uint32(seal[:]) != s.sum {
		return &FrameError{Reason: "the frame has another checksum than when it was stored: its bytes were changed", Err: ErrDamaged}
	}
	return io.EOF
}
