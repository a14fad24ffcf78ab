package s3test_test

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/backend/backendtest"
)

// open returns the production backend, aimed at the embedded Lambda and at versitygw.
func open(t *testing.T, secret string, opts ...awslambda.BucketOption) *awslambda.Backend {
	t.Helper()
	opts = append([]awslambda.BucketOption{awslambda.BucketEndpoint(s3Endpoint), awslambda.PathStyle()}, opts...)
	b, err := awslambda.New(t.Context(), lambda.FunctionName(), awslambda.WithRegion("us-east-1"), awslambda.WithEndpoint(lambda.Endpoint()),
		awslambda.WithStaticCredentials(accessKey, secret, ""), awslambda.WithBucket(bucketName, opts...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestStore(t *testing.T) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	backendtest.RunStore(t, open(t, secretKey).Store(), transport)
	if left := keys(t); len(left) > 0 {
		t.Errorf("remain: %v", left)
	}
}

// A signed header must be sent, and as it was signed.
func TestSignedHeaders(t *testing.T) {
	s := open(t, secretKey, awslambda.SSES3()).Store()
	link, err := s.LinkPut(t.Context(), "run/sse", time.Minute)
	if err != nil || len(link.Header) == 0 {
		t.Fatalf("%v, header %v", err, link.Header)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for want, header := range map[int]map[string]string{http.StatusOK: link.Header, http.StatusForbidden: nil} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, link.URL, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range header {
			r.Header.Set(name, value)
		}
		resp, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode/100 != want/100 {
			t.Errorf("with headers %v: HTTP %d, want %d", header, resp.StatusCode, want)
		}
	}
	if err := s.Delete(t.Context(), "run/sse"); err != nil {
		t.Error(err)
	}
}

func TestWrongSecret(t *testing.T) {
	s := open(t, "not the secret").Store()
	err := s.Put(t.Context(), "run/key", strings.NewReader("x"), 1, sha256.Sum256([]byte("x")))
	var failed *lambdapool.InvokeError
	if !errors.As(err, &failed) || !failed.Permanent || !errors.Is(failed.Kind, lambdapool.ErrAccessDenied) {
		t.Errorf("%v", err)
	}
}

// S3 itself checks the sum of what is put.
func TestWrongSum(t *testing.T) {
	s := open(t, secretKey).Store()
	if err := s.Put(t.Context(), "run/key", strings.NewReader("x"), 1, sha256.Sum256([]byte("y"))); err == nil {
		t.Error("an object with another sum was stored")
	}
	if left := keys(t); len(left) > 0 {
		t.Errorf("remain: %v", left)
	}
}

// More keys than DeleteObjects takes at once.
func TestDeleteMany(t *testing.T) {
	s := open(t, secretKey).Store()
	if err := s.Put(t.Context(), "run/last", strings.NewReader("x"), 1, sha256.Sum256([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	many := make([]string, 1500)
	for i := range many {
		many[i] = "run/none"
	}
	many[len(many)-1] = "run/last"
	if err := s.Delete(t.Context(), many...); err != nil {
		t.Error(err)
	}
	if left := keys(t); len(left) > 0 {
		t.Errorf("remain: %v", left)
	}
}
