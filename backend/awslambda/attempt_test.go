package awslambda_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
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

func TestInvokeAnswers(t *testing.T) {
	tail := "START RequestId: 7\nhello\nEND RequestId: 7\n" +
		"REPORT RequestId: 7\tDuration: 12.34 ms\tBilled Duration: 113 ms\tMemory Size: 256 MB\tMax Memory Used: 64 MB\tInit Duration: 100.50 ms\t\n"
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.URL.EscapedPath() != "/2015-03-31/functions/algorithms/invocations" || r.URL.RawQuery != "Qualifier=live" {
			t.Errorf("request to %s", r.URL)
		}
		for name, want := range map[string]string{
			"X-Amz-Log-Type": "Tail", "X-Amz-Tenant-Id": "blue", "X-Amz-Security-Token": secretToken, "Amz-Sdk-Request": "", "Accept-Encoding": "",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		w.Header().Set("X-Amzn-Requestid", "7")
		w.Header().Set("X-Amz-Executed-Version", "3")
		w.Header().Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString([]byte(tail)))
		fmt.Fprintf(w, "echo %s", body)
	})
	b := f.open(t, awslambda.WithQualifier("live"), awslambda.WithTenantID("blue"))
	resp, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)})
	if err != nil {
		t.Fatal(err)
	}
	want := &lambdapool.Response{
		Payload: []byte("echo " + payload), RequestID: "7", ExecutedVersion: "3",
		Duration: 12340 * time.Microsecond, Billed: 113 * time.Millisecond, Init: 100500 * time.Microsecond,
		MemoryLimit: 256 << 20, MemoryPeak: 64 << 20,
	}
	if diff := cmp.Diff(want, resp); diff != "" {
		t.Errorf("response (-want +got):\n%s", diff)
	}
}

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

// Every row is one server that lets the client down, and what must be known then.
func TestOneAttempt(t *testing.T) {
	read := func(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }
	status := func(code int, name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			read(r)
			w.Header().Set("X-Amzn-Errortype", name)
			w.Header().Set("X-Amzn-Requestid", "id-1")
			w.WriteHeader(code)
			fmt.Fprint(w, `{"message":"words"}`)
		}
	}
	tests := []struct {
		name      string
		handle    http.HandlerFunc
		outcome   lambdapool.Outcome
		kind      error
		permanent bool
	}{
		{"reset before reading", func(w http.ResponseWriter, _ *http.Request) { reset(hijack(t, w)) },
			lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"reset after reading", func(w http.ResponseWriter, r *http.Request) { read(r); reset(hijack(t, w)) },
			lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"closed without an answer", func(w http.ResponseWriter, r *http.Request) { read(r); hijack(t, w).Close() },
			lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"not HTTP", func(w http.ResponseWriter, r *http.Request) {
			read(r)
			c := hijack(t, w)
			fmt.Fprint(c, "SSH-2.0-OpenSSH_9.9\r\n\r\n")
			c.Close()
		}, lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"truncated body with a length", func(w http.ResponseWriter, r *http.Request) {
			read(r)
			c := hijack(t, w)
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nX-Amzn-Requestid: id-1\r\n\r\nhalf")
			c.Close()
		}, lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"no body where a length is", func(w http.ResponseWriter, r *http.Request) {
			read(r)
			c := hijack(t, w)
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
			c.Close()
		}, lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"truncated chunks", func(w http.ResponseWriter, r *http.Request) {
			read(r)
			c := hijack(t, w)
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
			c.Close()
		}, lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"truncated 429", func(w http.ResponseWriter, r *http.Request) {
			read(r)
			c := hijack(t, w)
			fmt.Fprint(c, "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 100\r\n\r\n{")
			c.Close()
		}, lambdapool.OutcomeNotRun, lambdapool.ErrThrottled, false},
		{"truncated 500", func(w http.ResponseWriter, r *http.Request) {
			read(r)
			c := hijack(t, w)
			fmt.Fprint(c, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 100\r\n\r\n{")
			c.Close()
		}, lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"endless body", func(w http.ResponseWriter, r *http.Request) {
			read(r)
			w.Header().Set("Content-Length", "99999999999")
		}, lambdapool.OutcomeUnknown, lambdapool.ErrTooLarge, true},
		{"500", status(500, "ServiceException"), lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"502 without a name", status(502, ""), lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"503", status(503, "ServiceUnavailableException"), lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"504", status(504, "GatewayTimeout"), lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"400 with an unheard-of name", status(400, "BrandNewException"), lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"200 of another kind", status(202, ""), lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			read(r)
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"429", status(429, "TooManyRequestsException"), lambdapool.OutcomeNotRun, lambdapool.ErrThrottled, false},
		{"413", status(413, "RequestEntityTooLargeException"), lambdapool.OutcomeNotRun, lambdapool.ErrTooLarge, true},
		{"403", status(403, "AccessDeniedException"), lambdapool.OutcomeNotRun, lambdapool.ErrAccessDenied, true},
		{"404", status(404, "ResourceNotFoundException"), lambdapool.OutcomeNotRun, lambdapool.ErrFunctionNotFound, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.handle)
			b := f.open(t)
			e := f.fails(t, b, 1)
			if e.Outcome != tt.outcome || !errors.Is(e, tt.kind) || e.Permanent != tt.permanent {
				t.Errorf("%v: outcome %v, permanent %t; want %v, %v, %t", e, e.Outcome, e.Permanent, tt.kind, tt.outcome, tt.permanent)
			}
		})
	}
}

