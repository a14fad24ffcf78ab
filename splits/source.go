package splits

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/lambdapool/lambdapool/driver"
)

// A source is an object that is to be cut.
type source struct {
	whole Split // all of it, without a compression

	// head returns the first bytes, at least magicSize of them if there are so many.
	head func(ctx context.Context) ([]byte, error)

	// sign makes the link to the object anew; nil: it has none, or one that does not end.
	sign   func(ctx context.Context) (driver.Link, error)
	signed time.Time // when that was done last
}

// link returns the object's link. One that has passed half of its life is made anew: whoever takes
// splits slowly, as a stream does, may take longer for a large object than a link lives.
func (o *source) link(ctx context.Context) (driver.Link, error) {
	life := LinkLife
	if !o.whole.Link.Expires.IsZero() {
		life = min(life, o.whole.Link.Expires.Sub(o.signed))
	}
	if o.sign == nil || time.Since(o.signed) < life/2 {
		return o.whole.Link, nil
	}
	fresh, err := o.sign(ctx)
	if err != nil {
		return fresh, fmt.Errorf("splits: %s: %w", o.whole.Name, err)
	}
	o.whole.Link, o.signed = fresh, time.Now()
	return fresh, nil
}

// cutAll yields the splits of what objects yields, which has the options applied.
func cutAll(ctx context.Context, c *cut, objects iter.Seq2[source, error]) iter.Seq2[Split, error] {
	return func(yield func(Split, error) bool) {
		left := c.most
		for o, err := range objects {
			if err != nil {
				if !yield(Split{}, err) {
					return
				}
				continue
			}
			for s, err := range c.parts(ctx, o) {
				if !yield(s, err) {
					return
				}
				if err != nil {
					break
				}
				if left--; left == 0 {
					return
				}
			}
		}
	}
}

// parts yields the splits of an object. An error is the last.
func (c *cut) parts(ctx context.Context, o source) iter.Seq2[Split, error] {
	return func(yield func(Split, error) bool) {
		s := o.whole
		s.From, s.To, s.Plain = 0, s.Size, c.plain
		s.Compression = compression(s.Name)
		if s.Compression == None && s.Size > 0 {
			// The name does not say it. One short request for each object is little beside reading it.
			head, err := o.head(ctx)
			if err != nil {
				yield(Split{}, fmt.Errorf("splits: %s: %w", s.Name, err))
				return
			}
			s.Compression = detect(head)
		}
		n := int64(1)
		if s.Compression == None && !c.whole && (c.plain || !quoted(s.Name)) {
			n = max(1, (s.Size+c.size-1)/c.size)
		}
		for i := range n {
			link, err := o.link(ctx)
			if err != nil {
				yield(Split{}, err)
				return
			}
			part := s
			part.Link, part.From, part.To = link, share(s.Size, i, n), share(s.Size, i+1, n)
			if !yield(part, nil) {
				return
			}
		}
	}
}

// share is where the i-th of n nearly equal parts of size bytes begins.
func share(size, i, n int64) int64 {
	each, rest := size/n, size%n
	return each*i + min(i, rest)
}

// magicSize is how many bytes tell how an object is compressed.
const magicSize = 4

// detect tells by the first bytes how an object is compressed.
func detect(head []byte) Compression {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b, 0x08}): // RFC 1952, 2.3: ID1, ID2, deflate
		return Gzip
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}): // RFC 8878, 3.1.1: Magic_Number
		return Zstd
	default:
		return None
	}
}

// Collect returns all splits of a source, or its first error. It is for Map, which takes a slice. A
// split takes some hundred bytes, so a terabyte in splits of 64 MB takes a few megabytes.
func Collect(source iter.Seq2[Split, error]) ([]Split, error) {
	var all []Split
	for s, err := range source {
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// failing is a source that has nothing but an error.
func failing(err error) iter.Seq2[Split, error] {
	return func(yield func(Split, error) bool) { yield(Split{}, err) }
}
