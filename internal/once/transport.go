package once

import (
	"crypto/tls"
	"net/http"
	"time"
)

const (
	// idleTimeout is below the 60 s after which many load balancers and
	// proxies drop an idle connection: better that this side closes first than
	// that a request meets a connection on its way down.
	idleTimeout = 50 * time.Second

	// 64 KiB buffers save a quarter of the CPU at 10 KB payloads; from 1,024
	// workers on they shrink, so that all of them together stay at 128 MiB.
	maxBuffer   = 64 << 10
	minBuffer   = 4 << 10
	buffersSize = 128 << 20
)

// Tune has t keep one connection for each of workers calls in flight, and wait for as long as a
// function runs. Call it before a user's own changes, which may then replace what it sets.
func Tune(t *http.Transport, workers int) {
	// One connection per call in flight, and every one of them kept. There is
	// no upper limit: the transport would queue above it without a word.
	t.MaxIdleConns = 0
	t.MaxIdleConnsPerHost = workers
	t.MaxConnsPerHost = 0
	t.IdleConnTimeout = idleTimeout
	// A call may be silent for as long as the function runs.
	t.ResponseHeaderTimeout = 0
	// The reply's bytes are the agent's, exactly; and its length stays known.
	t.DisableCompression = true
	size := min(max(buffersSize/(2*workers), minBuffer), maxBuffer)
	t.ReadBufferSize, t.WriteBufferSize = size, size
}

// ForceHTTP1 keeps a lost connection from costing more than one call, and has new connections go on with the TLS session of
// earlier ones. Call it after a user's own changes, since it must hold. Without the reset of NextProtos and TLSNextProto a server
// would still be offered HTTP/2 during the handshake, and its frames would reach the HTTP/1.1
// reader.
func ForceHTTP1(t *http.Transport) {
	t.ForceAttemptHTTP2 = false
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.HTTP2 = nil
	t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	} else {
		t.TLSClientConfig = t.TLSClientConfig.Clone()
	}
	t.TLSClientConfig.NextProtos = []string{"http/1.1"}
	resume(t.TLSClientConfig)
}

// resume spares connections after the first the server's certificates, which is a quarter of the CPU that opening one takes. A
// user's VerifyPeerCertificate is not asked about a connection that goes on with a session, so with one there are none.
func resume(c *tls.Config) {
	if c.ClientSessionCache == nil && c.VerifyPeerCertificate == nil {
		c.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
}
