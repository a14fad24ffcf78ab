package awslambda

import (
	"bytes"
	"io"
	"sync"
)

// A body is one request's payload, as a reader that can be opened again when
// the transport finds, before it has written anything, that its connection is
// gone.
//
// The transport may go on reading a body for a moment after it has given up,
// but the payload belongs to the caller again when Invoke returns. A payload
// that fits the write buffer is copied: net/http sends headers and body in one
// write only if it sees a plain bytes.Reader. A larger one is not copied, as
// it takes several writes anyway; there wait waits for the last reader.
type body struct {
	payload []byte
	copied  bool
	readers sync.WaitGroup
}

// newBody copies whatever the size for a client that may never close what it reads.
func newBody(payload []byte, foreign bool) *body {
	if foreign || len(payload) <= maxBuffer {
		return &body{payload: bytes.Clone(payload), copied: true}
	}
	return &body{payload: payload}
}

func (b *body) open() io.ReadCloser {
	if b.copied {
		return io.NopCloser(bytes.NewReader(b.payload))
	}
	b.readers.Add(1)
	r := &reader{done: b.readers.Done}
	r.Reset(b.payload)
	return r
}

func (b *body) reopen() (io.ReadCloser, error) { return b.open(), nil }

// wait returns when no reader is open any more.
func (b *body) wait() { b.readers.Wait() }

type reader struct {
	bytes.Reader
	once sync.Once
	done func()
}

func (r *reader) Close() error {
	r.once.Do(r.done)
	return nil
}
