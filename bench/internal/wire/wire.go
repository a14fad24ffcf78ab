// Package wire makes servers of this machine as far away as those of a network: what benchmarks of connections run over.
package wire

import (
	"net"
	"os"
	"sync"
	"time"
)

// A wire is a listener whose connections lead far away: every byte takes delay to get
// here, and delay to get back. Any number of them may be under way.
//
// The kernel has opened a connection before anyone here sees it, so what the client
// sends first is kept for the round trip that opening would have taken.
type wire struct {
	net.Listener
	line, opening *line
}

// New returns a listener whose connections are those of l, over a wire: delay there, and delay back. Close it.
func New(l net.Listener, delay time.Duration) net.Listener {
	return &wire{l, newLine(delay), newLine(3 * delay)}
}

func (w *wire) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	far := &farConn{Conn: c, wire: w}
	far.arrived.L = &far.mu
	go far.receive()
	return far, nil
}

// Close also ends what takes things there and back: from now on they arrive at once.
func (w *wire) Close() error {
	w.line.close()
	w.opening.close()
	return w.Listener.Close()
}

// A line is what takes a certain time. One goroutine serves everything on it: what was
// sent first arrives first.
type line struct {
	delay time.Duration
	more  chan struct{}

	mu     sync.Mutex
	way    []parcel
	closed bool
}

// A parcel is on its way.
type parcel struct {
	due    time.Time
	arrive func()
}

func newLine(delay time.Duration) *line {
	l := &line{delay: delay, more: make(chan struct{}, 1)}
	go l.deliver()
	return l
}

func (l *line) send(arrive func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		arrive()
		return
	}
	l.way = append(l.way, parcel{time.Now().Add(l.delay), arrive})
	select {
	case l.more <- struct{}{}:
	default:
	}
}

func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	close(l.more)
}

func (l *line) deliver() {
	var parcels []parcel
	for range l.more {
		l.mu.Lock()
		parcels, l.way = l.way, parcels[:0]
		l.mu.Unlock()
		for i, p := range parcels {
			if left := time.Until(p.due); left > 0 {
				<-time.After(left)
			}
			p.arrive()
			parcels[i] = parcel{}
		}
	}
}

// A farConn is the near end of a connection over a wire.
type farConn struct {
	net.Conn
	wire *wire

	mu       sync.Mutex
	arrived  sync.Cond
	in       []byte
	err      error // after in
	answered bool  // something was written: the connection is open
	late     bool  // the read deadline has passed
	deadline *time.Timer
}

// receive takes what the client sends.
func (c *farConn) receive() {
	b := make([]byte, 16<<10)
	for {
		n, err := c.Conn.Read(b)
		data := append([]byte(nil), b[:n]...)
		c.mu.Lock()
		line := c.wire.line
		if !c.answered {
			line = c.wire.opening
		}
		c.mu.Unlock()
		line.send(func() {
			c.mu.Lock()
			c.in, c.err = append(c.in, data...), err
			c.mu.Unlock()
			c.arrived.Broadcast()
		})
		if err != nil {
			return
		}
	}
}

func (c *farConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.in) == 0 && c.err == nil && !c.late {
		c.arrived.Wait()
	}
	switch {
	case c.late:
		return 0, os.ErrDeadlineExceeded
	case len(c.in) == 0:
		return 0, c.err
	}
	n := copy(p, c.in)
	c.in = append(c.in[:0], c.in[n:]...)
	return n, nil
}

func (c *farConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.answered = true
	c.mu.Unlock()
	data := append([]byte(nil), p...)
	c.wire.line.send(func() { _, _ = c.Conn.Write(data) }) // a client that has gone needs no answer
	return len(p), nil
}

// Close lets what was written arrive first.
func (c *farConn) Close() error {
	c.wire.line.send(func() { _ = c.Conn.Close() })
	c.mu.Lock()
	c.in, c.err = nil, net.ErrClosed
	c.mu.Unlock()
	c.arrived.Broadcast()
	return nil
}

func (c *farConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.deadline != nil {
		c.deadline.Stop()
	}
	c.deadline, c.late = nil, !t.IsZero() && time.Until(t) <= 0
	if c.late {
		c.arrived.Broadcast()
	} else if !t.IsZero() {
		var timer *time.Timer
		timer = time.AfterFunc(time.Until(t), func() {
			c.mu.Lock()
			c.late = c.late || c.deadline == timer
			c.mu.Unlock()
			c.arrived.Broadcast()
		})
		c.deadline = timer
	}
	return nil
}

func (c *farConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) } // writes never wait

func (c *farConn) SetWriteDeadline(time.Time) error { return nil }
