// Package quiet keeps what a server sends unasked out of the program's standard logger.
// net/http's transport prints such bytes by log.Printf, up to a buffer full, and no setting
// says otherwise. They may be a part of somebody's result: of a reply that is longer than its
// Content-Length, or of a late one. Worse, a request that is just being sent on the connection
// would take them for its answer.
//
// So each connection follows where an answer ends, as HTTP/1.1 has it. What comes after that,
// and before the next request, is dropped, and the connection is at its end: reading says EOF,
// writing fails before a byte leaves. A request that meets this was certainly not sent, and the
// transport takes another connection.
//
// # What must stay true
//
// Bytes of an answer pass unchanged. What cannot be followed (an upgrade, an answer without a
// length, a line that is too long) passes, too: the package never judges an answer, and in
// doubt it is as if it were not there. One request is in flight per connection, as HTTP/1.1
// without pipelining has it.
package quiet

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
)

// Transport has connections of t, which must speak HTTP/1.1 only, end where a server sends what
// belongs to no answer. Call it once, when t is set up, after everything that sets its dialers.
// TLS through a proxy is left as it is: t encrypts there what it has dialed. So is a t with the
// old Dial or DialTLS.
func Transport(t *http.Transport) {
	dial := t.DialContext
	if dial == nil {
		if t.Dial != nil { //nolint:staticcheck // somebody may have set it
			return
		}
		dial = new(net.Dialer).DialContext
	}
	t.DialContext = wrap(dial)
	if t.DialTLSContext != nil {
		t.DialTLSContext = wrap(t.DialTLSContext)
	} else if t.DialTLS == nil { //nolint:staticcheck // somebody may have set it
		t.DialTLSContext = wrap(func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialTLS(ctx, t, dial, network, address)
		})
	}
}

// A dialer is what a transport makes connections with.
type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// wrap has the connections of dial followed.
func wrap(dial dialer) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &conn{Conn: c}, nil
	}
}

// errHandshake is what net/http calls it, too.
var errHandshake = errors.New("TLS handshake timeout")

// dialTLS dials as t would: the same configuration, the same time for the handshake, the same
// reports to a trace. It is needed because t would encrypt above our connection.
func dialTLS(ctx context.Context, t *http.Transport, dial dialer, network, address string) (net.Conn, error) {
	plain, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	cfg := t.TLSClientConfig.Clone()
	if cfg == nil {
		cfg = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if cfg.ServerName == "" {
		if cfg.ServerName, _, err = net.SplitHostPort(address); err != nil {
			cfg.ServerName = address
		}
	}
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	if t.TLSHandshakeTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, t.TLSHandshakeTimeout, errHandshake)
		defer cancel()
	}
	c := tls.Client(plain, cfg)
	err = c.HandshakeContext(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errHandshake) {
		err = errHandshake
	}
	if trace != nil && trace.TLSHandshakeDone != nil {
		trace.TLSHandshakeDone(c.ConnectionState(), err)
	}
	if err != nil {
		_ = plain.Close()
		return nil, err
	}
	return c, nil
}

// A conn delivers answers, and nothing else. Once over is set it stays so. It follows one request
// at a time, by what is written and what is read, so it needs no knowledge of the transport above.
type conn struct {
	net.Conn

	mu     sync.Mutex
	answer answer
	over   bool // something came that belongs to no answer
	writes int  // that were begun
}

// errOver is of a request that met the end of its connection: nothing of it was sent.
var errOver = errors.New("the server has ended the connection")

// Write is refused when something came that belongs to no answer. The lock is not held while
// writing, which may block.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return 0, errOver
	}
	c.writes++
	c.answer.asked(p)
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// Writes returns how many writes have begun so far. Package once asks for it.
func (c *conn) Writes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes
}

// Read returns what belongs to an answer. What does not is erased from p, where it would stay
// in the transport's buffer.
func (c *conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	over := c.over
	c.mu.Unlock()
	if over {
		return 0, io.EOF
	}
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	wanted := c.answer.take(p[:n])
	if wanted < n {
		c.over = true
		clear(p[wanted:n])
		if wanted == 0 {
			return 0, io.EOF
		}
		return wanted, nil
	}
	return n, err
}
