package awslambda_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/encoding/httpbinding"
	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/backend/backendtest"
)

// fakeS3 serves S3 with one empty bucket. It does not check signatures; internal/s3test
// has a server that does.
func fakeS3(t *testing.T, wrap func(http.Handler) http.Handler) (endpoint string, mem *s3mem.Backend) {
	t.Helper()
	mem = s3mem.New()
	if err := mem.CreateBucket("payloads"); err != nil {
		t.Fatal(err)
	}
	handler := gofakes3.New(mem).Server()
	if wrap != nil {
		handler = wrap(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL, mem
}

// withStore opens a backend with a bucket.
func withStore(t *testing.T, endpoint string, opts ...awslambda.BucketOption) lambdapool.Store {
	t.Helper()
	opts = append([]awslambda.BucketOption{awslambda.BucketEndpoint(endpoint), awslambda.PathStyle()}, opts...)
	b, err := awslambda.New(t.Context(), "f", awslambda.WithRegion("us-east-1"), awslambda.WithEndpoint("http://127.0.0.1:1"),
		awslambda.WithStaticCredentials(testKeyID, testSecret, testToken), awslambda.WithBucket("payloads", opts...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // returns nil
	return b.Store()
}

func TestBucket(t *testing.T) {
	endpoint, mem := fakeS3(t, checkSignatures)
	s := withStore(t, endpoint)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	backendtest.RunStore(t, s, transport)
	left, err := mem.ListBucket("payloads", nil, gofakes3.ListBucketPage{})
	if err != nil || len(left.Contents) > 0 {
		t.Errorf("%d objects remain, %v", len(left.Contents), err)
	}
}

// checkSignatures does of S3's checks what the suite needs: a link, or a form, that is not
// signed for this, or whose time is over, is refused. internal/s3test has a server that
// checks requests with a header as well.
func checkSignatures(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" && !signed(r) {
			http.Error(w, "<Error><Code>AccessDenied</Code></Error>", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

const (
	testKeyID  = "AKIATEST"
	testSecret = "planted-secret"
	testToken  = "planted-token"
)

var testCredentials = aws.Credentials{AccessKeyID: testKeyID, SecretAccessKey: testSecret, SessionToken: testToken}

// signed signs a link again.
func signed(r *http.Request) bool {
	if r.Method == http.MethodPost {
		return signedForm(r)
	}
	query := r.URL.Query()
	at, err := time.Parse("20060102T150405Z", query.Get("X-Amz-Date"))
	life, lifeErr := time.ParseDuration(query.Get("X-Amz-Expires") + "s")
	if err != nil || lifeErr != nil || time.Now().After(at.Add(life)) {
		return false
	}
	again := &http.Request{Method: r.Method, URL: &url.URL{}, Host: r.Host, Header: http.Header{}}
	*again.URL = *r.URL
	again.URL.Host = r.Host
	again.URL.RawPath = httpbinding.EscapePath(r.URL.Path, false)
	for name := range strings.SplitSeq(query.Get("X-Amz-SignedHeaders"), ";") {
		if value := r.Header.Get(name); value != "" {
			again.Header.Set(name, value)
		}
	}
	want := query.Get("X-Amz-Signature")
	for _, name := range []string{"X-Amz-Signature", "X-Amz-Security-Token", "X-Amz-Date", "X-Amz-Credential", "X-Amz-Algorithm", "X-Amz-SignedHeaders"} {
		query.Del(name)
	}
	again.URL.RawQuery = query.Encode()
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	uri, _, err := signer.PresignHTTP(r.Context(), testCredentials, again, "UNSIGNED-PAYLOAD", "s3", "us-east-1", at)
	return err == nil && want != "" && strings.Contains(uri+"&", "X-Amz-Signature="+want+"&")
}

// signedForm checks a form's policy.
func signedForm(r *http.Request) bool {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return false
	}
	form, err := multipart.NewReader(bytes.NewReader(body), params["boundary"]).ReadForm(1 << 30)
	if err != nil {
		return false
	}
	defer func() { _ = form.RemoveAll() }() // it is in memory
	field := func(name string) string {
		for other, values := range form.Value {
			if strings.EqualFold(name, other) {
				return values[0]
			}
		}
		return ""
	}
	key := []byte("AWS4" + testSecret)
	for _, part := range append(strings.Split(field("X-Amz-Credential"), "/")[1:], field("policy")) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	document, err := base64.StdEncoding.DecodeString(field("policy"))
	if err != nil || hex.EncodeToString(key) != field("X-Amz-Signature") {
		return false
	}
	var policy struct {
		Expiration time.Time
		Conditions []any
	}
	if json.Unmarshal(document, &policy) != nil || time.Now().After(policy.Expiration) {
		return false
	}
	covered := map[string]bool{"policy": true, "x-amz-signature": true, "file": true}
	for _, c := range policy.Conditions {
		switch c := c.(type) {
		case map[string]any: // equal
			for name, want := range c {
				covered[strings.ToLower(name)] = true
				if name != "bucket" && field(name) != want || name == "bucket" && want != "payloads" {
					return false
				}
			}
		case []any:
			switch c[0] {
			case "starts-with":
				name := strings.TrimPrefix(c[1].(string), "$")
				covered[name] = true
				if !strings.HasPrefix(field(name), c[2].(string)) {
					return false
				}
			case "content-length-range":
				if size := float64(form.File["file"][0].Size); size < c[1].(float64) || size > c[2].(float64) {
					return false
				}
			}
		}
	}
	for name := range form.Value {
		if !covered[strings.ToLower(name)] {
			return false // S3 takes no field that the policy does not know
		}
	}
	return true
}

// What is asked of S3: the prefix, the checksum and the encryption, on both ways in.
func TestBucketRequests(t *testing.T) {
	var seen []*http.Request
	endpoint, _ := fakeS3(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, r)
			next.ServeHTTP(w, r)
		})
	})
	for name, tt := range map[string]struct {
		opt       awslambda.BucketOption
		algorithm string
		key       string
	}{
		"none": {awslambda.Prefix("team/a/"), "", ""},
		"S3":   {awslambda.SSES3(), "AES256", ""},
		"KMS":  {awslambda.SSEKMS("alias/payloads"), "aws:kms", "alias/payloads"},
	} {
		seen = nil
		s := withStore(t, endpoint, tt.opt, awslambda.Threshold(1000))
		if s.Threshold() != 1000 {
			t.Errorf("threshold %d", s.Threshold())
		}
		data := []byte("data")
		sum := sha256.Sum256(data)
		if err := s.Put(t.Context(), "run/1.request", bytes.NewReader(data), 4, sum); err != nil {
			t.Fatal(err)
		}
		link, err := s.LinkPut(t.Context(), "run/1.reply", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		prefix := "/payloads/lambdapool/run/"
		if name == "none" {
			prefix = "/payloads/team/a/run/"
		}
		put := seen[0]
		if put.URL.Path != prefix+"1.request" || put.Header.Get("X-Amz-Content-Sha256") != fmt.Sprintf("%x", sum) || put.Header.Get("X-Amz-Checksum-Sha256") == "" {
			t.Errorf("%s: %s %s %v", name, put.Method, put.URL, put.Header)
		}
		for where, header := range map[string]func(string) string{"own": put.Header.Get, "link": func(h string) string { return link.Header[h] }} {
			if got := header("X-Amz-Server-Side-Encryption"); got != tt.algorithm {
				t.Errorf("%s, %s: encryption %q", name, where, got)
			}
			if got := header("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"); got != tt.key {
				t.Errorf("%s, %s: key %q", name, where, got)
			}
		}
		if !strings.Contains(link.URL, prefix+"1.reply?") || !strings.Contains(link.URL, "X-Amz-Expires=3600") ||
			strings.Contains(strings.ToLower(link.URL), "checksum") || strings.Contains(link.URL, "planted-secret") {
			t.Errorf("%s: link %s", name, link.URL)
		}
	}
}

// A refusal is permanent where another try cannot help, says what to do, and keeps what
// is secret.
func TestBucketFailures(t *testing.T) {
	for code, tt := range map[string]struct {
		status    int
		permanent bool
		kind      error
		hint      string
		requests  int
	}{
		"AccessDenied":          {403, true, lambdapool.ErrAccessDenied, "s3:PutObject", 1},
		"SignatureDoesNotMatch": {403, true, lambdapool.ErrAccessDenied, "s3:PutObject", 1},
		"ExpiredToken":          {400, false, lambdapool.ErrAccessDenied, "sign in", 1},
		"NoSuchBucket":          {404, true, nil, "bucket's name", 1},
		"PermanentRedirect":     {301, true, nil, "BucketRegion", 1},
		"InternalError":         {500, false, nil, "", 3},
		"SlowDown":              {503, false, nil, "", 3},
	} {
		requests := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			requests++
			w.WriteHeader(tt.status)
			fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>m</Message></Error>`, code)
		}))
		s := withStore(t, server.URL)
		err := s.Put(t.Context(), "run/key", strings.NewReader("planted"), 7, sha256.Sum256([]byte("planted")))
		server.Close()
		var failed *lambdapool.InvokeError
		if !errors.As(err, &failed) || failed.Permanent != tt.permanent || !errors.Is(failed.Kind, tt.kind) || !strings.Contains(failed.Hint, tt.hint) {
			t.Errorf("%s: %+v", code, failed)
		}
		if !strings.Contains(err.Error(), code) || !strings.Contains(err.Error(), "s3://payloads/lambdapool/run/key") || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: %v", code, err)
		}
		if requests != tt.requests {
			t.Errorf("%s: %d requests, want %d", code, requests, tt.requests)
		}
	}
}

func TestBucketLinksEndWithTheCredentials(t *testing.T) {
	soon := time.Now().Add(time.Minute).Truncate(time.Second)
	b, err := awslambda.New(t.Context(), "f", awslambda.WithBucket("payloads"), awslambda.WithConfig(aws.Config{
		Region: "eu-west-1",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b", CanExpire: true, Expires: soon}, nil
		}),
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	link, err := b.Store().LinkGet(t.Context(), "k", time.Hour)
	if err != nil || !link.Expires.Equal(soon) {
		t.Errorf("ends at %v, %v; want %v", link.Expires, err, soon)
	}
	if !strings.HasPrefix(link.URL, "https://payloads.s3.eu-west-1.amazonaws.com/lambdapool/k?") {
		t.Errorf("link %v", link)
	}
}

func TestBadBucketOptions(t *testing.T) {
	for says, opt := range map[string]awslambda.Option{
		`"Upper" is not the name of a bucket`: awslambda.WithBucket("Upper"),
		`"" is not the name of a bucket`:      awslambda.WithBucket(""),
		"option 0 is nil":                     awslambda.WithBucket("payloads", nil),
		`Prefix: "" is not`:                   awslambda.WithBucket("payloads", awslambda.Prefix("")),
		`Prefix: "/a" is not`:                 awslambda.WithBucket("payloads", awslambda.Prefix("/a")),
		`Prefix: "a/../b" is not`:             awslambda.WithBucket("payloads", awslambda.Prefix("a/../b")),
		`Prefix: "a b" is not`:                awslambda.WithBucket("payloads", awslambda.Prefix("a b")),
		"Threshold: 0 bytes":                  awslambda.WithBucket("payloads", awslambda.Threshold(0)),
		"SSEKMS: empty key id":                awslambda.WithBucket("payloads", awslambda.SSEKMS("")),
		"SSES3 and SSEKMS exclude":            awslambda.WithBucket("payloads", awslambda.SSEKMS("k"), awslambda.SSES3()),
		"BucketRegion: empty":                 awslambda.WithBucket("payloads", awslambda.BucketRegion("")),
		"BucketEndpoint: not an endpoint":     awslambda.WithBucket("payloads", awslambda.BucketEndpoint("http://u:planted@host")),
	} {
		_, err := awslambda.New(t.Context(), "f", awslambda.WithRegion("us-east-1"), awslambda.WithStaticCredentials("a", "b", ""), opt)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

func TestBucketNeedsCredentials(t *testing.T) {
	_, err := awslambda.New(t.Context(), "f", awslambda.WithBucket("payloads"),
		awslambda.WithConfig(aws.Config{Region: "us-east-1", Credentials: aws.AnonymousCredentials{}}))
	if err == nil || !strings.Contains(err.Error(), "cannot be signed without credentials") {
		t.Errorf("%v", err)
	}
}

func BenchmarkLink(b *testing.B) {
	backend, err := awslambda.New(b.Context(), "f", awslambda.WithRegion("us-east-1"),
		awslambda.WithStaticCredentials("AKIATEST", "secret", "token"), awslambda.WithBucket("payloads"))
	if err != nil {
		b.Fatal(err)
	}
	defer backend.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := backend.Store().LinkPut(b.Context(), "run/1.reply", time.Hour); err != nil {
			b.Fatal(err)
		}
	}
}

func TestLifecycleRule(t *testing.T) {
	for _, tt := range []struct {
		opts []awslambda.LifecycleOption
		days int
	}{{nil, 8}, {[]awslambda.LifecycleOption{awslambda.KeepRuns(31)}, 31}} {
		text, err := awslambda.LifecycleRule("", tt.opts...)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Rules []struct {
				ID, Status string
				Filter     struct{ Prefix string }
				Expiration struct{ Days int }
			}
		}
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		days := map[string]int{}
		for _, r := range got.Rules {
			if r.Status != "Enabled" || r.ID == "" {
				t.Errorf("%+v", r)
			}
			days[r.Filter.Prefix] = r.Expiration.Days
		}
		if diff := cmp.Diff(map[string]int{"lambdapool/calls/": 1, "lambdapool/runs/": tt.days, "lambdapool/index/": tt.days}, days); diff != "" {
			t.Error(diff)
		}
	}
	for says, opt := range map[string]awslambda.LifecycleOption{
		"KeepRuns: 0 days": awslambda.KeepRuns(0),
		"option 0 is nil":  nil,
	} {
		if _, err := awslambda.LifecycleRule("", opt); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	if _, err := awslambda.LifecycleRule("/"); err == nil {
		t.Error("a rule for the whole bucket")
	}
}

func TestNoBucket(t *testing.T) {
	b, err := awslambda.New(t.Context(), "f", awslambda.WithRegion("us-east-1"), awslambda.WithStaticCredentials("a", "b", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if s := b.Store(); s != nil || b.StoreOption() != "awslambda.WithBucket" {
		t.Errorf("store %v, option %q", s, b.StoreOption())
	}
}
