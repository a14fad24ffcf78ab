package splits

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
)

const (
	// DefaultSize is how large splits are unless [Size] says otherwise, in bytes: a second or two
	// of reading on a small function, so that starting an invocation costs little beside it.
	DefaultSize = 64 << 20

	// LinkLife is for how long links are asked for. A store may make shorter ones: no longer than
	// the credentials that sign them.
	LinkLife = 12 * time.Hour
)

// An Option says how inputs are cut.
type Option func(*cut) error

// cut is what the options say.
type cut struct {
	size  int64
	most  int
	match func(name string) bool
	whole bool
	plain bool
}

func settle(opts []Option) (*cut, error) {
	c := &cut{size: DefaultSize, match: func(string) bool { return true }}
	var failed []error
	for _, opt := range opts {
		if opt == nil {
			failed = append(failed, errors.New("an option is nil"))
			continue
		}
		if err := opt(c); err != nil {
			failed = append(failed, err)
		}
	}
	if err := errors.Join(failed...); err != nil {
		return nil, fmt.Errorf("splits: %w", err)
	}
	return c, nil
}

// Size makes splits of about n bytes; [DefaultSize] unless set. The splits of an object are
// nearly equal and at most n bytes long, so an object that is a little larger than n becomes two
// halves. Small objects are not put together: there is at least one split for each.
//
// Choose it by time: an item of a Map should take seconds, so that its invocation costs little
// beside it, and far less than the function's time limit.
func Size(n int64) Option {
	return func(c *cut) error {
		if n < 1 {
			return fmt.Errorf("Size(%d): at least 1 byte", n)
		}
		c.size = n
		return nil
	}
}

// AtMost ends a source after n splits: to try a program on a part of its inputs.
func AtMost(n int) Option {
	return func(c *cut) error {
		if n < 1 {
			return fmt.Errorf("AtMost(%d): at least 1 split", n)
		}
		c.most = n
		return nil
	}
}

// Match takes only objects whose name matches a pattern of [path.Match]. Without a slash the
// pattern is for the last part of the name: Match("*.csv"). Of several, one has to match.
func Match(patterns ...string) Option {
	return func(c *cut) error {
		for _, p := range patterns {
			if _, err := path.Match(p, ""); err != nil {
				return fmt.Errorf("Match(%q): %w", p, err)
			}
		}
		if len(patterns) == 0 {
			return errors.New("Match(): no pattern")
		}
		c.match = func(name string) bool {
			for _, p := range patterns {
				of := name
				if !strings.Contains(p, "/") {
					of = path.Base(name)
				}
				if ok, err := path.Match(p, of); ok && err == nil {
					return true
				}
			}
			return false
		}
		return nil
	}
}

// Whole makes one split of each object, whatever its size: for formats that have no lines, such as
// images, and for servers that serve no ranges.
func Whole() Option {
	return func(c *cut) error {
		c.whole = true
		return nil
	}
}

// PlainLines promises that in CSV files every newline ends a record: no quoted field holds one.
// Then names that end in .csv or .tsv are cut as others are. A file that breaks the promise is read
// wrongly, without an error where the quotes happen to fit.
func PlainLines() Option {
	return func(c *cut) error {
		c.plain = true
		return nil
	}
}

// compression tells by a name how an object is compressed.
func compression(name string) Compression {
	switch path.Ext(strings.ToLower(name)) {
	case ".gz", ".gzip", ".tgz":
		return Gzip
	case ".zst", ".zstd":
		return Zstd
	default:
		return None
	}
}

// quoted tells by a name whether an object's records may hold newlines.
func quoted(name string) bool {
	switch path.Ext(strings.ToLower(name)) {
	case ".csv", ".tsv":
		return true
	default:
		return false
	}
}
