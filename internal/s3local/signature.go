package s3local

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// keys are what requests are signed with. All who have them are the same: the owner.
type keys struct{ id, secret, token string }

// A signature is what a request says of itself: AWS Signature Version 4. Source:
// docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, 2026-11.
type signature struct {
	credential string // ID/DATE/REGION/s3/aws4_request
	date       string
	headers    string // that are signed, with semicolons
	hash       string // of the body, or what stands for it
	value      string // hexadecimal

	key   []byte // that the rest of the request is signed with
	scope string
}

const (
	algorithm = "AWS4-HMAC-SHA256"
	amzDate   = "20060102T150405Z"

	// skew is how far the time of a signature may be off. Source:
	// docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html, 2026-11.
	skew = 15 * time.Minute

	// longestLink is how many seconds a link may live: a week. Source:
	// docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html, 2026-11.
	longestLink = 7 * 24 * 60 * 60
)

// unsupported is the answer to other ways to say who one is: signature version 2 is too old.
func unsupported() *objects.Failure {
	return objects.Invalid("InvalidRequest", "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")
}

// verify finds out whether the owner has signed the request, in its header or in a link.
func (s *service) verify(q *request) error {
	var err error
	switch {
	case q.linked:
		err = s.verifyLink(q)
	case q.http.Header.Get("Authorization") != "":
		err = s.verifyHeader(q)
	case q.has("AWSAccessKeyId"):
		err = unsupported()
	default:
		err = objects.Denied("Access Denied.")
	}
	if err == nil {
		err = s.keys.checkToken(q.header["x-amz-security-token"])
	}
	return err
}

// checkToken compares the session token. A server without one takes no requests that have one.
func (k *keys) checkToken(token string) error {
	if !hmac.Equal([]byte(token), []byte(k.token)) {
		return objects.Invalid("InvalidToken", "The provided token is malformed or otherwise invalid.")
	}
	return nil
}

// verifyLink checks a pre-signed URL. Source:
// docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html, 2026-11.
func (s *service) verifyLink(q *request) error {
	at, err := time.Parse(amzDate, q.part(linkDate))
	seconds, notNumber := strconv.Atoi(q.part(linkExpires))
	switch {
	case q.http.Header.Get("Authorization") != "":
		return objects.Invalid("InvalidArgument", "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified")
	case q.part(linkAlgorithm) != algorithm:
		return objects.Invalid("AuthorizationQueryParametersError", "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"")
	case err != nil || notNumber != nil:
		return objects.Invalid("AuthorizationQueryParametersError", "X-Amz-Date and X-Amz-Expires are needed.")
	case seconds < 1 || seconds > longestLink:
		return objects.Invalid("AuthorizationQueryParametersError", "X-Amz-Expires must be between 1 and 604800 seconds")
	case s.clock.Since(at) > time.Duration(seconds)*time.Second:
		return objects.Denied("Request has expired")
	case s.clock.Since(at) < -skew:
		return objects.Denied("Request is not valid yet")
	}
	q.signed = signature{
		credential: q.part(linkCredential), date: q.part(linkDate), headers: q.part(linkHeaders),
		hash: unsignedPayload, value: q.part(linkSignature),
	}
	if hash, ok := q.header[hashHeader]; ok && hash != unsignedPayload {
		q.signed.hash = hash
	}
	return s.keys.check(q)
}

// verifyHeader checks an Authorization header. Source:
// docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html, 2026-11.
func (s *service) verifyHeader(q *request) error {
	q.signed = signature{date: q.header["x-amz-date"], hash: q.header[hashHeader]}
	authorization := q.http.Header.Values("Authorization")
	fields, ok := strings.CutPrefix(authorization[0], algorithm+" ")
	at, err := time.Parse(amzDate, q.signed.date)
	switch {
	case !ok || len(authorization) > 1:
		return unsupported()
	case err != nil:
		return objects.Denied("AWS authentication requires a valid Date or x-amz-date header")
	case q.signed.hash == "":
		return objects.Invalid("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
	case s.clock.Since(at).Abs() > skew:
		return objects.Fail(http.StatusForbidden, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
	}
	for field := range strings.SplitSeq(fields, ",") {
		switch name, value, _ := strings.Cut(strings.TrimSpace(field), "="); name {
		case "Credential":
			q.signed.credential = value
		case "SignedHeaders":
			q.signed.headers = value
		case "Signature":
			q.signed.value = value
		}
	}
	return s.keys.check(q)
}

// derive returns the key of a credential's scope, and the scope.
func (k *keys) derive(credential, date string) (key []byte, scope string, err error) {
	id, scope, _ := strings.Cut(credential, "/")
	parts := strings.Split(scope, "/")
	switch {
	case id != k.id:
		return nil, "", objects.Fail(http.StatusForbidden, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
	case len(parts) != 4 || parts[2] != "s3" || parts[3] != "aws4_request" || parts[0] != date[:min(8, len(date))]:
		return nil, "", mismatch()
	}
	key = []byte("AWS4" + k.secret)
	for _, part := range parts {
		key = mac(key, part)
	}
	return key, scope, nil
}

// mac is HMAC-SHA256, of which signatures of version 4 are made.
func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// matches compares a signature in the time that it takes.
func matches(key []byte, text, value string) bool {
	return hmac.Equal([]byte(hex.EncodeToString(mac(key, text))), []byte(value))
}

// check signs the request again, and compares.
func (k *keys) check(q *request) error {
	s := &q.signed
	headers := strings.Split(s.headers, ";")
	if !slices.Contains(headers, "host") {
		return mismatch()
	}
	// What changes the meaning of a request has to be signed.
	for name := range q.http.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-amz-") && !slices.Contains(headers, name) {
			return objects.Denied("There were headers present in the request which were not signed: " + name)
		}
	}
	var err error
	if s.key, s.scope, err = k.derive(s.credential, s.date); err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(objects.Canonical(q.http, q.path, q.pairs, linkSignature, headers, s.hash)))
	if !matches(s.key, algorithm+"\n"+s.date+"\n"+s.scope+"\n"+hex.EncodeToString(sum[:]), s.value) {
		return mismatch()
	}
	return nil
}
