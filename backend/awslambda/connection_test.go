package awslambda_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/codec"
)

// A server that would rather speak HTTP/2 gets HTTP/1.1, and was not offered anything else.
func TestHTTP1Only(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	for name, opts := range map[string][]awslambda.Option{
		"as it is": nil,
		"despite the hook": {awslambda.WithHTTPTransport(func(t *http.Transport) {
			t.ForceAttemptHTTP2 = true
			t.Protocols = new(http.Protocols)
			t.Protocols.SetHTTP2(true)
			t.TLSClientConfig.NextProtos = []string{"h2"}
		})},
	} {
		b := f.open(t, opts...)
		if _, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	protocols := func(m *sync.Map) (all []string) {
		m.Range(func(k, _ any) bool { all = append(all, k.(string)); return true })
		return all
	}
	if diff := cmp.Diff([]string{"HTTP/1.1"}, protocols(&f.proto)); diff != "" {
		t.Errorf("protocols spoken (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"http/1.1"}, protocols(&f.hello)); diff != "" {
		t.Errorf("protocols offered (-want +got):\n%s", diff)
	}
}

// A connection that was reused from an earlier call, and fails, still makes for one request.
func TestOneAttemptOnReusedConnection(t *testing.T) {
	fail := false
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if fail {
			reset(hijack(t, w))
			return
		}
		fmt.Fprint(w, "ok")
	})
	b := f.open(t)
	if _, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)}); err != nil {
		t.Fatal(err)
	}
	fail = true
	if e := f.fails(t, b, 1); e.Outcome != lambdapool.OutcomeUnknown {
		t.Errorf("%v: outcome %v, want unknown", e, e.Outcome)
	}
}

// Without a connection nothing can have run.
func TestNoConnection(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	plain := newFake(t, func(http.ResponseWriter, *http.Request) {})
	tests := []struct {
		name      string
		options   []awslambda.Option
		permanent bool
		hint      string
	}{
		{"refused", []awslambda.Option{awslambda.WithEndpoint("http://" + closed.Addr().String())}, false, "network"},
		{"unknown host", []awslambda.Option{awslambda.WithEndpoint("http://no.such.host.invalid"), awslambda.WithHTTPTransport(func(t *http.Transport) {
			t.DialContext = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "no.such.host.invalid", IsNotFound: true}}
			}
		})}, true, "region"},
		{"unknown authority", []awslambda.Option{awslambda.WithHTTPTransport(func(t *http.Transport) {
			t.TLSClientConfig.RootCAs = nil
		})}, true, "AWS_CA_BUNDLE"},
		{"no file left", []awslambda.Option{awslambda.WithHTTPTransport(func(tr *http.Transport) {
			tr.DialContext = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)}
			}
		})}, false, "ulimit -n"},
		{"proxy refuses", []awslambda.Option{awslambda.WithHTTPTransport(func(tr *http.Transport) {
			tr.DialContext = func(context.Context, string, string) (net.Conn, error) {
				return nil, errors.New("proxyconnect tcp: 407 Proxy Authentication Required")
			}
		})}, false, "proxy"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := plain.open(t, tt.options...)
			e := plain.fails(t, b, 0)
			if e.Outcome != lambdapool.OutcomeNotRun || e.Permanent != tt.permanent || !strings.Contains(e.Hint, tt.hint) {
				t.Errorf("%v: outcome %v, permanent %t, hint %q; want not run, %t, %q", e, e.Outcome, e.Permanent, e.Hint, tt.permanent, tt.hint)
			}
		})
	}
}

// An endpoint that has worked is not a wrong setting when it is away for a while.
func TestNoConnectionLater(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		fmt.Fprint(w, "ok")
	})
	gone := false
	var dialer net.Dialer
	b := f.open(t, awslambda.WithHTTPTransport(func(tr *http.Transport) {
		tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if gone {
				return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
			}
			return dialer.DialContext(ctx, network, addr)
		}
	}))
	if _, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)}); err != nil {
		t.Fatal(err)
	}
	gone = true
	if e := f.fails(t, b, 0); e.Permanent || e.Outcome != lambdapool.OutcomeNotRun {
		t.Errorf("%v: outcome %v, permanent %t; want not run, not permanent", e, e.Outcome, e.Permanent)
	}
}

// A conn fails its writes from a certain byte on.
type conn struct {
	net.Conn
	left *atomic.Int64
}

func (c conn) Write(p []byte) (int, error) {
	if c.left.Add(-int64(len(p))) < 0 {
		return 0, &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
	}
	return c.Conn.Write(p)
}

