package codec

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// SealSize is how many bytes the seal of a frame has: the CRC-32C of all before it. What is
// sent inside of an invocation is sealed, for whatever lies between client and agent may change
// a byte, and most bytes are as good as others to a decoder: without the seal a wrong number
// would arrive. What is stored has its SHA-256 elsewhere.
//
// The seal finds accidents. It is no protection from somebody who changes bytes on purpose:
// that is what TLS is for.
const SealSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal returns the frame with the flag that says so, and its seal.
func seal(frame []byte) []byte {
	frame[headerSize-1] |= flagSealed
	return binary.LittleEndian.AppendUint32(frame, crc32.Checksum(frame, castagnoli))
}

// unseal returns a sealed frame without its seal.
func unseal(frame []byte) ([]byte, error) {
	n := len(frame) - SealSize
	if n < headerSize {
		return nil, &FrameError{Reason: "the frame ends inside of its checksum"}
	}
	if crc32.Checksum(frame[:n], castagnoli) != binary.LittleEndian.Uint32(frame[n:]) {
		return nil, &FrameError{Reason: "the frame has another checksum than when it was sent: its bytes were changed on the way", Err: ErrDamaged}
	}
	return frame[:n], nil
}

// ErrDamaged says that bytes are not what was sent, or stored. A [FrameError] wraps it. Sending
// again may help; for a stored frame it does not.
var ErrDamaged = errors.New("the bytes are damaged")

// Sealed returns the frame, in one slice of its own, as it is sent when it is not stored after
// all. It has [SealSize] bytes more. [DecodeReply] and [DecodeRequest] read it.
func (f *Frame) Sealed() []byte {
	b := make([]byte, 0, f.size+SealSize)
	for _, p := range f.pieces {
		b = append(b, p...)
	}
	return seal(b)
}