// A reply may take its time between the pieces.
func TestSlowReply(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for i := range 5 {
			fmt.Fprint(w, i)
			_ = http.NewResponseController(w).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	})
	resp, err := f.open(t).Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)})
	if err != nil || string(resp.Payload) != "01234" {
		t.Errorf("%+v, %v", resp, err)
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
		awslambda.WithStaticCredentials("AKID", "s", ""), awslambda.WithHTTPTransport(func(tr *http.Transport) {
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

func TestContextEnds(t *testing.T) {
	arrived := make(chan struct{}, 1)
	f := newFake(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	b := f.open(t)
	t.Run("canceled on the way", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-arrived; cancel() }()
		resp, err := b.Invoke(ctx, &lambdapool.Request{Payload: []byte(payload)})
		e := failure(t, resp, err)
		if e.Outcome != lambdapool.OutcomeUnknown || !errors.Is(e, lambdapool.ErrCanceled) || !strings.Contains(e.Hint, "runs on") {
			t.Errorf("%v: outcome %v, hint %q", e, e.Outcome, e.Hint)
		}
	})
	t.Run("deadline on the way", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		resp, err := b.Invoke(ctx, &lambdapool.Request{Payload: []byte(payload)})
		e := failure(t, resp, err)
		if !errors.Is(e, lambdapool.ErrTimeout) || !errors.Is(e, context.DeadlineExceeded) {
			t.Errorf("%v: outcome %v", e, e.Outcome)
		}
	})
	t.Run("canceled before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		before := f.requests.Load()
		resp, err := b.Invoke(ctx, &lambdapool.Request{Payload: []byte(payload)})
		e := failure(t, resp, err)
		if e.Outcome != lambdapool.OutcomeNotRun || !errors.Is(e, lambdapool.ErrCanceled) || f.requests.Load() != before {
			t.Errorf("%v: outcome %v, want not run", e, e.Outcome)
		}
	})
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
	case <-time.After(10 * time.Second):
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

func TestSizes(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(body)
	})
	b := f.open(t)
	for _, size := range []int{0, 1, maxCopied, maxCopied + 1, codec.MaxRequest} {
		payload := random(t, size)
		resp, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: payload})
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if !bytes.Equal(resp.Payload, payload) {
			t.Errorf("%d bytes came back as %d others", size, len(resp.Payload))
		}
	}
	before := f.requests.Load()
	resp, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: make([]byte, codec.MaxRequest+1)})
	e := failure(t, resp, err)
	if e.Outcome != lambdapool.OutcomeNotRun || !e.Permanent || !errors.Is(e, lambdapool.ErrTooLarge) {
		t.Errorf("%v: outcome %v, permanent %t", e, e.Outcome, e.Permanent)
	}
	if f.requests.Load() != before {
		t.Error("a payload that is too large was sent")
	}
}

// maxCopied is the payload above which the body is read in place.
const maxCopied = 64 << 10

func random(t *testing.T, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
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
	case <-time.After(10 * time.Second):
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
