package gcs

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/once"
	"github.com/lambdapool/lambdapool/internal/quiet"
	"github.com/lambdapool/lambdapool/internal/storeclock"
)

// Scope is what a token must be good for. Source: cloud.google.com/storage/docs/oauth-scopes, 2026-11.
const Scope = "https://www.googleapis.com/auth/devstorage.read_write"

// DefaultEndpoint is Google's own. Source: cloud.google.com/storage/docs/request-endpoints, 2026-11.
const DefaultEndpoint = "https://storage.googleapis.com"

// DefaultPrefix is what keys begin with unless [Config.Prefix] says otherwise.
const DefaultPrefix = "lambdapool"

// A Config is what [New] needs.
type Config struct {
	Bucket string             // that exists; it is not contacted before the first request
	Tokens oauth2.TokenSource // of who may create, get, delete and list objects: see [Scope]
	Signer Signer             // of links and forms

	Prefix    string            // what all keys begin with, such as "team/lambdapool"; empty: [DefaultPrefix]
	Threshold int               // bytes above which payloads are stored although an invocation could carry them; 0: none
	Endpoint  string            // of a stand-in or a private network; empty: [DefaultEndpoint]
	ReadOnly  bool              // it is only listed and read, and keys have no prefix
	EachLink  bool              // make no forms: each result has a link of its own
	Workers   int               // requests at once that connections are kept for; 0: 16
	Transport http.RoundTripper // nil: one of its own
}

// A Store keeps payloads in a bucket. Make it with [New]. It is safe for concurrent use.
type Store struct {
	caller

	bucket, prefix string
	base           url.URL // of the bucket, with a slash at its end
	signer         Signer
	threshold      int
	eachLink       bool
	readOnly       bool
	clock          storeclock.Clock
	close          func()
}

var _ driver.Store = (*Store)(nil)

// bucketName is the pattern of names, those that are domains included. Source:
// cloud.google.com/storage/docs/buckets#naming, 2026-11.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$`)

// New makes a Store. It contacts nobody and does not block. The error says what is wrong with cfg, without
// repeating an endpoint, which might hold a password.
func New(cfg Config) (*Store, error) {
	err := CheckBucket(cfg.Bucket)
	switch {
	case err != nil:
		return nil, err
	case cfg.Tokens == nil:
		return nil, errors.New("there is no source of access tokens")
	case cfg.Signer == nil:
		return nil, errors.New("nobody signs links: it takes the key of a service account, or one that Google signs for")
	case cfg.Threshold < 0:
		return nil, fmt.Errorf("threshold of %d bytes: must not be negative", cfg.Threshold)
	}
	s := &Store{
		bucket: cfg.Bucket, signer: cfg.Signer, threshold: cfg.Threshold, eachLink: cfg.EachLink, readOnly: cfg.ReadOnly, close: func() {},
	}
	if s.prefix, err = CheckPrefix(cfg.Prefix); err != nil {
		return nil, err
	}
	if cfg.ReadOnly {
		s.prefix = ""
	}
	if cfg.Endpoint == "" {
		cfg.Endpoint = DefaultEndpoint
	}
	u, err := parseEndpoint(cfg.Endpoint)
	if err != nil {
		return nil, err
	}
	s.base = *u
	s.base.Path = "/" + s.bucket + "/"
	if cfg.Transport == nil {
		t := newTransport(cfg.Workers)
		cfg.Transport, s.close = t, t.CloseIdleConnections
	}
	s.caller = caller{transport: &storeclock.Transport{RoundTripper: cfg.Transport, Clock: &s.clock}, tokens: cfg.Tokens}
	return s, nil
}

// parseEndpoint returns a URL with scheme and host alone. The error does not repeat it: it may hold a password.
func parseEndpoint(endpoint string) (*url.URL, error) {
	u := once.Endpoint(endpoint)
	if u == nil || strings.Trim(u.Path, "/") != "" {
		return nil, errors.New("not an endpoint (want https://HOST[:PORT], without user, path, query and fragment)")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// CheckBucket says whether a name can be that of a bucket.
func CheckBucket(name string) error {
	if !bucketName.MatchString(name) {
		return fmt.Errorf("%q is not the name of a bucket", name)
	}
	return nil
}

// CheckPrefix returns a prefix with a slash at its end. The empty one stands for [DefaultPrefix].
func CheckPrefix(prefix string) (string, error) {
	if prefix == "" {
		prefix = DefaultPrefix
	}
	trimmed := strings.TrimSuffix(prefix, "/")
	const most = 512 // of the 1,024 bytes of a name
	if trimmed == "" || len(trimmed) > most || strings.HasPrefix(trimmed, "/") || hasDots(trimmed) || strings.HasPrefix(trimmed, ".well-known/") ||
		strings.ContainsFunc(trimmed, func(r rune) bool { return r < '!' || r > '~' }) {
		return "", fmt.Errorf("%q is not a prefix of keys (want letters, digits and punctuation such as team-a/lambdapool, not beginning with a slash)", prefix)
	}
	return trimmed + "/", nil
}

// hasDots reports whether a path could be taken for another one, by who thinks that "." and ".." are folders.
func hasDots(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if part == "." || part == ".." {
			return true
		}
	}
	return false
}

func newTransport(workers int) *http.Transport {
	const (
		dialTimeout    = 15 * time.Second
		defaultWorkers = 16
	)
	if workers == 0 {
		workers = defaultWorkers
	}
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout: dialTimeout,
	}
	once.Tune(t, workers)
	once.ForceHTTP1(t)
	t.ResponseHeaderTimeout = time.Minute
	quiet.Transport(t)
	return t
}

// Close closes idle connections, if the transport is the Store's own. It does not block, and a second Close does
// nothing.
func (s *Store) Close() { s.close() }

// Threshold returns what [Config.Threshold] was.
func (s *Store) Threshold() int { return s.threshold }

// url returns where an object is. The slashes of a key with dots, which an agent may have chosen, are escaped:
// nobody on the way can take it for another one. Source: cloud.google.com/storage/docs/request-endpoints#encoding,
// 2026-11.
func (s *Store) url(key string) *url.URL {
	full := s.prefix + key
	u := s.base
	u.RawPath = u.Path + escape(full, !hasDots(full))
	u.Path += full
	return &u
}
