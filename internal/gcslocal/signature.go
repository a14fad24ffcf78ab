package gcslocal

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/internal/objects"
)

const (
	algorithm = "GOOG4-RSA-SHA256"
	googDate  = "20060102T150405Z"

	// skew is how far ahead of this clock the time of a signature may be: Amazon's figure, as Google names none.
	skew = 15 * time.Minute

	// longestLink is how many seconds a link may live: a week. Source:
	// cloud.google.com/storage/docs/access-control/signed-urls, 2026-11.
	longestLink = 7 * 24 * 60 * 60
)

// An account is who signs links and forms.
type account struct {
	email string
	keys  []*rsa.PublicKey
}

// mismatch is the answer to a signature that is not the account's.
func mismatch() *objects.Failure {
	f := objects.Fail(http.StatusForbidden, "SignatureDoesNotMatch", "Access denied.")
	f.Details = "The request signature we calculated does not match the signature you provided. Check your Google secret key and signing method."
	return f
}

// malformed is the answer to a signature that cannot be judged.
func malformed(details string) *objects.Failure {
	f := objects.Invalid("MalformedSecurityHeader", "Your request has a malformed header.")
	f.Details = details
	return f
}

// expired is 400, not 403. Source: cloud.google.com/storage/docs/xml-api/reference-status#400, 2026-11.
func expired(at time.Time) *objects.Failure {
	f := objects.Invalid("ExpiredToken", "The provided token has expired.")
	f.Details = "Request signature expired at: " + at.UTC().Format("2006-01-02T15:04:05+00:00")
	return f
}

// verify finds out whether the request may be made: it has a good token, or the account has signed it as a link.
func (s *service) verify(q *request) error {
	authorization := q.http.Header.Values("Authorization")
	switch {
	case q.linked && len(authorization) > 0:
		return objects.Invalid("InvalidArgument", "A request has one way to say who makes it.")
	case q.linked:
		return s.verifyLink(q)
	case q.has("Signature") || q.has("GoogleAccessId") || q.has("X-Amz-Signature"):
		return objects.NotServed("signatures of this kind")
	case len(authorization) == 0:
		f := objects.Denied("Access denied.")
		f.Details = "Anonymous caller does not have access."
		return f
	}
	token, bearer := strings.CutPrefix(authorization[0], "Bearer ")
	switch {
	case len(authorization) > 1 || !bearer:
		return objects.NotServed("requests that are authorized so")
	case !s.token(token):
		return objects.Fail(http.StatusUnauthorized, "AuthenticationRequired", "Authentication required.")
	}
	if permission := q.permission(); s.may != nil && !s.may(token, permission) {
		f := objects.Denied("Access denied.")
		f.Details = "The caller does not have " + permission + " access to the Google Cloud Storage object. Permission '" + permission + "' denied on resource (or it may not exist)."
		return f
	}
	return nil
}

// verifyLink checks a signed URL. Source:
// cloud.google.com/storage/docs/authentication/signatures, 2026-11.
func (s *service) verifyLink(q *request) error {
	at, err := time.Parse(googDate, q.part(linkDate))
	seconds, notNumber := strconv.Atoi(q.part(linkExpires))
	headers := strings.Split(q.part(linkHeaders), ";")
	switch {
	case q.part(linkAlgorithm) != algorithm:
		return malformed("X-Goog-Algorithm is not " + algorithm)
	case err != nil:
		return malformed("Invalid X-Goog-Date")
	case notNumber != nil || seconds < 1 || seconds > longestLink:
		return malformed("X-Goog-Expires is not between 1 and 604800")
	case s.clock.Since(at) > time.Duration(seconds)*time.Second:
		return expired(at.Add(time.Duration(seconds) * time.Second))
	case s.clock.Since(at) < -skew:
		return objects.Denied("Access denied. The request is not valid yet.")
	case !slices.Contains(headers, "host") || !slices.IsSorted(headers):
		return malformed("X-Goog-SignedHeaders needs host, and is sorted")
	}
	for _, name := range headers {
		if name != "host" && name != "content-length" && len(q.http.Header.Values(name)) == 0 {
			return malformed("Header was included in signedheaders, but not in the request: " + name)
		}
	}
	// What changes the meaning of a request has to be signed.
	for name := range q.header {
		if (strings.HasPrefix(name, "x-goog-") || strings.HasPrefix(name, "x-amz-")) && !slices.Contains(headers, name) {
			return malformed("Header was included in the request, but not in signedheaders: " + name)
		}
	}
	scope, err := s.account.scope(q.part(linkCredential), q.part(linkDate))
	if err != nil {
		return err
	}
	hash := unsignedPayload
	if value, ok := q.header["x-goog-content-sha256"]; ok {
		hash = value
	}
	signed := *q.http
	signed.Host = (&url.URL{Host: q.http.Host}).Hostname() // Google's own clients sign it without its port
	sum := sha256.Sum256([]byte(objects.Canonical(&signed, q.path, q.pairs, linkSignature, headers, hash)))
	return s.account.check(algorithm+"\n"+q.part(linkDate)+"\n"+scope+"\n"+hex.EncodeToString(sum[:]), q.part(linkSignature))
}

// scope reads a credential: EMAIL/DATE/LOCATION/storage/goog4_request.
func (a *account) scope(credential, date string) (string, error) {
	email, scope, _ := strings.Cut(credential, "/")
	parts := strings.Split(scope, "/")
	switch {
	case len(parts) != 4 || parts[1] == "" || parts[2] != "storage" || parts[3] != "goog4_request" || parts[0] != date[:min(8, len(date))]:
		return "", malformed("Invalid X-Goog-Credential")
	case email != a.email:
		return "", mismatch()
	}
	return scope, nil
}

// check verifies a signature, which is hexadecimal.
func (a *account) check(text, value string) error {
	signature, err := hex.DecodeString(value)
	if err != nil {
		return mismatch()
	}
	sum := sha256.Sum256([]byte(text))
	for _, key := range a.keys {
		if rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil {
			return nil
		}
	}
	return mismatch()
}
