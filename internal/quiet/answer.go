package quiet

import (
	"bytes"
	"strconv"
)

// An answer follows where an HTTP/1.1 response ends. It believes what it reads: whether that is
// right is the transport's to judge. It is fed bytes as they come, in pieces of any size, and
// keeps a line at most.
type answer struct {
	place  place
	method string
	line   []byte // being read
	left   int64  // bytes of the body, or of the chunk

	// Of the head.
	status  int
	length  int64 // -1: not said
	chunked bool
	lines   int
	read    int // bytes
}

// A place is where in an answer the next byte lies.
type place uint8

// The places. An answer goes from head over body, or over chunks, back to idle. open is never left:
// from there on nothing is followed, and everything passes.
const (
	idle      place = iota // nothing is asked
	head                   // before the end of the header
	body                   // left bytes follow
	chunkSize              // the line before a chunk
	chunk                  // left bytes follow
	chunkEnd               // the line after a chunk
	trailer                // lines up to an empty one
	open                   // all that comes
)

// maxHead is more than the transport accepts.
const maxHead = 16 << 20

// asked notes that bytes of a request are sent. The method is all that is read of them: an answer
// to HEAD has no body, whatever its header says.
func (a *answer) asked(p []byte) {
	if a.place != idle || len(p) == 0 {
		return
	}
	method, _, _ := bytes.Cut(p[:min(len(p), 16)], []byte{' '})
	a.method = string(method)
	a.begin()
}

// begin waits for the header of an answer.
func (a *answer) begin() {
	a.place, a.line, a.lines, a.read = head, a.line[:0], 0, 0
	a.status, a.length, a.chunked = 0, -1, false
}

// take returns how many of the bytes belong to the answer. What is left came unasked.
func (a *answer) take(p []byte) int {
	for at := 0; at < len(p); {
		switch a.place {
		case idle:
			return at
		case open:
			return len(p)
		case body, chunk:
			n := min(int64(len(p)-at), a.left)
			at += int(n)
			if a.left -= n; a.left > 0 {
				break
			}
			if a.place == body {
				a.place = idle
			} else {
				a.place = chunkEnd
			}
		default:
			n := bytes.IndexByte(p[at:], '\n')
			if n < 0 {
				a.keep(p[at:])
				return len(p)
			}
			a.keep(p[at : at+n])
			at += n + 1
			a.ended(bytes.TrimRight(a.line, "\r"))
			a.line = a.line[:0]
		}
	}
	return len(p)
}

// keep adds to the line that is being read. A line without an end would fill the memory: from
// maxHead on the transport is left to refuse it.
func (a *answer) keep(p []byte) {
	if a.read += len(p); a.read > maxHead {
		a.place = open
		return
	}
	a.line = append(a.line, p...)
}

// ended takes a line.
func (a *answer) ended(line []byte) {
	switch a.place {
	case head:
		if a.lines++; len(line) == 0 {
			a.headed()
		} else {
			a.field(line)
		}
	case chunkSize:
		size, _, _ := bytes.Cut(line, []byte{';'})
		n, err := strconv.ParseInt(string(bytes.TrimSpace(size)), 16, 64)
		switch {
		case err != nil || n < 0:
			a.place = open
		case n == 0:
			a.place, a.read = trailer, 0
		default:
			a.place, a.left = chunk, n
		}
	case chunkEnd:
		a.place, a.read = chunkSize, 0
	case trailer:
		if len(line) == 0 {
			a.place = idle
		}
	default: // the line was too long
	}
}

// field takes a line of the header that says where the answer ends.
func (a *answer) field(line []byte) {
	if a.lines == 1 {
		if _, rest, ok := bytes.Cut(line, []byte{' '}); ok && len(rest) >= 3 {
			a.status, _ = strconv.Atoi(string(rest[:3]))
		}
		return
	}
	name, value, _ := bytes.Cut(line, []byte{':'})
	switch value = bytes.TrimSpace(value); {
	case bytes.EqualFold(name, []byte("Content-Length")):
		if n, err := strconv.ParseInt(string(value), 10, 64); err == nil && n >= 0 {
			a.length = n
		}
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		a.chunked = bytes.EqualFold(value, []byte("chunked"))
	}
}

// headed decides what follows the header, by the rules of RFC 9112, section 6.3.
func (a *answer) headed() {
	switch {
	case a.status == 101 || a.method == "CONNECT" && a.status/100 == 2:
		a.place = open // something that is not HTTP
	case a.status/100 == 1:
		a.begin() // the answer is still to come
	case a.method == "HEAD" || a.status == 204 || a.status == 304:
		a.place = idle
	case a.chunked:
		a.place, a.read = chunkSize, 0
	case a.length == 0:
		a.place = idle
	case a.length > 0:
		a.place, a.left = body, a.length
	default:
		a.place = open // up to the end of the connection
	}
}
