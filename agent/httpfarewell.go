//go:build !lambdapool.nohttp

package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool/internal/httpwire"
)

// This file has no connection close without a word. HTTP/1.1 lets a server close one that is idle, but
// at that moment a request may be on its way: its client sees a connection that is lost, and must take
// the outcome for unknown. Here every such close says first that nothing ran. A request that met it
// finds its answer; a client that has sent nothing takes it for the end of the connection.

// farewell is an answer to whatever comes on the connection, or is on its way.
var farewell = func() []byte {
	const why = "the agent closes this connection and runs nothing that comes on it\n"
	return fmt.Appendf(nil, "HTTP/1.1 503 Service Unavailable\r\n%s: %s\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s",
		httpwire.Mark, httpwire.MarkValue, len(why), why)
}()

// traffic is what goes on at the connections of a server.
type traffic struct {
	asked     atomic.Int64 // connections that came, and requests that were refused since the agent ends
	answering atomic.Int64 // connections on which an answer is due, or on its way
	leaving   atomic.Int64 // connections that have been said farewell, and are still open
}

// busy reports whether somebody has asked since it was called with what it returned then, or waits for
// an answer.
func (t *traffic) busy(since int64) (now int64, busy bool) {
	now = t.asked.Load()
	return now, now != since || t.answering.Load() > 0
}

// hooks has the server tell of its connections.
func (t *traffic) hooks(server *http.Server) {
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	server.ConnState = func(c net.Conn, state http.ConnState) {
		if c, ok := c.(*politeConn); ok && (state == http.StateIdle || state == http.StateClosed) {
			c.answered()
		}
	}
}

// connKey is where a request's context has its connection.
type connKey struct{}

// begun notes that a request has arrived.
func (t *traffic) begun(r *http.Request) {
	if c, ok := r.Context().Value(connKey{}).(*politeConn); ok && !c.answering.Swap(true) {
		t.answering.Add(1)
	}
}

// A politeListener accepts connections that do not close without a word.
type politeListener struct {
	net.Listener

	traffic *traffic
}

// Accept counts whoever comes, so that an agent which ends waits until nobody does.
func (l *politeListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.traffic.asked.Add(1)
	return &politeConn{Conn: c, traffic: l.traffic}, nil
}

// A politeConn says farewell when it is closed and no request is being answered.
type politeConn struct {
	net.Conn

	traffic   *traffic
	answering atomic.Bool
	gone      atomic.Bool // the client has closed it, or it is broken

	mu      sync.Mutex
	leaving *time.Timer // closes the connection, which has been said farewell
	closed  bool
}

// Read notices that the client is gone, to whom no farewell is due.
func (c *politeConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.gone.Store(true)
	}
	return n, err
}

// answered notes that nothing is due to the client.
func (c *politeConn) answered() {
	if c.answering.Swap(false) {
		c.traffic.answering.Add(-1)
	}
}

// Close says farewell and leaves the connection open for the client to close it: one that is closed
// with something unread is reset, and what the client has not read yet may be gone. The server's
// goroutine reads on until then, and refuses what comes; its own Close is the last one.
func (c *politeConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaving == nil && !c.closed && !c.gone.Load() && !c.answering.Load() {
		c.traffic.leaving.Add(1)
		_ = c.SetWriteDeadline(time.Now().Add(calm))
		_, _ = c.Write(farewell)
		_ = c.CloseWrite()
		c.leaving = time.AfterFunc(calm, func() { _ = c.Close() })
		return nil
	}
	if c.closed {
		return net.ErrClosed
	}
	c.closed = true
	if c.leaving != nil {
		c.leaving.Stop()
		c.traffic.leaving.Add(-1)
	}
	return c.Conn.Close()
}

// CloseWrite ends what this side says.
func (c *politeConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
