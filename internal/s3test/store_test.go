package s3test_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"mime/multipart"
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
	s := dotless{open(t, secretKey).Store()}
	backendtest.RunStore(t, s, s)
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

// Whatever a prefix and a key are made of, what is signed is what S3 checks, in the client's
// requests, in links and in forms.
func TestStrangeKeys(t *testing.T) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for _, prefix := range []string{"we!rd+a=b@c:d$e&f,g;h~i%41'(x)*[y]{z}", "team/a#b?c"} {
		s := open(t, secretKey, awslambda.Prefix(prefix)).Store()
		form, err := s.LinkUnder(t.Context(), "run+1/", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if status, body := post(t, transport, form, form.Under+"form +1", []byte("x")); status/100 != 2 {
			t.Errorf("POST: HTTP %d %s", status, body)
		}
		link, err := s.LinkCreate(t.Context(), "run+1/link +1", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if status, body := use(t, transport, http.MethodPut, link, []byte("x")); status != http.StatusOK {
			t.Errorf("PUT: HTTP %d %s", status, body)
		}
		list, err := s.List(t.Context(), "run+1/", "")
		if err != nil || len(list.Objects) != 2 || list.Objects[0].Key != "run+1/form +1" || list.Objects[1].Key != "run+1/link +1" {
			t.Errorf("%+v, %v", list.Objects, err)
		}
		if err := s.Delete(t.Context(), "run+1/form +1", "run+1/link +1"); err != nil {
			t.Error(err)
		}
	}
	if left := keys(t); len(left) > 0 {
		t.Errorf("remain: %v", left)
	}
}

// A form says what is sent with it: nothing of it can be left out, changed or added.
func TestFormsAreExact(t *testing.T) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	s := open(t, secretKey, awslambda.SSES3()).Store()
	form, err := s.LinkUnder(t.Context(), "run/", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(map[string]string)
		ok     bool
	}{
		"as it is":           {func(map[string]string) {}, true},
		"without encryption": {func(f map[string]string) { delete(f, "x-amz-server-side-encryption") }, false},
		"other encryption":   {func(f map[string]string) { f["x-amz-server-side-encryption"] = "aws:kms" }, false},
		"with an ACL":        {func(f map[string]string) { f["acl"] = "public-read" }, false},
		"another policy":     {func(f map[string]string) { f["policy"] = strings.Replace(f["policy"], "J", "K", 1) }, false},
	} {
		changed := form
		changed.Form = maps.Clone(form.Form)
		tt.change(changed.Form)
		if status, body := post(t, transport, changed, form.Under+"x", []byte("x")); (status/100 == 2) != tt.ok {
			t.Errorf("%s: HTTP %d %s", name, status, body)
		}
	}
	if err := s.Delete(t.Context(), "run/x"); err != nil {
		t.Error(err)
	}
}

// use sends what a link allows.
func use(t *testing.T, transport http.RoundTripper, method string, link lambdapool.Link, body []byte) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, link.URL, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range link.Header {
		r.Header.Set(name, value)
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// post sends a form.
func post(t *testing.T, transport http.RoundTripper, form lambdapool.Link, key string, data []byte) (int, string) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	fields := maps.Clone(form.Form)
	fields["key"] = key
	for name, value := range fields {
		if err := w.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	file, err := w.CreateFormFile("file", "file")
	if err == nil {
		_, err = file.Write(data)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	form.Header = map[string]string{"Content-Type": w.FormDataContentType()}
	return use(t, transport, http.MethodPost, form, body.Bytes())
}
