package awslambda_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/backend/backendtest"
	"github.com/lambdapool/lambdapool/internal/s3local"
)

const (
	testKeyID  = "AKIATEST"
	testSecret = "planted-secret"
	testToken  = "planted-token"
)

var testCredentials = aws.Credentials{AccessKeyID: testKeyID, SecretAccessKey: testSecret, SessionToken: testToken}

// fakeS3 serves S3 with one empty bucket, and checks signatures.
func fakeS3(t *testing.T, options ...func(*s3local.Config)) (endpoint string) {
	t.Helper()
	cfg := s3local.Config{
		Dir: t.TempDir(), Buckets: []string{"payloads"}, AccessKeyID: testKeyID, SecretAccessKey: testSecret, SessionToken: testToken,
	}
	for _, o := range options {
		o(&cfg)
	}
	server, err := s3local.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server.Endpoint()
}

// withStore opens a backend with a bucket.
func withStore(t *testing.T, endpoint string, opts ...awslambda.BucketOption) lambdapool.Store {
	t.Helper()
	opts = append([]awslambda.BucketOption{awslambda.BucketEndpoint(endpoint), awslambda.PathStyle()}, opts...)
	b, err := awslambda.New(t.Context(), "f", awslambda.WithShards(1), awslambda.WithRegion("us-east-1"), awslambda.WithEndpoint("http://127.0.0.1:1"),
		awslambda.WithStaticCredentials(testKeyID, testSecret, testToken), awslambda.WithBucket("payloads", opts...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // returns nil
	return b.Store()
}

func TestBucket(t *testing.T) {
	s := withStore(t, fakeS3(t))
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	backendtest.RunStore(t, s, transport)
	left, err := s.List(t.Context(), "", "")
	if err != nil || len(left.Objects) > 0 {
		t.Errorf("%d objects remain, %v", len(left.Objects), err)
	}
}

// What is asked of S3: the prefix, the checksum and the encryption, on both ways in.
func TestBucketRequests(t *testing.T) {
	var seen []*http.Request
	endpoint := fakeS3(t, func(cfg *s3local.Config) {
		cfg.Wrap = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen = append(seen, r)
				next.ServeHTTP(w, r)
			})
		}
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
		t.Run(code, func(t *testing.T) {
			t.Parallel()
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
				t.Errorf("%+v", failed)
			}
			if !strings.Contains(err.Error(), code) || !strings.Contains(err.Error(), "s3://payloads/lambdapool/run/key") || strings.Contains(err.Error(), "planted") {
				t.Error(err)
			}
			if requests != tt.requests {
				t.Errorf("%d requests, want %d", requests, tt.requests)
			}
		})
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
		_, err := awslambda.New(t.Context(), "f", awslambda.WithShards(1), awslambda.WithRegion("us-east-1"), awslambda.WithStaticCredentials("a", "b", ""), opt)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

func TestBucketNeedsCredentials(t *testing.T) {
	_, err := awslambda.New(t.Context(), "f", awslambda.WithShards(1), awslambda.WithBucket("payloads"),
		awslambda.WithConfig(aws.Config{Region: "us-east-1", Credentials: aws.AnonymousCredentials{}}))
	if err == nil || !strings.Contains(err.Error(), "cannot be signed without credentials") {
		t.Errorf("%v", err)
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
		if diff := cmp.Diff(map[string]int{"lambdapool/calls/": 1, "lambdapool/runs/": tt.days, "lambdapool/index/": tt.days, "lambdapool/mapreduce/": tt.days}, days); diff != "" {
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
	b, err := awslambda.New(t.Context(), "f", awslambda.WithShards(1), awslambda.WithRegion("us-east-1"), awslambda.WithStaticCredentials("a", "b", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if s := b.Store(); s != nil || b.StoreOption() != "awslambda.WithBucket" {
		t.Errorf("store %v, option %q", s, b.StoreOption())
	}
}
