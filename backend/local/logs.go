package local

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
)

// tailSize is how much of the log X-Amz-Log-Result carries:
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_ResponseElements
const tailSize = 4096

// maxLine is where a line without an end is cut for the log output.
const maxLine = 64 << 10

// logs collects what one agent writes: its last bytes for the log tail of the
// running invocation, its lines for the backend's log output.
type logs struct {
	pipe *pipe
	out  *lockedWriter
	sink func(line []byte) // if any, gets whole lines, the platform's own too

	mu   sync.Mutex
	tail []byte // at most 2*tailSize
	line []byte // the beginning of a line that has not ended
}

func newLogs(file *os.File, out *lockedWriter, sink func([]byte)) (*logs, error) {
	l := &logs{out: out, sink: sink}
	var err error
	l.pipe, err = newPipe(file, l.write)
	return l, err
}

// write takes a piece of the agent's output.
func (l *logs) write(p []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep(p)
	end := bytes.LastIndexByte(p, '\n') + 1
	if end == 0 && len(l.line)+len(p) < maxLine {
		l.line = append(l.line, p...)
		return
	}
	if end == 0 {
		end = len(p)
	}
	l.deliver(append(l.line, p[:end]...))
	l.line = append(l.line[:0], p[end:]...)
}

// deliver hands out lines.
func (l *logs) deliver(lines []byte) {
	l.out.lines(lines)
	if l.sink == nil {
		return
	}
	for line := range bytes.Lines(lines) {
		l.sink(line)
	}
}

// keep appends to the tail.
func (l *logs) keep(p []byte) {
	p = p[max(0, len(p)-tailSize):]
	if len(l.tail)+len(p) > 2*tailSize {
		l.tail = append(l.tail[:0], l.tail[len(l.tail)-tailSize:]...)
	}
	l.tail = append(l.tail, p...)
}

// notef adds a line of the platform's own. The log output does not get those.
func (l *logs) notef(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.tail) > 0 && l.tail[len(l.tail)-1] != '\n' {
		l.keep([]byte{'\n'})
	}
	line := fmt.Appendf(nil, format+"\n", args...)
	l.keep(line)
	if l.sink == nil {
		return
	}
	if len(l.line) > 0 { // it came first
		l.deliver(l.line)
		l.line = l.line[:0]
	}
	l.sink(line)
}

// cut returns the log tail and begins a new one.
func (l *logs) cut() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	tail := bytes.Clone(l.tail[max(0, len(l.tail)-tailSize):])
	l.tail = l.tail[:0]
	return tail
}

// close hands out what is left. The agent is gone.
func (l *logs) close() {
	l.pipe.drain()
	l.pipe.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.line) > 0 {
		l.deliver(l.line)
		l.line = nil
	}
}

// A lockedWriter keeps the lines of several agents apart.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// lines writes p and ends its last line.
func (w *lockedWriter) lines(p []byte) {
	if p[len(p)-1] != '\n' {
		p = append(bytes.Clone(p), '\n')
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = w.w.Write(p) // its trouble is not the function's
}
