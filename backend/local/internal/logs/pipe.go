//go:build linux || darwin

package logs

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
)

// A pipe is the read end of an agent's output. One goroutine follows it; drain
// may overtake that goroutine at any time, to be sure that nothing written so
// far is still on its way.
type pipe struct {
	file *os.File
	raw  syscall.RawConn

	mu   sync.Mutex // held from reading bytes until sink has them
	buf  []byte
	sink func([]byte)
}

func newPipe(file *os.File, sink func([]byte)) (*pipe, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &pipe{file: file, raw: raw, buf: make([]byte, 32<<10), sink: sink}, nil
}

// read moves what is there to the sink, and returns nil when there may be more,
// EAGAIN when there is nothing now, io.EOF when there will be nothing.
func (p *pipe) read(fd uintptr) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, err := syscall.Read(int(fd), p.buf)
	switch {
	case n > 0:
		p.sink(p.buf[:n])
		return nil
	case err == nil:
		return io.EOF
	case errors.Is(err, syscall.EINTR):
		return nil
	default:
		return err
	}
}

// follow blocks until all writers are gone or the pipe is closed.
func (p *pipe) follow() {
	var err error
	for err == nil {
		if closed := p.raw.Read(func(fd uintptr) bool {
			err = p.read(fd)
			return !errors.Is(err, syscall.EAGAIN)
		}); closed != nil {
			return
		}
	}
}

// drain moves everything that has been written so far to the sink.
func (p *pipe) drain() {
	_ = p.raw.Control(func(fd uintptr) { // an error means closed: nothing to read
		for range 64 { // an agent that never stops writing must not hold us
			if p.read(fd) != nil {
				return
			}
		}
	})
}

func (p *pipe) close() { _ = p.file.Close() }
