package wire

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
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// maxSkew is how far a request's clock may be off:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html
const maxSkew = 5 * time.Minute

const amzDate = "20060102T150405Z"

// The one user of the account, whose key pair everybody has.
const (
	Caller   = "local"
	CallerID = "AIDALOCAL000000000000"
)

// An Authenticator admits the requests that are signed with its key pair, or with
// one that it has issued to agents (AWS Signature Version 4, in the Authorization
// header). Safe for concurrent use.
type Authenticator struct {
	signer *v4.Signer
	now    func() time.Time

	mu    sync.Mutex
	known map[string]*Identity // by access key id
}

// An Identity is who has a key pair, as STS names it.
type Identity struct {
	credentials aws.Credentials
	ARN, UserID string
}

// NewAuthenticator makes one that knows the key pair of the account's user.
func NewAuthenticator(accessKeyID, secretAccessKey string) *Authenticator {
	a := &Authenticator{signer: v4.NewSigner(), now: time.Now, known: map[string]*Identity{}}
	a.known[accessKeyID] = &Identity{
		credentials: aws.Credentials{AccessKeyID: accessKeyID, SecretAccessKey: secretAccessKey},
		ARN:         "arn:aws:iam::" + Account + ":user/" + Caller, UserID: CallerID,
	}
	return a
}

// Issue makes credentials for the agents of a function, which has assumed a role.
// They are good here only, until they are revoked.
func (a *Authenticator) Issue(role, function string) aws.Credentials {
	who := &Identity{
		credentials: aws.Credentials{AccessKeyID: "ASIALOCAL" + KeyID(), SecretAccessKey: RandomHex(20), SessionToken: RandomHex(32)},
		ARN:         "arn:aws:sts::" + Account + ":assumed-role/" + role + "/" + function, UserID: "AROALOCAL" + strings.Repeat("0", 12) + ":" + function,
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known[who.credentials.AccessKeyID] = who
	return who.credentials
}

// Revoke ends what Issue has given.
func (a *Authenticator) Revoke(c aws.Credentials) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.known, c.AccessKeyID)
}

// Who returns the identity with that access key id, or nil.
func (a *Authenticator) Who(accessKeyID string) *Identity {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.known[accessKeyID]
}

// A Claim is what an Authorization header says about its sender: what claim returns is not
// yet believed, what Admit returns is.
type Claim struct {
	From          *Identity
	Service       string // its signing name
	Region        string
	date          time.Time
	signedHeaders []string
	signature     string
}

func denied(code, format string, args ...any) *Refusal {
	return &Refusal{Status: http.StatusForbidden, Code: code, Message: fmt.Sprintf(format, args...)}
}

// claim parses the header and checks everything that does not need the body,
// so that a stranger's body is never read.
func (a *Authenticator) claim(r *http.Request) (*Claim, *Refusal) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return nil, denied("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	fields, ok := strings.CutPrefix(header, "AWS4-HMAC-SHA256 ")
	if !ok {
		return nil, denied("IncompleteSignatureException", "Authorization header must be AWS4-HMAC-SHA256")
	}
	var c Claim
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
	c.From = a.Who(scope[0])
	if c.From == nil {
		return nil, denied("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	date, err := time.Parse(amzDate, r.Header.Get("X-Amz-Date"))
	if err != nil {
		return nil, denied("IncompleteSignatureException", "X-Amz-Date must be in ISO8601 'basic format', such as %s", amzDate)
	}
	if skew := a.now().Sub(date); skew > maxSkew || skew < -maxSkew {
		return nil, denied("InvalidSignatureException", "Signature expired: %s is %v from the service's clock, at most %v are allowed", date.Format(amzDate), skew.Round(time.Second), maxSkew)
	}
	if scope[1] != date.Format("20060102") || scope[4] != "aws4_request" {
		return nil, denied("InvalidSignatureException", "Credential should be scoped to the date of X-Amz-Date and to 'aws4_request'.")
	}
	c.Service, c.Region, c.date = scope[3], scope[2], date
	return &c, nil
}

// verify signs the request once more, over the headers that its sender signed,
// and compares. sum is the SHA-256 of the body that arrived.
func (a *Authenticator) verify(r *http.Request, c *Claim, sum [sha256.Size]byte) *Refusal {
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
	if token := c.From.credentials.SessionToken; token != "" && subtle.ConstantTimeCompare([]byte(token), []byte(r.Header.Get("X-Amz-Security-Token"))) != 1 {
		return denied("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	if added := unsigned(r.Header, c.signedHeaders); len(added) > 0 {
		return denied("InvalidSignatureException", "There were headers present in the request which were not signed: %s", strings.Join(added, ", "))
	}
	// The token is a header like any other here: the sender has signed it.
	if err := a.signer.SignHTTP(r.Context(), aws.Credentials{AccessKeyID: c.From.credentials.AccessKeyID, SecretAccessKey: c.From.credentials.SecretAccessKey}, again, hash, c.Service, c.Region, c.date); err != nil {
		return mismatch
	}
	_, signature, _ := strings.Cut(again.Header.Get("Authorization"), "Signature=")
	if subtle.ConstantTimeCompare([]byte(signature), []byte(c.signature)) != 1 {
		return mismatch
	}
	return nil
}

// unsigned returns the header fields that must be signed and are not: all whose names
// begin with x-amz-.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html (2026-11)
func unsigned(header http.Header, signed []string) []string {
	var names []string
	for name := range header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && !slices.Contains(signed, lower) {
			names = append(names, lower)
		}
	}
	slices.Sort(names)
	return names
}
