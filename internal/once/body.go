package once

import (
	"bytes"
	"io"
	"sync"
)

// A Body is one request's payload, as a reader that can be opened again when
// the transport finds, before it has written anything, that its connection is
// gone.
//
// The transport may go on reading a body for a moment after it has given up,
// but the payload belongs to the caller again when the attempt returns. A payload
// that fits the write buffer is copied: net/http sends headers and body in one
// write only if it sees a plain bytes.Reader. A larger one is not copied, as
// it takes several writes anyway; there Wait waits for the last reader.
//
// Its zero value is empty: [Body.Take] comes first. It serves one request.
type Body struct {
	payload []byte
	copied  bool
	opened  bool
	first   bytes.Reader // of a copy; there seldom is another one
	readers sync.WaitGroup
}

// Take has b be of payload, which must not be changed until [Body.Wait] has returned.
// foreign is for a transport that may never close what it reads: then the payload is copied
// whatever its size, and Wait does not wait.
func (b *Body) Take(payload []byte, foreign bool) {
	if b.copied = foreign || len(payload) <= maxBuffer; b.copied {
		payload = bytes.Clone(payload)
	}
	b.payload = payload
}

// Open returns a reader of the payload from its beginning. The transport opens one after
// the other.
func (b *Body) Open() io.ReadCloser {
	if b.copied {
		r := &b.first
		if b.opened {
			r = new(bytes.Reader) // the first one may still be read
		}
		b.opened = true
		r.Reset(b.payload)
		return io.NopCloser(r)
	}
	b.readers.Add(1)
	r := &reader{done: b.readers.Done}
	r.Reset(b.payload)
	return r
}

// Reopen is Open as http.Request.GetBody wants it.
func (b *Body) Reopen() (io.ReadCloser, error) { return b.Open(), nil }

// Wait returns when no reader is open any more: the payload is the caller's again. Call it
// after the round trip, whatever that returned.
func (b *Body) Wait() { b.readers.Wait() }

type reader struct {
	bytes.Reader
	once sync.Once
	done func()
}

func (r *reader) Close() error {
	r.once.Do(r.done)
	return nil
}
