package local

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// maxSkew is how far a request's clock may be off:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html
const maxSkew = 5 * time.Minute

const amzDate = "20060102T150405Z"

// An authenticator admits the requests that are signed with its one key pair
// (AWS Signature Version 4, in the Authorization header). Safe for concurrent use.
type authenticator struct {
	credentials aws.Credentials
	services    []string // the signing names it admits
	signer      *v4.Signer
	now         func() time.Time
}

func newAuthenticator(accessKeyID, secretAccessKey string, services ...string) *authenticator {
	return &authenticator{
		services:    services,
		credentials: aws.Credentials{AccessKeyID: accessKeyID, SecretAccessKey: secretAccessKey},
		signer:      v4.NewSigner(),
		now:         time.Now,
	}
}

// A claim is what an Authorization header says about its sender, not yet believed.
type claim struct {
	service       string
	region        string
	date          time.Time
	signedHeaders []string
	signature     string
}

func denied(code, format string, args ...any) *apiError {
	return &apiError{status: http.StatusForbidden, code: code, message: fmt.Sprintf(format, args...)}
}

// claim parses the header and checks everything that does not need the body,
// so that a stranger's body is never read.
func (a *authenticator) claim(r *http.Request) (*claim, *apiError) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return nil, denied("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	fields, ok := strings.CutPrefix(header, "AWS4-HMAC-SHA256 ")
	if !ok {
		return nil, denied("IncompleteSignatureException", "Authorization header must be AWS4-HMAC-SHA256")
	}
	var c claim
	var credential string
	for field := range strings.SplitSeq(fields, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Credential":
			credential = value
		case "SignedHeaders":
			c.signedHeaders = strings.Split(value, ";")
		case "Signature":
			c.signature = value
		}
	}
	scope := strings.Split(credential, "/")
	if len(scope) != 5 || c.signature == "" || len(c.signedHeaders) == 0 {
		return nil, denied("IncompleteSignatureException", "Authorization header requires 'Credential' (key/date/region/service/aws4_request), 'SignedHeaders' and 'Signature'")
	}
	if subtle.ConstantTimeCompare([]byte(scope[0]), []byte(a.credentials.AccessKeyID)) != 1 {
		return nil, denied("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	date, err := time.Parse(amzDate, r.Header.Get("X-Amz-Date"))
	if err != nil {
		return nil, denied("IncompleteSignatureException", "X-Amz-Date must be in ISO8601 'basic format', such as %s", amzDate)
	}
	if skew := a.now().Sub(date); skew > maxSkew || skew < -maxSkew {
		return nil, denied("InvalidSignatureException", "Signature expired: %s is %v from the service's clock, at most %v are allowed", date.Format(amzDate), skew.Round(time.Second), maxSkew)
	}
	if scope[1] != date.Format("20060102") || !slices.Contains(a.services, scope[3]) || scope[4] != "aws4_request" {
		return nil, denied("InvalidSignatureException", "Credential should be scoped to the date of X-Amz-Date, to service '%s' and to 'aws4_request'.", strings.Join(a.services, "' or '"))
	}
	c.service, c.region, c.date = scope[3], scope[2], date
	return &c, nil
}

// verify signs the request once more, over the headers that its sender signed,
// and compares. sum is the SHA-256 of the body that arrived.
func (a *authenticator) verify(r *http.Request, c *claim, sum [sha256.Size]byte) *apiError {
	mismatch := denied("InvalidSignatureException", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	hash := hex.EncodeToString(sum[:])
	if said := r.Header.Get("X-Amz-Content-Sha256"); said == "UNSIGNED-PAYLOAD" {
		hash = said
	} else if said != "" && subtle.ConstantTimeCompare([]byte(said), []byte(hash)) != 1 {
		return mismatch
	}
	path, _, _ := strings.Cut(r.RequestURI, "?")
	again := &http.Request{
		Method: r.Method,
		Host:   r.Host,
		// Opaque keeps the path as it was sent: the sender may have escaped more than Go would.
		URL:    &url.URL{Scheme: "http", Host: r.Host, Opaque: "//" + r.Host + path, RawQuery: r.URL.RawQuery},
		Header: http.Header{},
	}
	host := false
	for _, name := range c.signedHeaders {
		switch name {
		case "host":
			host = true
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			key := textproto.CanonicalMIMEHeaderKey(name)
			again.Header[key] = r.Header[key]
		}
	}
	if !host {
		return mismatch
	}
	if err := a.signer.SignHTTP(r.Context(), a.credentials, again, hash, c.service, c.region, c.date); err != nil {
		return mismatch
	}
	_, signature, _ := strings.Cut(again.Header.Get("Authorization"), "Signature=")
	if subtle.ConstantTimeCompare([]byte(signature), []byte(c.signature)) != 1 {
		return mismatch
	}
	return nil
}
