package splits

import (
	"errors"
	"fmt"

	"github.com/lambdapool/lambdapool/driver"
)

// A Split is a part of an object. It is a value: pass it as an argument, store it, compare what it
// names. Its Link is a credential for reading one object, and prints without its secret.
//
// The methods that read may be called as often as one likes, also at the same time; each reads the
// bytes anew. They return when their context ends.
type Split struct {
	Name string `msgpack:"n"` // of the object, for people: its key, path or URL

	// The bytes [From, To) of the Size bytes of the object. Records that begin among them are
	// the split's.
	From int64 `msgpack:"f,omitempty"`
	To   int64 `msgpack:"t"`
	Size int64 `msgpack:"s"`

	// Version changes with what is in the object: an ETag, or a file's time. "" is not known:
	// then a change is noticed only by the object's size.
	Version string `msgpack:"v,omitempty"`

	Link driver.Link `msgpack:"l,omitempty"` // where the object can be read; without a URL: at Path
	Path string      `msgpack:"p,omitempty"` // of a file that whoever reads sees too: see docs/security.md

	Plain bool `msgpack:"x,omitempty"` // [PlainLines]: every newline ends a record

	// Compression says how the object is compressed.
	Compression Compression `msgpack:"c,omitempty"`
}

// A Compression is how an object is compressed as a whole. Its splits are decompressed while they are
// read.
type Compression uint8

const (
	// None: the bytes are as they are.
	None Compression = iota
	// Gzip is RFC 1952's, of one or several members.
	Gzip
	// Zstd is RFC 8878's, of one or several frames.
	Zstd
)

// String returns "none", "gzip" or "zstd".
func (c Compression) String() string {
	switch c {
	case None:
		return "none"
	case Gzip:
		return "gzip"
	case Zstd:
		return "zstd"
	default:
		return fmt.Sprintf("Compression(%d)", uint8(c))
	}
}

var (
	// ErrChanged is wrapped when an object is not the one any more that the split was made of:
	// replaced, shortened or extended. Make the splits anew.
	ErrChanged = errors.New("the object has changed since the split was made")

	// ErrNoRanges is wrapped when a server sends the whole object where a part was asked for.
	// Make one split of each object: [Whole].
	ErrNoRanges = errors.New("the server does not serve parts of objects")

	// ErrTooLong is wrapped when a record is longer than [MaxRecord].
	ErrTooLong = errors.New("record too long")

	// ErrPartial is wrapped by [Split.CSV] when quoted newlines may make it impossible to find
	// where records begin. See [PlainLines].
	ErrPartial = errors.New("a part of the file cannot be read by itself")
)

// String returns the name and the bytes, such as "logs/a.txt[0:67108864]".
func (s Split) String() string { return fmt.Sprintf("%s[%d:%d]", s.Name, s.From, s.To) }

// whole reports whether s is all of its object.
func (s Split) whole() bool { return s.From == 0 && s.To == s.Size }

// check says what is wrong with a split that was not made by this package, or was damaged.
func (s Split) check() error {
	switch {
	case s.From < 0 || s.To < s.From || s.Size < s.To:
		return fmt.Errorf("splits: %v: not a part of %d bytes", s, s.Size)
	case s.Compression > Zstd:
		return fmt.Errorf("splits: %v: compressed in a way that this program does not know: %v", s, s.Compression)
	case s.Compression != None && !s.whole():
		return fmt.Errorf("splits: %v: a part of a compressed object cannot be read", s)
	case (s.Path == "") == (s.Link.URL == ""):
		return fmt.Errorf("splits: %v: it needs a Path or a Link, and not both", s)
	default:
		return nil
	}
}
