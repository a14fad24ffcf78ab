package logs

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/lambdapool/lambdapool/internal/legible"
)

// tailSize is how much of the log X-Amz-Log-Result carries:
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_ResponseElements
const tailSize = 4096

// maxLine is where a line without an end is cut for the log output.
const maxLine = 64 << 10

// A Collector collects what one agent writes: its last bytes for the log tail of the
// running invocation, its lines for the backend's log output.
type Collector struct {
	pipe *pipe
	to   To

	mu   sync.Mutex
	tail []byte // at most 2*tailSize
	line []byte // the beginning of a line that has not ended
}

// To says where it goes what an agent writes.
type To struct {
	Out  *Output           // gets all lines
	Mark string            // begins the lines for Out, which are escaped then; "": they stay as they are
	Sink func(line []byte) // if any, gets whole lines, the platform's own too
	Head []byte            // what the first log tail begins with
}

// Collect collects what is written to the pipe that file reads, once Follow is called.
func Collect(file *os.File, to To) (*Collector, error) {
	l := &Collector{to: to, tail: to.Head}
	var err error
	l.pipe, err = newPipe(file, l.write)
	return l, err
}

// Follow blocks until nobody can write any more.
func (l *Collector) Follow() { l.pipe.follow() }

// Drain takes in what has been written so far.
func (l *Collector) Drain() { l.pipe.drain() }

// Say adds a line as if the agent had printed it.
func (l *Collector) Say(line string) { l.write([]byte(line + "\n")) }

// write takes a piece of the agent's output.
func (l *Collector) write(p []byte) {
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
func (l *Collector) deliver(lines []byte) {
	if l.to.Mark != "" {
		l.to.Out.lines(legible.Marked(l.to.Mark, lines))
	} else {
		l.to.Out.lines(lines)
	}
	if l.to.Sink == nil {
		return
	}
	for line := range bytes.Lines(lines) {
		l.to.Sink(line)
	}
}

// keep appends to the tail.
func (l *Collector) keep(p []byte) {
	p = p[max(0, len(p)-tailSize):]
	if len(l.tail)+len(p) > 2*tailSize {
		l.tail = append(l.tail[:0], l.tail[len(l.tail)-tailSize:]...)
	}
	l.tail = append(l.tail, p...)
}

// Notef adds a line of the platform's own. The log output does not get those.
func (l *Collector) Notef(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.tail) > 0 && l.tail[len(l.tail)-1] != '\n' {
		l.keep([]byte{'\n'})
	}
	line := fmt.Appendf(nil, format+"\n", args...)
	l.keep(line)
	if l.to.Sink == nil {
		return
	}
	if len(l.line) > 0 { // it came first
		l.deliver(l.line)
		l.line = l.line[:0]
	}
	l.to.Sink(line)
}

// Cut returns the log tail and begins a new one.
func (l *Collector) Cut() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	tail := bytes.Clone(l.tail[max(0, len(l.tail)-tailSize):])
	l.tail = l.tail[:0]
	return tail
}

// Close hands out what is left. The agent is gone.
func (l *Collector) Close() {
	l.pipe.drain()
	l.pipe.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.line) > 0 {
		l.deliver(l.line)
		l.line = nil
	}
}

// An Output keeps the lines of several agents apart.
type Output struct {
	mu sync.Mutex
	w  io.Writer
}

// NewOutput makes one that writes to w.
func NewOutput(w io.Writer) *Output { return &Output{w: w} }

// lines writes p and ends its last line.
func (w *Output) lines(p []byte) {
	if p[len(p)-1] != '\n' {
		p = append(bytes.Clone(p), '\n')
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = w.w.Write(p) // its trouble is not the function's
}
