package splits

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// zstdMemory bounds what decompressing takes, in bytes: zstd's own default for windows that every
// decoder has to support is 8 MiB, the long modes take up to 128 MiB. Source: RFC 8878, 3.1.1.1.2.
const zstdMemory = 128 << 20

// Open returns the bytes of the split: those of the object in [From, To), or, of a compressed
// object, all of them decompressed. It does not look for records: the first and the last bytes may
// be parts of some. For records use [Split.Lines], [JSONLines] and [Split.CSV].
//
// Open blocks until the object has answered. Reads block, take a broken connection up where it
// broke, and fail when ctx ends. The caller closes what Open returns. Errors wrap [ErrChanged],
// [ErrNoRanges], fs.ErrNotExist, or the context's.
func (s Split) Open(ctx context.Context) (io.ReadCloser, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	raw := newRangeReader(ctx, s.Name, s.opener(), s.From, s.To, s.To) // and nothing beyond the end
	if s.From < s.To {
		if err := raw.openNext(); err != nil { // what is wrong with the object shows here
			return nil, err
		}
	}
	body, err := s.decompress(raw)
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return body, nil
}

// decompress reads what raw, all of an object, was before it was compressed.
func (s Split) decompress(raw io.ReadCloser) (io.ReadCloser, error) {
	switch s.Compression {
	case Gzip:
		z, err := gzip.NewReader(raw)
		if err != nil {
			return nil, fmt.Errorf("splits: %s: %w", s.Name, err)
		}
		return &decompressed{name: s.Name, from: z, raw: raw}, nil
	case Zstd:
		z, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(zstdMemory))
		if err != nil {
			return nil, fmt.Errorf("splits: %s: %w", s.Name, err)
		}
		return &decompressed{name: s.Name, from: z, raw: raw, done: z.Close}, nil
	default:
		return raw, nil
	}
}

// decompressed is a decompressor with what it reads.
type decompressed struct {
	name string
	from io.Reader
	raw  io.Closer
	done func() // nil: nothing to end
}

func (d *decompressed) Read(p []byte) (int, error) {
	n, err := d.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("splits: %s: %w", d.name, err)
	}
	return n, err //nolint:wrapcheck // it is io.EOF
}

func (d *decompressed) Close() error {
	if d.done != nil {
		d.done()
	}
	return d.raw.Close()
}
