package splits

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"
)

const (
	// readTries is how often the same byte is asked for until the read fails; what was read in
	// between counts as success.
	readTries = 6

	// firstBeyond is how much is asked for beyond the end of a split, to read its last record, and
	// twice as much each time that it was not enough.
	firstBeyond = 64 << 10
	mostBeyond  = 8 << 20
)

// readPause comes before the second try, and twice as much before each one after it. A variable for
// tests: their server breaks every other connection.
var readPause = 100 * time.Millisecond

// An opener opens a part of one version of an object.
type opener interface {
	// open returns the bytes [from, to). An error that wraps errFinal is not worth another try.
	open(ctx context.Context, from, to int64) (io.ReadCloser, error)
}

// errFinal is wrapped by errors that another try does not help against.
var errFinal = errors.New("final")

// A finalError is an errFinal that reads like what it wraps.
type finalError struct{ error }

func (e finalError) Unwrap() error        { return e.error }
func (e finalError) Is(target error) bool { return target == errFinal }

func final(err error) error { return finalError{err} }

// A rangeReader reads an object from pos on, up to soft in one request and beyond it in short
// ones. A request that breaks off is taken up where it did.
type rangeReader struct {
	ctx   context.Context //nolint:containedctx // of one read of a split, which ends before its caller returns
	name  string
	from  opener
	pos   int64
	soft  int64 // what is certainly wanted ends here
	size  int64
	more  int64 // to ask for beyond soft
	body  io.ReadCloser
	until int64 // where body ends
	tries int
}

func newRangeReader(ctx context.Context, name string, from opener, pos, soft, size int64) *rangeReader {
	return &rangeReader{ctx: ctx, name: name, from: from, pos: pos, soft: soft, size: size, more: firstBeyond}
}

func (r *rangeReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if err := r.ctx.Err(); err != nil {
			return 0, fmt.Errorf("splits: %s: %w", r.name, err)
		}
		if r.pos == r.size {
			return 0, io.EOF
		}
		if r.body == nil {
			if err := r.openNext(); err != nil {
				return 0, err
			}
		}
		n, err := r.body.Read(p[:min(int64(len(p)), r.until-r.pos)])
		r.pos += int64(n)
		if n > 0 {
			r.tries = 0
		}
		switch {
		case r.pos == r.until:
			r.closeBody()
		case err != nil:
			r.closeBody()
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			if n == 0 {
				if err := r.pause(err); err != nil {
					return 0, err
				}
			}
		}
		if n > 0 {
			return n, nil
		}
	}
}

// openNext asks for what comes next until it is given or cannot be.
func (r *rangeReader) openNext() error {
	r.until = r.soft
	if r.pos >= r.soft {
		r.until = min(r.pos+r.more, r.size)
		r.more = min(2*r.more, mostBeyond)
	}
	for {
		body, err := r.from.open(r.ctx, r.pos, r.until)
		if err == nil {
			r.body = body
			return nil
		}
		if err := r.pause(err); err != nil {
			return err
		}
	}
}

// pause waits before another try after err, or says that there is none.
func (r *rangeReader) pause(err error) error {
	r.tries++
	switch {
	case r.ctx.Err() != nil:
		return fmt.Errorf("splits: %s: %w", r.name, r.ctx.Err())
	case errors.Is(err, errFinal), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("splits: %s: %w", r.name, err)
	case r.tries == readTries:
		return fmt.Errorf("splits: %s: byte %d, tried %d times: %w", r.name, r.pos, r.tries, err)
	}
	timer := time.NewTimer(readPause << (r.tries - 1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-r.ctx.Done():
		return fmt.Errorf("splits: %s: %w", r.name, r.ctx.Err())
	}
}

func (r *rangeReader) closeBody() {
	if r.body != nil {
		_ = r.body.Close() // it was read: nothing is lost
		r.body = nil
	}
}

// Close ends the request that is open.
func (r *rangeReader) Close() error {
	r.closeBody()
	return nil
}
