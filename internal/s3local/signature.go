package s3local

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/johannesboyne/gofakes3"
)

// keys are what requests are signed with.
type keys struct{ id, secret string }

// A signature is what a request says of itself: AWS Signature Version 4. Source:
// docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, 2026-11.
type signature struct {
	credential string // ID/DATE/REGION/s3/aws4_request
	date       string
	headers    string // that are signed, with semicolons
	hash       string // of the body, or what stands for it
	value      string // hexadecimal
}

// sign returns the signature of text within the scope of a credential, or why there is none.
func (k keys) sign(credential, text string) (string, *refusal) {
	scope := strings.Split(credential, "/")
	switch {
	case scope[0] != k.id:
		return "", &refusal{
			Code: "InvalidAccessKeyId", Message: "The AWS Access Key Id you provided does not exist in our records.",
			status: http.StatusForbidden,
		}
	case len(scope) != 5 || scope[3] != "s3" || scope[4] != "aws4_request":
		return "", errMismatch
	}
	key := []byte("AWS4" + k.secret)
	for _, part := range append(scope[1:], text) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key), nil
}

// check signs the request again, and compares.
func (k keys) check(r *http.Request, s signature) *refusal {
	headers := strings.Split(s.headers, ";")
	if !slices.Contains(headers, "host") {
		return errMismatch
	}
	// What changes the meaning of a request has to be signed.
	for name := range r.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-amz-") && !slices.Contains(headers, name) {
			return denied("There were headers present in the request which were not signed: " + name)
		}
	}
	_, scope, _ := strings.Cut(s.credential, "/")
	sum := sha256.Sum256([]byte(canonical(r, headers, s.hash)))
	want, no := k.sign(s.credential, "AWS4-HMAC-SHA256\n"+s.date+"\n"+scope+"\n"+hex.EncodeToString(sum[:]))
	switch {
	case no != nil:
		return no
	case !strings.HasPrefix(scope, s.date[:min(8, len(s.date))]+"/"), !hmac.Equal([]byte(want), []byte(s.value)):
		return errMismatch
	}
	return nil
}

// canonical is the form of a request that is signed.
func canonical(r *http.Request, headers []string, hash string) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n" + escape(r.URL.Path, true) + "\n" + canonicalQuery(r.URL.Query()) + "\n")
	for _, name := range headers {
		b.WriteString(name + ":")
		switch name {
		case "host":
			b.WriteString(r.Host)
		case "content-length":
			b.WriteString(strconv.FormatInt(r.ContentLength, 10))
		default:
			for i, value := range r.Header.Values(name) {
				if i > 0 {
					b.WriteByte(',')
				}
				b.WriteString(strings.Join(strings.Fields(value), " "))
			}
		}
		b.WriteByte('\n')
	}
	b.WriteString("\n" + strings.Join(headers, ";") + "\n" + hash)
	return b.String()
}

func canonicalQuery(query url.Values) string {
	var all []string
	for name, values := range query {
		if name == "X-Amz-Signature" {
			continue
		}
		for _, value := range values {
			all = append(all, escape(name, false)+"="+escape(value, false))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "&")
}

// escape escapes all but what RFC 3986 calls unreserved.
func escape(s string, slashes bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0, c == '/' && slashes:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

// summed fails at the end of a body whose SHA-256 is another than was signed.
type summed struct {
	io.ReadCloser

	hash hash.Hash
	want string
}

func newSummed(body io.ReadCloser, want string) *summed { return &summed{body, sha256.New(), want} }

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.hash.Write(p[:n])
	if err == io.EOF && hex.EncodeToString(s.hash.Sum(nil)) != s.want {
		err = gofakes3.ErrBadDigest
	}
	return n, err
}
