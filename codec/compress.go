package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// minCompress is the size from which compression is tried; below, zstd's own header
// and tables eat the gain.
const minCompress = 1 << 10

// zstdWindow bounds how far back a match may lie, and with it the memory of both sides.
const zstdWindow = 1 << 20

// One encoder and one decoder serve all goroutines, as many at once as there are CPUs.
var (
	zstdEncoder = made(func() *zstd.Encoder { return newZstdEncoder(runtime.GOMAXPROCS(0)) })
	zstdDecoder = made(func() *zstd.Decoder { return newZstdDecoder(runtime.GOMAXPROCS(0), MaxDecompressed) })
)

// runtimeAPI is set by Lambda in every process it starts.
// Source: docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
const runtimeAPI = "AWS_LAMBDA_RUNTIME_API"

// made returns what create makes, which is made once. What holds channels, as these
// do, is made before any bubble of testing/synctest begins, outside of which nobody
// could use one that was made inside; a pool would hand them across. In an agent,
// which knows no bubbles, it waits until it is needed: half a megabyte is a good part
// of a cold start.
func made[T any](create func() T) func() T {
	get := sync.OnceValue(create)
	if os.Getenv(runtimeAPI) == "" {
		get()
	}
	return get
}

func newZstdEncoder(concurrency int) *zstd.Encoder {
	enc := mustZstd(zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(concurrency),
		zstd.WithLowerEncoderMem(true),
		zstd.WithWindowSize(zstdWindow),
	))
	enc.EncodeAll(nil, nil) // makes the channels
	return enc
}

// newZstdDecoder returns a decoder that accepts matches up to window bytes back. A stream
// allocates its window before it has seen anything but a header, which may claim any.
func newZstdDecoder(concurrency int, window uint64) *zstd.Decoder {
	return mustZstd(zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(concurrency),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(MaxDecompressed),
		zstd.WithDecoderMaxWindow(window),
		zstd.WithDecodeAllCapLimit(true),
	))
}

// mustZstd is for options that cannot be wrong.
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
	packed := zstdEncoder().EncodeAll(body, dst)
	return packed, gains(len(body), len(packed)) && len(body)/MaxExpansion < len(packed)
}

// compressPieces returns the frame in pieces compressed, as a frame in pieces, or reports that it
// does not pay. It gives up as soon as that shows. It is for frames that go to an object store:
// unlike compress it holds neither the body nor the result in one slice.
func compressPieces(frame [][]byte) ([][]byte, bool) {
	size := -headerSize
	for _, p := range frame {
		size += len(p)
	}
	if size < minCompress || size > MaxDecompressed {
		return nil, false
	}
	out := &blocks{all: [][]byte{binary.AppendUvarint(append([]byte{}, magic+"\x01\x01"...), uint64(size))}}
	enc := newZstdEncoder(1) // a stream needs its own
	enc.Reset(out)
	in := -headerSize
	for _, p := range frame {
		p = p[-min(in, 0):] // the header is not compressed; it lies in the first piece
		in = max(in, 0)
		for part := range slices.Chunk(p, blockSize) {
			if _, err := enc.Write(part); err != nil {
				return nil, false
			}
			in += len(part)
			if in >= giveUp && !gains(in, out.size) {
				return nil, false
			}
		}
	}
	if enc.Close() != nil {
		return nil, false
	}
	return out.all, gains(size, out.size) && size/MaxExpansion < out.size
}

// blockSize is how much is compressed, or allocated, at once; giveUp is how much must
// show no gain until it is not tried any longer.
const (
	blockSize = 1 << 20
	giveUp    = 4 * blockSize
)

// gains says whether a tenth less is reached, below which it does not pay.
func gains(before, after int) bool { return after <= before-before/10 }

// blocks collects bytes without ever copying them, as a growing buffer would.
type blocks struct {
	all  [][]byte
	size int
}

func (b *blocks) Write(p []byte) (int, error) {
	n := len(p)
	b.size += n
	for len(p) > 0 {
		last := &b.all[len(b.all)-1]
		if len(*last) == cap(*last) {
			b.all = append(b.all, make([]byte, 0, blockSize))
			continue
		}
		m := min(len(p), cap(*last)-len(*last))
		*last = append(*last, p[:m]...)
		p = p[m:]
	}
	return n, nil
}

// decompress returns the size bytes that packed holds, and never allocates more.
func decompress(packed []byte, size uint64) ([]byte, error) {
	if err := checkExpansion(int64(len(packed)), size); err != nil {
		return nil, err
	}
	body, err := zstdDecoder().DecodeAll(packed, make([]byte, 0, size))
	switch {
	case err != nil:
		return nil, errDamagedZstd(err)
	case uint64(len(body)) != size:
		return nil, fmt.Errorf("the compressed frame holds %d bytes and claims %d", len(body), size)
	}
	return body, nil
}

// decompressStream is decompress for what arrives bit by bit. The caller has checked
// the size.
func decompressStream(packed io.Reader, size uint64) ([]byte, error) {
	dec := newZstdDecoder(1, zstdWindow) // a stream needs its own
	defer dec.Close()
	if err := dec.Reset(packed); err != nil {
		return nil, errDamagedZstd(err)
	}
	body := make([]byte, size, size+maxAlign)
	n, err := io.ReadFull(dec, body)
	if err == nil {
		var more [1]byte
		if m, _ := dec.Read(more[:]); m > 0 {
			return nil, fmt.Errorf("the compressed frame holds more than the %d bytes that it claims", size)
		}
		return body, nil
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("the compressed frame holds %d bytes and claims %d", n, size)
	}
	return nil, errDamagedZstd(err)
}

// checkExpansion refuses a frame that claims to become too large, before anything is allocated for
// it: a few kilobytes of zstd can hold gigabytes of zeros.
func checkExpansion(packed int64, size uint64) error {
	if size > MaxDecompressed || size/MaxExpansion > uint64(packed) {
		return fmt.Errorf("the compressed frame of %d bytes claims to hold %d, which is more than is accepted", packed, size)
	}
	return nil
}

func errDamagedZstd(err error) error { return fmt.Errorf("the compressed frame is damaged: %w", err) }
