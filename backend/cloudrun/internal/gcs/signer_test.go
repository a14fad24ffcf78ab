package gcs_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/backend/cloudrun/internal/gcs"
	"github.com/lambdapool/lambdapool/driver"
)

// Both ways to sign come to the same signature.
func TestSigners(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("data"))
	for _, signer := range []gcs.Signer{keySigner(t), blobSigner(t)} {
		signature, err := signer.Sign(t.Context(), []byte("data"))
		if err != nil || rsa.VerifyPKCS1v15(&key().PublicKey, crypto.SHA256, sum[:], signature) != nil || signer.Email() != account {
			t.Errorf("%x, %v", signature, err)
		}
	}
}

func TestBadKeys(t *testing.T) {
	t.Parallel()
	for says, file := range map[string]string{
		"client_email": `{"type":"service_account"}`,
		"not the key":  `planted`,
		"not PEM":      `{"client_email":"a@b","private_key":"planted"}`,
		"not an RSA":   `{"client_email":"a@b","private_key":"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}`,
	} {
		if _, err := gcs.NewKeySigner([]byte(file)); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

// Who may not have Google sign hears which right is missing.
func TestMayNotSign(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct {
		kind error
		hint string
	}{
		http.StatusForbidden:           {driver.ErrAccessDenied, "roles/iam.serviceAccountTokenCreator on " + account},
		http.StatusUnauthorized:        {driver.ErrAccessDenied, "gcloud auth"},
		http.StatusNotFound:            {nil, ""},
		http.StatusInternalServerError: {nil, ""},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				_, _ = io.WriteString(w, `{"error":{"code":1,"message":"why","status":"STATUS"}}`)
			}))
			defer server.Close()
			signer, err := gcs.NewBlobSigner(gcs.BlobConfig{Email: account, Tokens: tokens(), Endpoint: server.URL, Transport: transport(t)})
			if err != nil {
				t.Fatal(err)
			}
			s := open(t, "http://127.0.0.1:1", func(cfg *gcs.Config) { cfg.Signer = signer })
			_, err = s.LinkUnder(t.Context(), "run/", time.Hour)
			var failed *driver.InvokeError
			if !errors.As(err, &failed) || !errors.Is(failed.Kind, want.kind) || !strings.Contains(failed.Hint, want.hint) || !strings.Contains(err.Error(), fmt.Sprintf("sign as %s: HTTP %d STATUS: why", account, status)) {
				t.Errorf("%v, %+v", err, failed)
			}
		})
	}
}

// What a link and a form cost by a key: a call may need three links.
func BenchmarkLink(b *testing.B) {
	s := open(b, "http://127.0.0.1:1")
	for name, link := range map[string]func(context.Context, string, time.Duration) (driver.Link, error){
		"get": s.LinkGet, "create": s.LinkCreate, "under": s.LinkUnder,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := link(b.Context(), "run/1.reply", time.Hour); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
