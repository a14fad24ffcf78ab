package awslambda_test

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
)

const (
	payload     = `"aGVsbG8="`
	secretKey   = "planted-secret-access-key"
	secretToken = "planted-session-token"
)

// A fakeLambda is a TLS server that wants HTTP/2 and counts what reaches it.
type fakeLambda struct {
	*httptest.Server
	requests atomic.Int64 // invocations whose header arrived
	proto    sync.Map     // protocols seen
	hello    sync.Map     // protocols that clients offered in the handshake
}

func newFake(t *testing.T, handle http.HandlerFunc) *fakeLambda {
	t.Helper()
	f := &fakeLambda{}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/invocations") {
			f.requests.Add(1)
		}
		f.proto.Store(r.Proto, true)
		handle(w, r)
	}))
	f.EnableHTTP2 = true
	f.Config.ErrorLog = log.New(io.Discard, "", 0)
	f.StartTLS()
	base := f.TLS.Clone()
	base.NextProtos = []string{"h2"} // and nothing else; it puts up with clients that have never heard of it
	f.TLS.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		for _, p := range h.SupportedProtos {
			f.hello.Store(p, true)
		}
		return base, nil
	}
	t.Cleanup(f.Close)
	return f
}

// open makes a backend for the fake.
func (f *fakeLambda) open(t *testing.T, opts ...awslambda.Option) *awslambda.Backend {
	t.Helper()
	opts = append([]awslambda.Option{awslambda.WithConfig(f.config()), awslambda.WithShards(1)}, opts...)
	b, err := awslambda.New(t.Context(), "algorithms", opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func (f *fakeLambda) config() aws.Config {
	return aws.Config{
		Region:       "eu-central-1",
		HTTPClient:   f.Client(),
		BaseEndpoint: aws.String(f.URL),
		Credentials:  credentials.NewStaticCredentialsProvider("AKIDPLANTED", secretKey, secretToken),
	}
}

// fails invokes once and returns how it failed. The server must have seen
// exactly so many requests.
func (f *fakeLambda) fails(t *testing.T, b *awslambda.Backend, requests int64) *lambdapool.InvokeError {
	t.Helper()
	before := f.requests.Load()
	resp, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)})
	if got := f.requests.Load() - before; got != requests {
		t.Errorf("the server saw %d requests, want %d", got, requests)
	}
	return failure(t, resp, err)
}

func failure(t *testing.T, resp *lambdapool.Response, err error) *lambdapool.InvokeError {
	t.Helper()
	var ierr *lambdapool.InvokeError
	if !errors.As(err, &ierr) {
		t.Fatalf("Invoke = %+v, %v; want an *InvokeError", resp, err)
	}
	if resp != nil {
		t.Errorf("Invoke returned a response next to its error: %+v", resp)
	}
	if ierr.Err == nil {
		t.Error("InvokeError without a cause")
	}
	return ierr
}

// hijack hands over the connection below the handler.
func hijack(t *testing.T, w http.ResponseWriter) net.Conn {
	t.Helper()
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Errorf("hijack: %v", err)
		panic(http.ErrAbortHandler)
	}
	return conn
}

// reset ends a connection with RST instead of FIN.
func reset(conn net.Conn) {
	if c, ok := conn.(*tls.Conn); ok {
		conn = c.NetConn()
	}
	if c, ok := conn.(*net.TCPConn); ok {
		_ = c.SetLinger(0)
	}
	_ = conn.Close()
}
