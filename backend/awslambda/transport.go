package awslambda

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
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

// newTransport tunes the transport of the SDK's resolved client. The second
// result says whether the transport reports, through httptrace, when a request
// gets its connection; a foreign client may not.
//
// The transport is used without the http.Client around it: Lambda does not
// redirect, and a client's timeout would cut long calls short.
func newTransport(client lambda.HTTPClient, workers int, hook func(*http.Transport)) (http.RoundTripper, bool, error) {
	var t *http.Transport
	switch c := client.(type) {
	case *awshttp.BuildableClient:
		t = c.GetTransport()
	case *http.Client:
		switch rt := c.Transport.(type) {
		case nil:
			t = awshttp.NewBuildableClient().GetTransport()
		case *http.Transport:
			t = rt.Clone()
		}
	}
	if t == nil {
		if hook != nil {
			return nil, false, fmt.Errorf("WithHTTPTransport: the aws.Config's HTTP client, a %T, has no *http.Transport to tune", client)
		}
		return foreign{client}, false, nil
	}
	tune(t, workers)
	if hook != nil {
		hook(t)
	}
	forceHTTP1(t)
	return t, true, nil
}

func tune(t *http.Transport, workers int) {
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

// forceHTTP1 keeps a lost connection from costing more than one call. Without
// the reset of NextProtos and TLSNextProto a server would still be offered
// HTTP/2 during the handshake, and its frames would reach the HTTP/1.1 reader.
func forceHTTP1(t *http.Transport) {
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
}

// foreign is a client that is not known to be net/http's.
type foreign struct{ lambda.HTTPClient }

func (f foreign) RoundTrip(r *http.Request) (*http.Response, error) { return f.Do(r) }

// asClient is a transport where the SDK wants a client.
type asClient struct{ http.RoundTripper }

func (c asClient) Do(r *http.Request) (*http.Response, error) { return c.RoundTrip(r) }
