package gcs

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/once"
)

// A Signer signs as a service account, by RSA with SHA-256. What it signs allows what that account may do. It is
// safe for concurrent use.
type Signer interface {
	// Email is the account's.
	Email() string
	// Sign returns the signature of data. It may block for a request, until ctx ends.
	Sign(ctx context.Context, data []byte) ([]byte, error)
	// Longest is how long its signatures are sure to be taken for.
	Longest() time.Duration
}

// A keySigner has the account's key.
type keySigner struct {
	email string
	key   *rsa.PrivateKey
}

// NewKeySigner makes a Signer from a service account's key, as the file from Google has it: JSON with client_email
// and private_key. A signature takes about a millisecond of CPU, and is good for a week. The error does not
// repeat the key.
func NewKeySigner(file []byte) (Signer, error) {
	var account struct {
		Email string `json:"client_email"`
		Key   string `json:"private_key"`
	}
	if json.Unmarshal(file, &account) != nil || account.Email == "" || account.Key == "" { // whose error might quote it
		return nil, errors.New("not the key of a service account (want JSON with client_email and private_key)")
	}
	block, _ := pem.Decode([]byte(account.Key))
	if block == nil {
		return nil, fmt.Errorf("the private key of %s is not PEM", account.Email)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("the private key of %s is not an RSA key", account.Email)
	}
	return &keySigner{account.Email, key}, nil
}

func (s *keySigner) Email() string          { return s.email }
func (s *keySigner) Longest() time.Duration { return maxLink }

func (s *keySigner) Sign(_ context.Context, data []byte) ([]byte, error) {
	sum := sha256.Sum256(data)
	return rsa.SignPKCS1v15(nil, s.key, crypto.SHA256, sum[:])
}

// SignScope is what a token must be good for that [NewBlobSigner] uses. Source:
// cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signBlob, 2026-11.
const SignScope = "https://www.googleapis.com/auth/cloud-platform"

// signEndpoint is the IAM Credentials API's.
const signEndpoint = "https://iamcredentials.googleapis.com"

// A BlobConfig is what [NewBlobSigner] needs.
type BlobConfig struct {
	Email     string             // of the account that signs
	Tokens    oauth2.TokenSource // of who may have it sign: see [SignScope]
	Delegates []string           // accounts between the two, each of which may act as the next; nil: none
	Endpoint  string             // of a stand-in; empty: Google's
	Transport http.RoundTripper  // nil: one of its own
}

// A blobSigner has Google sign.
type blobSigner struct {
	caller

	email     string
	delegates []string
	url       *url.URL
}

// NewBlobSigner makes a Signer for an account whose key Google alone has. Each signature is a request, so forms,
// of which one serves many calls, are worth even more. Whoever the tokens are of needs
// roles/iam.serviceAccountTokenCreator on the account, also where that is themselves.
func NewBlobSigner(cfg BlobConfig) (Signer, error) {
	if cfg.Email == "" || cfg.Tokens == nil {
		return nil, errors.New("an account that Google signs for needs an email, and somebody with an access token")
	}
	if cfg.Endpoint == "" {
		cfg.Endpoint = signEndpoint
	}
	u, err := parseEndpoint(cfg.Endpoint)
	if err != nil {
		return nil, err
	}
	u.Path = "/v1/projects/-/serviceAccounts/" + cfg.Email + ":signBlob"
	if cfg.Transport == nil {
		cfg.Transport = newTransport(0)
	}
	return &blobSigner{caller{cfg.Transport, cfg.Tokens}, cfg.Email, cfg.Delegates, u}, nil
}

func (s *blobSigner) Email() string { return s.email }

// Longest is twelve hours: then Google may have changed its key. Source:
// cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signBlob, 2026-11.
func (s *blobSigner) Longest() time.Duration { return 12 * time.Hour }

func (s *blobSigner) Sign(ctx context.Context, data []byte) ([]byte, error) {
	body, err := json.Marshal(struct {
		Payload   []byte   `json:"payload"`
		Delegates []string `json:"delegates,omitempty"`
	}{data, s.delegates})
	if err != nil {
		return nil, err
	}
	resp, err := s.send(ctx, &call{ //nolint:bodyclose // ReadBody does
		method: http.MethodPost, url: s.url, header: http.Header{"Content-Type": {"application/json"}},
		body: bytes.NewReader(body), size: int64(len(body)),
	})
	var answer struct {
		Signature []byte `json:"signedBlob"`
	}
	if err == nil {
		var data []byte
		if data, err = once.ReadBody(resp, maxError); err == nil && (json.Unmarshal(data, &answer) != nil || len(answer.Signature) == 0) {
			err = errors.New("the answer is not a signature")
		}
	}
	if err != nil {
		e := &driver.InvokeError{Err: fmt.Errorf("have Google sign as %s: %w", s.email, err)}
		judge(e, err, fmt.Sprintf("whoever signs in needs roles/iam.serviceAccountTokenCreator on %s, and the API iamcredentials.googleapis.com enabled", s.email))
		return nil, e
	}
	return answer.Signature, nil
}
