// Package storelinks signs the links of the object stores that this module serves itself, those of backend/inproc and
// backend/local, and checks them: what a link is for, and until when, is in its query or in the fields of its form, as in
// S3's. It knows what a link is (driver), and no store: what is at a key, and how a refusal is said, is theirs.
package storelinks

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/driver"
)

const (
	// longest is the longest life of a link, as on S3. Source:
	// docs.aws.amazon.com/AmazonS3/latest/userguide/ShareObjectPreSignedURL.html, 2026-11.
	longest = 7 * 24 * time.Hour

	// OnlyNew is the header by which a PUT changes nothing that exists.
	OnlyNew = "If-None-Match"
)

// Why a request is refused.
var (
	ErrSignature = errors.New("the link was not signed by this store for this request")
	ErrExpired   = errors.New("the link has expired")
	ErrOutside   = errors.New("the key does not begin with what the form is for")
)

// A Signer makes links, as a driver.Linker does. It is safe for concurrent use.
type Signer struct {
	base   string
	secret []byte
	now    func() time.Time
}

// New returns a Signer of links that begin with base, a URL with the slash before the key. Links that were signed
// with secret stay valid, see [Secret]. now is the store's clock.
func New(base string, secret []byte, now func() time.Time) *Signer {
	return &Signer{base: base, secret: secret, now: now}
}

// Secret returns one that nobody knows.
func Secret() []byte {
	secret := make([]byte, sha256.Size)
	_, _ = rand.Read(secret) // never fails: crypto/rand ends the program instead
	return secret
}

// LinkGet returns a link that reads an object.
func (s *Signer) LinkGet(_ context.Context, key string, life time.Duration) (driver.Link, error) {
	return s.link(http.MethodGet, key, life, nil), nil
}

// LinkPut returns a link that stores an object.
func (s *Signer) LinkPut(_ context.Context, key string, life time.Duration) (driver.Link, error) {
	return s.link(http.MethodPut, key, life, nil), nil
}

// LinkCreate returns a link that stores an object where there is none.
func (s *Signer) LinkCreate(_ context.Context, key string, life time.Duration) (driver.Link, error) {
	return s.link(http.MethodPut, key, life, map[string]string{OnlyNew: "*"}), nil
}

// LinkUnder returns a form that stores any object whose key begins with prefix. Its fields are not S3's.
func (s *Signer) LinkUnder(_ context.Context, prefix string, life time.Duration) (driver.Link, error) {
	expires := s.now().Add(min(life, longest))
	at := stamp(expires)
	return driver.Link{
		URL: s.base, Under: prefix, Expires: expires,
		Form: map[string]string{"prefix": prefix, "expires": at, "signature": s.sign(http.MethodPost, prefix, at, "")},
	}, nil
}

// LinkedUntil returns when the longest link ends that could be signed now.
func (s *Signer) LinkedUntil(context.Context) (time.Time, error) { return s.now().Add(longest), nil }

// link signs the right to do one thing with one object for a time. What is secret about it is in the query. The
// header has to be sent along.
func (s *Signer) link(method, key string, life time.Duration, header map[string]string) driver.Link {
	expires := s.now().Add(min(life, longest))
	at := stamp(expires)
	query := url.Values{"expires": {at}, "signature": {s.sign(method, key, at, header[OnlyNew])}}
	if header != nil {
		query.Set(OnlyNew, header[OnlyNew])
	}
	path := (&url.URL{Path: "/" + key}).EscapedPath()
	return driver.Link{URL: s.base + path[1:] + "?" + query.Encode(), Header: header, Expires: expires}
}

func stamp(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

func (s *Signer) sign(method, key, expires, condition string) string {
	mac := hmac.New(sha256.New, s.secret)
	fmt.Fprintf(mac, "%s\n%s\n%s\n%s", method, expires, condition, key)
	return hex.EncodeToString(mac.Sum(nil))
}

// Allowed returns nil where values, those of a query, hold the signature of a request for key, and what is signed has not
// expired.
func (s *Signer) Allowed(method, key string, query url.Values) error {
	return s.check(method, key, query.Get(OnlyNew), query.Get)
}

// AllowedForm returns nil where the fields of a form allow a file to be stored at the key that is one of them.
func (s *Signer) AllowedForm(fields map[string]string) error {
	prefix := fields["prefix"]
	err := s.check(http.MethodPost, prefix, "", func(name string) string { return fields[name] })
	if err == nil && !strings.HasPrefix(fields["key"], prefix) {
		err = ErrOutside
	}
	return err
}

func (s *Signer) check(method, key, condition string, values func(string) string) error {
	want := s.sign(method, key, values("expires"), condition)
	if !hmac.Equal([]byte(want), []byte(values("signature"))) {
		return ErrSignature
	}
	expires, err := strconv.ParseInt(values("expires"), 10, 64)
	if err != nil || s.now().UnixNano() > expires {
		return ErrExpired
	}
	return nil
}
