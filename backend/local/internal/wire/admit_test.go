package wire_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

const (
	keyID  = "AKIAEXAMPLE000000000"
	secret = "a secret of the test's"
)

// A letter is a request as its sender makes it; the zero letter is good.
type letter struct {
	id, secret, token string
	service           string
	at                time.Time
	header            map[string]string
	body              string              // default: {"a":1}
	said              string              // hash of the body; default: the right one
	spoil             func(*http.Request) // after signing
}

func (l letter) sent(t *testing.T) *http.Request {
	t.Helper()
	text := cmp.Or(l.body, `{"a":1}`)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/functions/a%2Fb/x?q=1&r=a%20b", strings.NewReader(text))
	for name, value := range l.header {
		r.Header.Set(name, value)
	}
	sum := sha256.Sum256([]byte(text))
	at := l.at
	if at.IsZero() {
		at = time.Now()
	}
	who := aws.Credentials{AccessKeyID: cmp.Or(l.id, keyID), SecretAccessKey: cmp.Or(l.secret, secret), SessionToken: l.token}
	if err := v4.NewSigner().SignHTTP(t.Context(), who, r, cmp.Or(l.said, hex.EncodeToString(sum[:])), cmp.Or(l.service, "lambda"), "eu-west-1", at); err != nil {
		t.Fatal(err)
	}
	if l.spoil != nil {
		l.spoil(r)
	}
	return r
}

// replace changes a part of the Authorization header.
func replace(old, by string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, by, 1))
	}
}

func body(text string) func(*http.Request) {
	return func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	}
}

func TestAdmit(t *testing.T) {
	t.Parallel()
	a := wire.NewAuthenticator(keyID, secret)
	agent := a.Issue("role", "function")
	gone := a.Issue("role", "function")
	a.Revoke(gone)
	const mismatch = "InvalidSignatureException: The request signature we calculated does not match"
	for name, c := range map[string]struct {
		letter letter
		want   string // code and the beginning of the message; empty: it is admitted
	}{
		"good":                    {letter{}, ""},
		"a signed header":         {letter{header: map[string]string{"X-Amz-Target": "Some.Operation"}}, ""},
		"an unsigned body":        {letter{said: "UNSIGNED-PAYLOAD", header: map[string]string{"X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD"}, spoil: body("another")}, ""},
		"a clock that is late":    {letter{at: time.Now().Add(-4 * time.Minute)}, ""},
		"an agent":                {letter{id: agent.AccessKeyID, secret: agent.SecretAccessKey, token: agent.SessionToken}, ""},
		"what is not of AWS":      {letter{header: map[string]string{"Accept": "x"}, spoil: func(r *http.Request) { r.Header.Set("X-Other", "added") }}, ""},
		"no signature":            {letter{spoil: func(r *http.Request) { r.Header.Del("Authorization") }}, "MissingAuthenticationTokenException: Missing"},
		"another scheme":          {letter{spoil: func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }}, "IncompleteSignatureException: Authorization header must be AWS4"},
		"no credential":           {letter{spoil: replace("Credential=", "Other=")}, "IncompleteSignatureException: Authorization header requires"},
		"a short scope":           {letter{spoil: replace("/aws4_request", "")}, "IncompleteSignatureException: Authorization header requires"},
		"an unknown key":          {letter{id: "AKIAOTHER00000000000"}, "UnrecognizedClientException: The security token"},
		"another secret":          {letter{secret: "another one"}, mismatch},
		"a revoked agent":         {letter{id: gone.AccessKeyID, secret: gone.SecretAccessKey, token: gone.SessionToken}, "UnrecognizedClientException: The security token"},
		"an agent's lost token":   {letter{id: agent.AccessKeyID, secret: agent.SecretAccessKey}, "UnrecognizedClientException: The security token"},
		"another agent's token":   {letter{id: agent.AccessKeyID, secret: agent.SecretAccessKey, token: gone.SessionToken}, "UnrecognizedClientException: The security token"},
		"no date":                 {letter{spoil: func(r *http.Request) { r.Header.Del("X-Amz-Date") }}, "IncompleteSignatureException: X-Amz-Date"},
		"a clock far behind":      {letter{at: time.Now().Add(-6 * time.Minute)}, "InvalidSignatureException: Signature expired"},
		"a clock far ahead":       {letter{at: time.Now().Add(6 * time.Minute)}, "InvalidSignatureException: Signature expired"},
		"another day":             {letter{spoil: func(r *http.Request) { replace("/"+r.Header.Get("X-Amz-Date")[:8]+"/", "/20060102/")(r) }}, "InvalidSignatureException: Credential should be scoped to the date"},
		"another end of scope":    {letter{spoil: replace("/aws4_request", "/aws5_request")}, "InvalidSignatureException: Credential should be scoped to the date"},
		"another service":         {letter{service: "s3"}, "InvalidSignatureException: Credential should be scoped to correct service: 'lambda' or 'iam'."},
		"another region":          {letter{spoil: replace("/eu-west-1/", "/eu-west-2/")}, mismatch},
		"another signature":       {letter{spoil: replace("Signature=", "Signature=0")}, mismatch},
		"another body":            {letter{spoil: body(`{"a":2}`)}, mismatch},
		"another hash":            {letter{header: map[string]string{"X-Amz-Content-Sha256": strings.Repeat("0", 64)}}, mismatch},
		"another method":          {letter{spoil: func(r *http.Request) { r.Method = http.MethodPut }}, mismatch},
		"another path":            {letter{spoil: func(r *http.Request) { r.RequestURI = "/functions/a/b/x?q=1&r=a%20b" }}, mismatch},
		"another query":           {letter{spoil: func(r *http.Request) { r.URL.RawQuery = "q=2&r=a%20b" }}, mismatch},
		"another host":            {letter{spoil: func(r *http.Request) { r.Host = "other" }}, mismatch},
		"a host not signed":       {letter{spoil: replace(";host", "")}, mismatch},
		"another header":          {letter{header: map[string]string{"X-Amz-Target": "a"}, spoil: func(r *http.Request) { r.Header.Set("X-Amz-Target", "b") }}, mismatch},
		"a header more":           {letter{spoil: func(r *http.Request) { r.Header.Set("X-Amz-Log-Type", "Tail") }}, "InvalidSignatureException: There were headers present in the request which were not signed: x-amz-log-type"},
		"a body that ends early":  {letter{spoil: func(r *http.Request) { r.Body = io.NopCloser(iotest.ErrReader(errors.New("cut off"))) }}, "InvalidRequestContentException: The request body ended early: cut off"},
		"a body that is too long": {letter{body: strings.Repeat("x", 101)}, "RequestEntityTooLargeException: Request must be smaller than 100 bytes for the Test operation"},
		"a stranger's long body":  {letter{secret: "another one", body: strings.Repeat("x", 101)}, mismatch},
	} {
		r := c.letter.sent(t)
		claim, data, refused := a.Admit(r, 100, "Test", "lambda", "iam")
		switch {
		case c.want == "" && refused != nil:
			t.Errorf("%s: refused: %s: %s", name, refused.Code, refused.Message)
		case c.want == "" && (claim.Service != "lambda" || claim.Region != "eu-west-1" || len(data) == 0):
			t.Errorf("%s: admitted as %+v with %q", name, claim, data)
		case c.want == "":
		case refused == nil:
			t.Errorf("%s: admitted, want %s", name, c.want)
		case claim != nil || data != nil || !strings.HasPrefix(refused.Code+": "+refused.Message, c.want):
			t.Errorf("%s: %s: %s, want %s", name, refused.Code, refused.Message, c.want)
		}
	}
}