// A request that was torn off in the middle of its body cannot have run. One
// that went out whole, on the second connection, can.
func TestTornRequest(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n, _ := io.Copy(io.Discard, r.Body); n > 10 {
			reset(hijack(t, w))
		}
	}))
	defer s.Close()
	const first = 200_000 // bytes that go through the first connection
	lefts := make(chan *atomic.Int64, 3)
	dials := 0
	var dialer net.Dialer
	b, err := awslambda.New(t.Context(), "algo", awslambda.WithEndpoint(s.URL), awslambda.WithRegion("eu-west-1"),
		awslambda.WithShards(1), awslambda.WithStaticCredentials("AKID", "s", ""), awslambda.WithHTTPTransport(func(tr *http.Transport) {
			tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := dialer.DialContext(ctx, network, addr)
				left := new(atomic.Int64)
				left.Store(1 << 40)
				if dials++; dials == 1 {
					left.Store(first)
				}
				lefts <- left
				return conn{c, left}, err
			}
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	big := random(t, 5<<20)
	resp, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: big})
	if e := failure(t, resp, err); e.Outcome != lambdapool.OutcomeNotRun {
		t.Errorf("torn off: %v, outcome %v, want not run", e, e.Outcome)
	}
	if _, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)}); err != nil {
		t.Fatal(err)
	}
	<-lefts
	second := <-lefts
	second.Store(0) // dead, and nobody has noticed
	resp, err = b.Invoke(t.Context(), &lambdapool.Request{Payload: big})
	if e := failure(t, resp, err); e.Outcome != lambdapool.OutcomeUnknown {
		t.Errorf("lost on the second connection: %v, outcome %v, want unknown", e, e.Outcome)
	}
	if dials != 3 {
		t.Errorf("%d connections, want the dead one replaced by a third", dials)
	}
}

// The payload is the caller's again as soon as Invoke returns, even if the
// server answered before it had all of it.
func TestPayloadIsReturned(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	}))
	defer s.Close()
	returned, waited := make(chan struct{}), make(chan bool, 1)
	var dialer net.Dialer
	b, err := awslambda.New(t.Context(), "algo", awslambda.WithEndpoint(s.URL), awslambda.WithRegion("eu-west-1"),
		awslambda.WithStaticCredentials("AKID", "s", ""), awslambda.WithHTTPTransport(func(tr *http.Transport) {
			tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := dialer.DialContext(ctx, network, addr)
				return &slowWriter{closer{Conn: c, closed: make(chan struct{})}, returned, waited}, err
			}
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	resp, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: random(t, codec.MaxRequest)})
	close(returned)
	if e := failure(t, resp, err); !errors.Is(e, lambdapool.ErrTooLarge) {
		t.Error(e)
	}
	select {
	case ok := <-waited:
		if !ok {
			t.Error("Invoke returned while its payload was being read")
		}
	case <-time.After(3 * time.Minute):
		t.Error("the payload was not written in pieces")
	}
}

// A slowWriter holds on to a large write until it is closed, and then a little longer.
type slowWriter struct {
	closer
	returned chan struct{}
	waited   chan bool
}

func (c *slowWriter) Write(p []byte) (int, error) {
	if len(p) < 4096 {
		return c.closer.Write(p) // the header
	}
	<-c.closed
	select {
	case <-c.returned:
		c.waited <- false
	case <-time.After(50 * time.Millisecond):
		c.waited <- true
	}
	return 0, net.ErrClosed
}

func TestClose(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	closed := make(chan struct{})
	var dialer net.Dialer
	b := f.open(t, awslambda.WithHTTPTransport(func(tr *http.Transport) {
		tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, addr)
			return &closer{Conn: c, closed: closed}, err
		}
	}))
	if _, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	select {
	case <-closed:
	case <-time.After(3 * time.Minute):
		t.Error("Close left the connection open")
	}
	e := f.fails(t, b, 0)
	if e.Outcome != lambdapool.OutcomeNotRun || !e.Permanent || !errors.Is(e, lambdapool.ErrClosed) {
		t.Errorf("%v: outcome %v, permanent %t", e, e.Outcome, e.Permanent)
	}
}

// A closer tells when it is closed.
type closer struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

func (c *closer) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// As many connections are opened as calls are in flight, and all are kept.
func TestConnectionsAreKept(t *testing.T) {
	const workers, rounds = 64, 4
	var mu sync.Mutex
	conns := map[string]bool{}
	var gate sync.WaitGroup
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		conns[r.RemoteAddr] = true
		mu.Unlock()
		_, _ = io.Copy(io.Discard, r.Body)
		gate.Done()
		gate.Wait()
		fmt.Fprint(w, "ok")
	})
	b := f.open(t, awslambda.WithWorkers(workers))
	for range rounds {
		gate.Add(workers)
		var calls sync.WaitGroup
		for range workers {
			calls.Go(func() {
				if _, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)}); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
	}
	// A call can find its connection a moment before it is back in the pool.
	if len(conns) > workers+workers/4 {
		t.Errorf("%d connections for %d calls at once, %d times", len(conns), workers, rounds)
	}
}
