package gcs_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"golang.org/x/oauth2"

	"github.com/lambdapool/lambdapool/backend/cloudrun/internal/gcs"
	"github.com/lambdapool/lambdapool/internal/gcslocal"
)

const (
	bucket  = "payloads"
	account = "signer@project.iam.gserviceaccount.com"
	token   = "planted-token"
)

// key is made once: that takes a while.
var key = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// keyFile is a service account's key, as Google hands it out.
func keyFile(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key())
	if err != nil {
		t.Fatal(err)
	}
	file, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": account,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func keySigner(t testing.TB) gcs.Signer {
	t.Helper()
	signer, err := gcs.NewKeySigner(keyFile(t))
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// good says whether a token is the one that is handed out.
func good(t string) bool { return t == token }

// tokens is a source of that token.
func tokens() oauth2.TokenSource { return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token}) }

// transport is one that the test closes.
func transport(t testing.TB) *http.Transport {
	t.Helper()
	tr := &http.Transport{MaxIdleConnsPerHost: 32}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// blobSigner has a stand-in of Google sign.
func blobSigner(t testing.TB) gcs.Signer {
	t.Helper()
	server := httptest.NewServer(gcslocal.SignBlob(account, key(), good))
	t.Cleanup(server.Close)
	signer, err := gcs.NewBlobSigner(gcs.BlobConfig{Email: account, Tokens: tokens(), Endpoint: server.URL, Transport: transport(t)})
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// serve serves one empty bucket.
func serve(t testing.TB, options ...func(*gcslocal.Config)) (endpoint string) {
	t.Helper()
	cfg := gcslocal.Config{
		Dir: t.TempDir(), Buckets: []string{bucket}, Account: account, Keys: []*rsa.PublicKey{&key().PublicKey}, Token: good,
	}
	for _, o := range options {
		o(&cfg)
	}
	server, err := gcslocal.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server.Endpoint()
}

// open makes a store over an endpoint.
func open(t testing.TB, endpoint string, options ...func(*gcs.Config)) *gcs.Store {
	t.Helper()
	cfg := gcs.Config{Bucket: bucket, Tokens: tokens(), Signer: keySigner(t), Endpoint: endpoint}
	for _, o := range options {
		o(&cfg)
	}
	s, err := gcs.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}
