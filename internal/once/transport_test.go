package once_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/lambdapool/lambdapool/internal/once"
)

// New connections go on with the TLS session of the first, unless the user verifies certificates.
func TestSessionsAreResumed(t *testing.T) {
	for _, tt := range []struct {
		name string
		hook func(*tls.Config)
		want bool
	}{
		{"as it comes", func(*tls.Config) {}, true},
		{"TLS 1.2", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, true},
		{"a user who verifies", func(c *tls.Config) {
			c.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { return nil }
		}, false},
		{"a user without sessions", func(c *tls.Config) { c.SessionTicketsDisabled = true }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			defer server.Close()
			transport := server.Client().Transport.(*http.Transport).Clone()
			defer transport.CloseIdleConnections()
			once.Tune(transport, 2)
			tt.hook(transport.TLSClientConfig)
			once.ForceHTTP1(transport)
			for i := range 3 {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
				if err != nil {
					t.Fatal(err)
				}
				answer, err := transport.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
				if got, want := answer.TLS.DidResume, tt.want && i > 0; got != want {
					t.Errorf("connection %d resumed a session: %v, want %v", i+1, got, want)
				}
				transport.CloseIdleConnections()
			}
		})
	}
}
