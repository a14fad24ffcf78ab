package splits

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
)

// MaxRecord is how long a record may be, in bytes. It bounds what a reader takes in memory when a
// file is not what it seems to be.
const MaxRecord = 64 << 20

// maxRecord is MaxRecord. A variable for tests.
var maxRecord = MaxRecord

// buffer is how much is read at once.
const buffer = 256 << 10

// Lines yields the lines that begin in the split, without their ends: LF, or CR and LF. The last
// line of an object needs no end. Empty lines are lines too. A line is good until the next one is
// asked for: copy what is to be kept.
//
// An error is the last that is yielded, with a nil line. It wraps what [Split.Open] may return, or
// [ErrTooLong]. What was yielded before it is right.
func (s Split) Lines(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		l, err := s.lines(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		defer l.close()
		for {
			line, err := l.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(line, err) || err != nil {
				return
			}
		}
	}
}

// A lineReader reads the lines that begin in a split.
type lineReader struct {
	split Split
	body  io.Closer
	from  *bufio.Reader
	at    int64 // of the object, where the next line begins; of a compressed one, of what it was
	end   int64 // a line that begins here is not the split's; -1: there is none
	long  []byte
}

// lines opens a split at the first line that begins in it.
func (s Split) lines(ctx context.Context) (*lineReader, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if s.whole() {
		body, err := s.Open(ctx)
		if err != nil {
			return nil, err
		}
		return &lineReader{split: s, body: body, from: bufio.NewReaderSize(body, buffer), end: -1}, nil
	}
	// The byte before the split tells whether a line begins with it.
	begin := max(0, s.From-1)
	raw := newRangeReader(ctx, s.Name, s.opener(), begin, s.To, s.Size)
	l := &lineReader{split: s, body: raw, from: bufio.NewReaderSize(raw, buffer), at: begin, end: s.To}
	if s.From == 0 || s.From == s.To {
		return l, nil
	}
	if err := l.skip(); err != nil && !errors.Is(err, io.EOF) {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *lineReader) close() { _ = l.body.Close() } // it was read: nothing is lost

// skip reads up to the next line, and not further than the split's end: a line that is longer than
// that is another split's.
func (l *lineReader) skip() error {
	for l.at < l.end {
		piece, err := l.from.ReadSlice('\n')
		l.at += int64(len(piece))
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
	return nil
}

// next returns the next line, or io.EOF.
func (l *lineReader) next() ([]byte, error) {
	if l.end >= 0 && l.at >= l.end {
		return nil, io.EOF
	}
	line, err := l.from.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = l.rest(line)
	}
	l.at += int64(len(line))
	switch {
	case errors.Is(err, io.EOF) && len(line) == 0:
		return nil, io.EOF
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	}
	line = bytes.TrimSuffix(line, []byte("\n"))
	if err == nil { // a CR without a LF ends nothing
		line = bytes.TrimSuffix(line, []byte("\r"))
	}
	return line, nil
}

// rest reads on in a line that is longer than the buffer.
func (l *lineReader) rest(begun []byte) ([]byte, error) {
	l.long = append(l.long[:0], begun...)
	for {
		piece, err := l.from.ReadSlice('\n')
		l.long = append(l.long, piece...)
		if len(l.long) > maxRecord {
			return nil, fmt.Errorf("splits: %s: byte %d: %w: more than %d bytes", l.split.Name, l.at, ErrTooLong, maxRecord)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return l.long, err
		}
	}
}

// JSONLines yields the values of a file with one JSON value in a line that begin in s. Blank lines
// are passed over. A value that cannot be decoded yields an error that tells where it is, and the
// next one follows: whether to go on is for the caller to say. Errors of reading end it, as in
// [Split.Lines].
func JSONLines[T any](ctx context.Context, s Split) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		l, err := s.lines(ctx)
		if err != nil {
			yield(zero, err)
			return
		}
		defer l.close()
		for {
			at := l.at
			line, err := l.next()
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(zero, err)
				return
			case len(bytes.TrimSpace(line)) == 0:
				continue
			}
			var value T
			if err := json.Unmarshal(line, &value); err != nil {
				if !yield(zero, fmt.Errorf("splits: %s: byte %d: %w", s.Name, at, err)) {
					return
				}
				continue
			}
			if !yield(value, nil) {
				return
			}
		}
	}
}

// CSV yields the rows that begin in the split, as encoding/csv reads them. comma is 0 for ",", and
// '\t' for files with tabs. Rows may have any number of fields. The first row of the first split is
// the file's first row, a heading if it has one. A row is its receiver's.
//
// A row that is not CSV yields an error, and so does one of reading; both end it. Quoted fields may
// hold newlines, so a file is not cut unless [PlainLines] says that it has none: then the split has
// to be made with it, otherwise the error is [ErrPartial].
func (s Split) CSV(ctx context.Context, comma rune) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		if !s.whole() && !s.Plain {
			yield(nil, fmt.Errorf("splits: %v: %w: quoted fields may hold newlines; make the splits with PlainLines, if none does, or with Whole", s, ErrPartial))
			return
		}
		l, err := s.lines(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		defer l.close()
		from := io.Reader(l.from)
		if l.end >= 0 {
			from = &rows{from: l}
		}
		r := csv.NewReader(from)
		r.FieldsPerRecord = -1
		if comma != 0 {
			r.Comma = comma
		}
		for {
			row, err := r.Read()
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(nil, fmt.Errorf("splits: %v: %w", s, err))
				return
			case !yield(row, nil):
				return
			}
		}
	}
}

// rows are the bytes of the lines that begin in a split.
type rows struct {
	from *lineReader
	left []byte
}

func (r *rows) Read(p []byte) (int, error) {
	if len(r.left) == 0 {
		line, err := r.from.next()
		if err != nil {
			return 0, err //nolint:wrapcheck // it names the split, or is io.EOF
		}
		r.left = append(append(r.left[:0], line...), '\n')
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}
