// Package linked is how agents and their functions follow the links of an object store: over the
// network, or, for those of backend/inproc, whose store is this process's memory, by a transport that
// was announced here. It knows hosts and transports and nothing else. What a link allows is for the
// store to say, and what a failure means for whoever follows the link.
package linked

import (
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool/internal/quiet"
)

var transports sync.Map // of http.RoundTripper, by host

// Serve makes rt the transport of links to host, until stop is called.
func Serve(host string, rt http.RoundTripper) (stop func()) {
	transports.Store(host, rt)
	return func() { transports.Delete(host) }
}

// Transport returns the transport of links to host, or nil: then they go over the network.
func Transport(host string) http.RoundTripper {
	rt, _ := transports.Load(host)
	t, _ := rt.(http.RoundTripper)
	return t
}

// Network returns a new transport to object stores. The times are far more than stores take, and
// far less than a function has.
func Network() *http.Transport {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
		// Connections do not survive a frozen sandbox.
		IdleConnTimeout:     5 * time.Second,
		MaxIdleConnsPerHost: 16,
		DisableCompression:  true, // the bytes are what was stored, exactly
		ReadBufferSize:      64 << 10,
		WriteBufferSize:     64 << 10,
		Protocols:           new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	quiet.Transport(t)
	return t
}