// Who asks is known by the key, and a stranger's body is not even read.
func TestAdmitKnowsWhoAsks(t *testing.T) {
	t.Parallel()
	a := wire.NewAuthenticator(keyID, secret)
	agent := a.Issue("role", "function")
	for _, c := range []struct {
		letter letter
		want   string
	}{
		{letter{}, "arn:aws:iam::000000000000:user/local"},
		{letter{id: agent.AccessKeyID, secret: agent.SecretAccessKey, token: agent.SessionToken}, "arn:aws:sts::000000000000:assumed-role/role/function"},
	} {
		claim, _, refused := a.Admit(c.letter.sent(t), 100, "Test", "lambda")
		if refused != nil {
			t.Fatal(refused.Message)
		}
		if claim.From.ARN != c.want {
			t.Errorf("%s, want %s", claim.From.ARN, c.want)
		}
	}
	if a.Who(agent.AccessKeyID) == nil || a.Who("other") != nil {
		t.Error("who is known is not who has a key")
	}
	r := letter{id: "AKIAOTHER00000000000"}.sent(t)
	r.Body = io.NopCloser(unread{t})
	if _, _, refused := a.Admit(r, 100, "Test", "lambda"); refused == nil {
		t.Error("a stranger is admitted")
	}
}

// unread must not be.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("it was read")
	return 0, io.EOF
}

// What is longer than it may be is taken from the connection, so that its sender hears why.
func TestReadBody(t *testing.T) {
	t.Parallel()
	for _, declared := range []bool{true, false} {
		for _, c := range []struct {
			size, limit int
			tooLong     bool
		}{{0, 0, false}, {10, 10, false}, {11, 10, true}, {1 << 20, 10, true}} {
			rest := strings.NewReader(strings.Repeat("x", c.size))
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", rest)
			r.ContentLength = -1
			if declared {
				r.ContentLength = int64(c.size)
			}
			data, err := wire.ReadBody(r, c.limit)
			_, tooLong := errors.AsType[*http.MaxBytesError](err)
			if tooLong != c.tooLong || !tooLong && (err != nil || len(data) != c.size) {
				t.Errorf("%d of %d bytes, declared %t: %d bytes, %v", c.size, c.limit, declared, len(data), err)
			}
			if rest.Len() > 0 {
				t.Errorf("%d of %d bytes, declared %t: %d bytes were left", c.size, c.limit, declared, rest.Len())
			}
		}
	}
}
