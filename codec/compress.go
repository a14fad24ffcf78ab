package codec

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// minCompress is the size from which compression is tried; below, zstd's own header
// and tables eat the gain.
const minCompress = 1 << 10

// zstdWindow bounds how far back a match may lie, and with it the memory of both sides.
const zstdWindow = 1 << 20

var zstdEncoders = sync.Pool{New: func() any {
	return mustZstd(zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true),
		zstd.WithWindowSize(zstdWindow),
	))
}}

var zstdDecoders = sync.Pool{New: func() any {
	return mustZstd(zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(MaxDecompressed),
		zstd.WithDecodeAllCapLimit(true),
	))
}}

func mustZstd[T any](c T, err error) T {
	if err != nil {
		panic(err) // the options are constants
	}
	return c
}

// compress returns body compressed, using dst where it is large enough, or reports
// that it does not pay.
func compress(body, dst []byte) ([]byte, bool) {
	if len(body) < minCompress || len(body) > MaxDecompressed {
		return nil, false
	}
	enc := zstdEncoders.Get().(*zstd.Encoder)
	defer zstdEncoders.Put(enc)
	packed := enc.EncodeAll(body, dst)
	gains := len(packed) <= len(body)-len(body)/10
	return packed, gains && len(body)/MaxExpansion < len(packed)
}

// decompress returns the size bytes that packed holds, and never allocates more.
func decompress(packed []byte, size uint64) ([]byte, error) {
	if size > MaxDecompressed || size/MaxExpansion > uint64(len(packed)) {
		return nil, fmt.Errorf("the compressed frame of %d bytes claims to hold %d, which is more than is accepted", len(packed), size)
	}
	dec := zstdDecoders.Get().(*zstd.Decoder)
	defer zstdDecoders.Put(dec)
	body, err := dec.DecodeAll(packed, make([]byte, 0, size))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the compressed frame is damaged: %w", err)
	case uint64(len(body)) != size:
		return nil, fmt.Errorf("the compressed frame holds %d bytes and claims %d", len(body), size)
	}
	return body, nil
}
