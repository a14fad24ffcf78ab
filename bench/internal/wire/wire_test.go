package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// oneConn is a listener with one connection.
type oneConn struct {
	net.Listener
	conn net.Conn
}

func (l *oneConn) Accept() (net.Conn, error) { return l.conn, nil }
func (l *oneConn) Close() error              { return nil }

// overWire runs test with both ends of a connection over a wire of ten milliseconds.
func overWire(t *testing.T, test func(t *testing.T, near, far net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		near, conn := net.Pipe()
		w := New(&oneConn{conn: conn}, 10*time.Millisecond)
		far, err := w.Accept()
		if err != nil {
			t.Fatal(err)
		}
		test(t, near, far)
		if err := errors.Join(near.Close(), w.Close(), far.Close()); err != nil {
			t.Error(err)
		}
	})
}

// wantRead reads text from c and checks when it came.
func wantRead(t *testing.T, c net.Conn, text string, at time.Duration, since time.Time) {
	t.Helper()
	b := make([]byte, len(text))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != text {
		t.Fatalf("read %q, %v, want %q", b, err, text)
	}
	if got := time.Since(since); got != at {
		t.Errorf("%q came after %v, want %v", text, got, at)
	}
}

func TestWire(t *testing.T) {
	overWire(t, func(t *testing.T, near, far net.Conn) {
		const ms = time.Millisecond
		start := time.Now()
		write := func(c net.Conn, text string) {
			t.Helper()
			if _, err := io.WriteString(c, text); err != nil {
				t.Fatal(err)
			}
		}
		write(near, "hel")
		write(near, "lo")
		wantRead(t, far, "hello", 30*ms, start) // a round trip to open the connection, and the way
		write(far, "welcome")
		wantRead(t, near, "welcome", 40*ms, start)
		write(near, "first")
		time.Sleep(5 * ms)
		write(near, "second")
		wantRead(t, far, "first", 50*ms, start)
		wantRead(t, far, "second", 55*ms, start)
		if err := near.Close(); err != nil {
			t.Error(err)
		}
		if n, err := far.Read(make([]byte, 1)); err == nil || n > 0 || time.Since(start) != 65*ms {
			t.Errorf("after %v: %d bytes, %v; want the end after 65ms", time.Since(start), n, err)
		}
	})
}

func TestWireDeadline(t *testing.T) {
	overWire(t, func(t *testing.T, near, far net.Conn) {
		start := time.Now()
		b := make([]byte, 1)
		for _, in := range []time.Duration{time.Second, -time.Second} {
			if err := far.SetReadDeadline(time.Now().Add(in)); err != nil {
				t.Fatal(err)
			}
			if _, err := far.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
				t.Errorf("after %v: %v, want a deadline after 1s", time.Since(start), err)
			}
		}
		if err := far.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if err := far.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		start = time.Now()
		if _, err := io.WriteString(near, "x"); err != nil {
			t.Fatal(err)
		}
		wantRead(t, far, "x", 30*time.Millisecond, start)
	})
}
