package gcs

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
)

const (
	algorithm = "GOOG4-RSA-SHA256"
	googDate  = "20060102T150405Z"

	// maxLink is the longest life of a signed URL. Source:
	// cloud.google.com/storage/docs/access-control/signed-urls, 2026-11.
	maxLink = 7 * 24 * time.Hour

	// unsignedPayload stands for the hash of a body that nobody knows yet. Source:
	// cloud.google.com/storage/docs/authentication/canonical-requests#payload, 2026-11.
	unsignedPayload = "UNSIGNED-PAYLOAD"
)

// LinkGet returns a link to GET an object.
func (s *Store) LinkGet(ctx context.Context, key string, life time.Duration) (driver.Link, error) {
	return s.link(ctx, http.MethodGet, key, life, nil)
}

// LinkPut returns a link to PUT an object.
func (s *Store) LinkPut(ctx context.Context, key string, life time.Duration) (driver.Link, error) {
	return s.link(ctx, http.MethodPut, key, life, nil)
}

// LinkCreate returns a link to PUT an object that is not there. Its header is signed, so it cannot be left out.
func (s *Store) LinkCreate(ctx context.Context, key string, life time.Duration) (driver.Link, error) {
	return s.link(ctx, http.MethodPut, key, life, map[string]string{ifGeneration: notThere})
}

// A signing is what links and forms have in common.
type signing struct {
	at         time.Time // by the store's clock
	life       time.Duration
	scope      string
	credential string
}

// signing returns how long a link is to live, and what it is signed as.
func (s *Store) signing(life time.Duration) (signing, time.Time) {
	life = max(time.Second, min(life, maxLink, s.signer.Longest())).Round(time.Second)
	at := s.clock.Now().UTC()
	scope := at.Format("20060102") + "/auto/storage/goog4_request"
	return signing{at, life, scope, s.signer.Email() + "/" + scope}, time.Now().Add(life)
}

// sign returns a signature as links and forms have it.
func (s *Store) sign(ctx context.Context, what, key string, text string) (string, error) {
	signature, err := s.signer.Sign(ctx, []byte(text))
	if err != nil {
		return "", s.failure("sign "+what, key, err)
	}
	return hex.EncodeToString(signature), nil
}

// link signs a link. Source: cloud.google.com/storage/docs/authentication/signatures, 2026-11.
func (s *Store) link(ctx context.Context, method, key string, life time.Duration, header map[string]string) (driver.Link, error) {
	if hasDots(key) { // a signature is of unescaped slashes
		return driver.Link{}, s.failure("sign a link to", key, &fatalError{errors.New("a key with . or .. between slashes may be taken for another one on its way")})
	}
	u := s.url(key)
	by, expires := s.signing(life)
	link := driver.Link{Expires: expires, Header: header}
	signed := map[string]string{"host": u.Hostname()} // Google's vectors have no port
	for name, value := range header {
		signed[strings.ToLower(name)] = value
	}
	names := slices.Sorted(maps.Keys(signed))
	query := "X-Goog-Algorithm=" + algorithm +
		"&X-Goog-Credential=" + escape(by.credential, false) +
		"&X-Goog-Date=" + by.at.Format(googDate) +
		"&X-Goog-Expires=" + strconv.FormatInt(int64(by.life/time.Second), 10) +
		"&X-Goog-SignedHeaders=" + escape(strings.Join(names, ";"), false)
	var request strings.Builder
	request.WriteString(method + "\n" + u.EscapedPath() + "\n" + query + "\n")
	for _, name := range names {
		request.WriteString(name + ":" + signed[name] + "\n")
	}
	request.WriteString("\n" + strings.Join(names, ";") + "\n" + unsignedPayload)
	sum := sha256.Sum256([]byte(request.String()))
	signature, err := s.sign(ctx, "a link to", key, algorithm+"\n"+by.at.Format(googDate)+"\n"+by.scope+"\n"+hex.EncodeToString(sum[:]))
	if err != nil {
		return driver.Link{}, err
	}
	u.RawQuery = query + "&X-Goog-Signature=" + signature
	link.URL = u.String()
	return link, nil
}

// LinkUnder returns a form: a POST policy. Google knows no empty prefix, and this Store has none. Source:
// cloud.google.com/storage/docs/authentication/signatures#policy-document, 2026-11.
func (s *Store) LinkUnder(ctx context.Context, prefix string, life time.Duration) (driver.Link, error) {
	if s.eachLink {
		return driver.Link{}, fmt.Errorf("a form for gs://%s: %w", s.bucket, errors.ErrUnsupported)
	}
	by, expires := s.signing(life)
	under := s.prefix + prefix
	fields := map[string]string{
		"x-goog-algorithm":  algorithm,
		"x-goog-credential": by.credential,
		"x-goog-date":       by.at.Format(googDate),
	}
	conditions := []any{
		[]any{"starts-with", "$key", under},
		[]any{"content-length-range", 0, codec.MaxStored},
		map[string]string{"bucket": s.bucket},
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		conditions = append(conditions, map[string]string{name: fields[name]})
	}
	document, err := json.Marshal(map[string]any{"conditions": conditions, "expiration": by.at.Add(by.life).Format("2006-01-02T15:04:05Z")})
	if err != nil {
		return driver.Link{}, s.failure("sign a form for", prefix, err)
	}
	fields["policy"] = base64.StdEncoding.EncodeToString(inASCII(document))
	if fields["x-goog-signature"], err = s.sign(ctx, "a form for", prefix, fields["policy"]); err != nil {
		return driver.Link{}, err
	}
	return driver.Link{URL: s.base.String(), Under: under, Form: fields, Expires: expires}, nil
}

// LinkedUntil returns when the longest link would end that could be made now: after a week, or where Google signs
// after twelve hours.
func (s *Store) LinkedUntil(context.Context) (time.Time, error) {
	_, expires := s.signing(maxLink)
	return expires, nil
}

// inASCII writes JSON as Google wants a policy to be: characters beyond ASCII are escaped. Source:
// cloud.google.com/storage/docs/authentication/signatures#policy-document, 2026-11.
func inASCII(document []byte) []byte {
	var b []byte
	for _, r := range string(document) {
		if r < 0x80 {
			b = append(b, byte(r))
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			b = fmt.Appendf(b, `\u%04x`, unit)
		}
	}
	return b
}

// escape escapes all but what RFC 3986 calls unreserved, as the canonical form of a request has it. Source:
// cloud.google.com/storage/docs/authentication/canonical-requests, 2026-11.
func escape(s string, slashes bool) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c == '/' && slashes || c < 0x80 && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0) {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}
