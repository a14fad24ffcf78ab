package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

const (
	lineSize = 100 // bytes, with the newline
	levels   = 16  // that lines have
	digits   = 12  // of a block's number
)

// block is what all inputs consist of, again and again: lines of a level each. The first begins with the block's number, the others with dashes.
var block = func() []byte {
	var all bytes.Buffer
	for i := range 640 {
		line := fmt.Sprintf("%s level=%02d ", bytes.Repeat([]byte("-"), digits), i%levels)
		all.WriteString(line)
		all.Write(bytes.Repeat([]byte("."), lineSize-1-len(line)))
		all.WriteByte('\n')
	}
	return all.Bytes()
}()

// A generated input is as long as it should be and takes no memory.
type generated struct{ size, at int64 }

func (g *generated) Read(p []byte) (int, error) {
	if g.at >= g.size {
		return 0, io.EOF
	}
	number, within := g.at/int64(len(block)), int(g.at%int64(len(block)))
	n := copy(p[:min(int64(len(p)), g.size-g.at)], block[within:])
	if within < digits {
		copy(p[:n], fmt.Sprintf("%0*d", digits, number)[within:])
	}
	g.at += int64(n)
	return n, nil
}

func (g *generated) Seek(offset int64, whence int) (int64, error) {
	g.at = offset + []int64{io.SeekStart: 0, io.SeekCurrent: g.at, io.SeekEnd: g.size}[whence]
	return g.at, nil
}

// A server serves inputs of any size, in ranges.
type server struct {
	*http.Server

	address string
}

func serve() (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is at once
	if err != nil {
		return nil, err
	}
	s := &server{&http.Server{Handler: http.HandlerFunc(answer), ReadHeaderTimeout: time.Minute}, l.Addr().String()}
	go func() { _ = s.Serve(l) }() // until Close
	return s, nil
}

// url leads to an input of so many bytes.
func (s *server) url(size int64) string { return fmt.Sprintf("http://%s/%d.txt", s.address, size) }

func answer(w http.ResponseWriter, r *http.Request) {
	var size int64
	if _, err := fmt.Sscanf(r.URL.Path, "/%d.txt", &size); err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%d"`, size))
	http.ServeContent(w, r, "input.txt", time.Time{}, &generated{size: size})
}

// A count is what was seen of an input.
type count struct {
	Lines  int64
	Blocks int64 // whose number was seen
	Sum    int64 // of these numbers
}

func (c *count) line(line []byte) error {
	if len(line) != lineSize-1 {
		return fmt.Errorf("a line of %d bytes", len(line)+1)
	}
	c.Lines++
	if line[0] == '-' {
		return nil
	}
	number, err := strconv.ParseInt(string(line[:digits]), 10, 64)
	c.Blocks++
	c.Sum += number
	return err
}

func (c *count) add(other count) {
	c.Lines += other.Lines
	c.Blocks += other.Blocks
	c.Sum += other.Sum
}

var errSeen = errors.New("not all lines were seen, each once")

// check says whether all of an input was seen.
func (c *count) check(size int64) error {
	blocks := (size + int64(len(block)) - 1) / int64(len(block))
	if want := (count{size / lineSize, blocks, blocks * (blocks - 1) / 2}); *c != want {
		return fmt.Errorf("%w: %+v, there are %+v", errSeen, *c, want)
	}
	return nil
}
