package local_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/lambdapool/lambdapool/backend/local"
)

// sdk returns the AWS SDK's own client, as anybody would configure it.
func sdk(t *testing.T, b *local.Backend) *lambda.Client {
	t.Helper()
	id, secret := b.Credentials()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	return lambda.New(lambda.Options{
		Region:       "eu-west-1",
		BaseEndpoint: aws.String(b.Endpoint()),
		Credentials:  credentials.NewStaticCredentialsProvider(id, secret, ""),
		Retryer:      aws.NopRetryer{},
		HTTPClient:   &http.Client{Transport: transport},
	})
}

// A reply is an HTTP response that has been read.
type reply struct {
	status int
	header http.Header
	body   string
}

// errorType is the code of an error response.
func (r reply) errorType() string { return r.header.Get("X-Amzn-ErrorType") }

// said is the body of a function error.
func (r reply) said(t *testing.T) (errType, message string) {
	t.Helper()
	var e struct {
		ErrorType    string `json:"errorType"`
		ErrorMessage string `json:"errorMessage"`
	}
	if err := json.Unmarshal([]byte(r.body), &e); err != nil {
		t.Fatalf("%v in %q", err, r.body)
	}
	if r.status != http.StatusOK || r.header.Get("X-Amz-Function-Error") == "" {
		t.Errorf("status %d, X-Amz-Function-Error %q: want 200 with one", r.status, r.header.Get("X-Amz-Function-Error"))
	}
	return e.ErrorType, e.ErrorMessage
}

// A request is what is sent to an embedded Lambda, byte by byte as the test wants it.
type request struct {
	method, path string // default: the Invoke operation
	header       map[string]string
	body         []byte
	spoil        func(*http.Request) // after signing
	unsigned     bool
	id, secret   string // default: the right ones
	token        string
	service      string
	region       string // default: us-west-2
	at           time.Time
}

// An endpoint is an embedded Lambda, of whichever kind.
type endpoint interface {
	Endpoint() string
	Credentials() (accessKeyID, secretAccessKey string)
}

// send signs and sends it.
func send(t *testing.T, b endpoint, q request) reply {
	t.Helper()
	resp, err := try(t, b, q)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func try(t *testing.T, b endpoint, q request) (reply, error) {
	t.Helper()
	id, secret := b.Credentials()
	if q.id != "" {
		id = q.id
	}
	if q.secret != "" {
		secret = q.secret
	}
	if q.method == "" {
		q.method = http.MethodPost
	}
	if q.path == "" {
		q.path = "/2015-03-31/functions/" + b.(*local.Backend).FunctionName() + "/invocations"
	}
	if q.service == "" {
		q.service = "lambda"
	}
	if q.region == "" {
		q.region = "us-west-2"
	}
	if q.at.IsZero() {
		q.at = time.Now()
	}
	req, err := http.NewRequestWithContext(t.Context(), q.method, b.Endpoint()+q.path, bytes.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range q.header {
		req.Header.Set(name, value)
	}
	if !q.unsigned {
		sum := sha256.Sum256(q.body)
		creds := aws.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: q.token}
		if err := v4.NewSigner().SignHTTP(t.Context(), creds, req, hex.EncodeToString(sum[:]), q.service, q.region, q.at); err != nil {
			t.Fatal(err)
		}
	}
	if q.spoil != nil {
		q.spoil(req)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return reply{status: resp.StatusCode, header: resp.Header, body: string(body)}, err
}

// do has the test's handler do a job.
func do(t *testing.T, b *local.Backend, j job) reply {
	t.Helper()
	return send(t, b, request{body: must(json.Marshal(j)), header: map[string]string{"X-Amz-Log-Type": "Tail"}})
}

// result decodes what a job returned.
func result[T any](t *testing.T, r reply) T {
	t.Helper()
	var v T
	if r.status != http.StatusOK || r.header.Get("X-Amz-Function-Error") != "" {
		t.Fatalf("status %d: %s", r.status, r.body)
	}
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("%v in %q", err, r.body)
	}
	return v
}

// eventually polls until ok, for what other processes do in their own time.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("still not so: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func readCloser(s string) io.ReadCloser { return io.NopCloser(bytes.NewReader([]byte(s))) }
