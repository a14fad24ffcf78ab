package quiet_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/lambdapool/lambdapool/internal/noleak"
	"github.com/lambdapool/lambdapool/internal/once"
	"github.com/lambdapool/lambdapool/internal/quiet"
)

func TestMain(m *testing.M) { noleak.Main(m) }

// logged takes over the standard logger.
func logged(t *testing.T) func() string {
	t.Helper()
	var mu sync.Mutex
	var text bytes.Buffer
	before := log.Writer()
	log.SetOutput(writer(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return text.Write(p)
	}))
	t.Cleanup(func() { log.SetOutput(before) })
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return text.String()
	}
}

type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// A raw server answers requests of a connection with texts, one after the other, and tells when the client
// has closed the connection.
func raw(t *testing.T, secure *tls.Config, answers ...string) (address string, closed <-chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	gone := make(chan struct{}, 100)
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wait.Go(func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for _, answer := range answers {
					req, err := http.ReadRequest(r)
					if err != nil {
						break
					}
					_, _ = io.Copy(io.Discard, req.Body)
					if _, err := io.WriteString(c, answer); err != nil {
						break
					}
				}
				_, _ = io.Copy(io.Discard, r)
				gone <- struct{}{}
			})
		}
	})
	t.Cleanup(func() { l.Close(); wait.Wait() })
	return l.Addr().String(), gone
}

const secret = "SECRET-RESULT"

func TestWhatComesUnaskedIsNotLogged(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	certificate, authority := server.TLS, x509.NewCertPool()
	authority.AddCert(server.Certificate())
	server.Close()
	for name, answer := range map[string]string{
		"longer than it says":    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + secret,
		"after chunks":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\no\r\n1\r\nk\r\n0\r\nX: y\r\n\r\n" + secret,
		"another answer":         "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n" + secret,
		"after one without body": "HTTP/1.1 204 No Content\r\n\r\n" + secret,
		"after an early one":     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + secret,
	} {
		for _, secure := range []bool{false, true} {
			for _, is := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, TLS %v, quiet %v", name, secure, is), func(t *testing.T) {
					text := logged(t)
					scheme, cfg := "http", (*tls.Config)(nil)
					if secure {
						scheme, cfg = "https", certificate
					}
					address, closed := raw(t, cfg, answer)
					tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority, ServerName: "example.com"}}
					once.ForceHTTP1(tr)
					if is {
						quiet.Transport(tr)
					}
					resp, err := (&http.Client{Transport: tr}).Post(scheme+"://"+address, "", strings.NewReader("x"))
					if err != nil {
						t.Fatal(err)
					}
					body, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if err != nil || string(body) != "ok" && len(body) != 0 {
						t.Errorf("body %q, %v", body, err)
					}
					<-closed // which net/http logs before
					if got := strings.Contains(text(), secret); got == is {
						t.Errorf("logged: %q", text())
					}
					tr.CloseIdleConnections()
				})
			}
		}
	}
}

// Connections that behave are used again, whatever the form of their answers.
func TestConnectionsAreUsedAgain(t *testing.T) {
	const n = 200
	answers := make([]string, 0, 5*n)
	for i := range n {
		long := strings.Repeat("x", i*i)
		answers = append(answers,
			fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(long), long),
			fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", max(1, len(long)), long+strings.Repeat("y", max(0, 1-len(long)))),
			"HTTP/1.1 304 Not Modified\nContent-Length: 5\n\n",
			"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 500 No\r\nContent-Length: 1\r\n\r\n!",
			"HTTP/1.1 204 No Content\r\n\r\n")
	}
	address, closed := raw(t, nil, answers...)
	tr := &http.Transport{}
	quiet.Transport(tr)
	for i := range answers {
		resp, err := (&http.Client{Transport: tr}).Post("http://"+address, "", strings.NewReader(strings.Repeat("z", i)))
		if err != nil {
			t.Fatal(i, err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(i, err)
		}
		resp.Body.Close()
	}
	select {
	case <-closed:
		t.Error("the connection was closed")
	default:
	}
	tr.CloseIdleConnections()
	<-closed
}
