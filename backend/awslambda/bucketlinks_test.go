package awslambda_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/s3local"
)

func TestBucketLinksEndWithTheCredentials(t *testing.T) {
	soon := time.Now().Add(time.Minute).Truncate(time.Second)
	b, err := awslambda.New(t.Context(), "f", awslambda.WithShards(1), awslambda.WithBucket("payloads"), awslambda.WithConfig(aws.Config{
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

func TestBucketLinkedUntil(t *testing.T) {
	soon := time.Now().Add(time.Hour).Truncate(time.Second)
	for want, creds := range map[time.Time]aws.Credentials{
		soon:                               {AccessKeyID: "a", SecretAccessKey: "b", CanExpire: true, Expires: soon},
		time.Now().Add(7 * 24 * time.Hour): {AccessKeyID: "a", SecretAccessKey: "b"},
		time.Now().Add(7*24*time.Hour + 1): {AccessKeyID: "a", SecretAccessKey: "b", CanExpire: true, Expires: time.Now().Add(1000 * time.Hour)},
	} {
		b := signing(t, creds, "payloads")
		until, err := b.Store().LinkedUntil(t.Context())
		if off := until.Sub(want).Abs(); err != nil || off > time.Second {
			t.Errorf("until %v, %v; want %v", until, err, want)
		}
	}
}

// signing opens a backend that signs for a bucket, and reaches nothing.
func signing(t *testing.T, creds aws.Credentials, bucket string, opts ...awslambda.BucketOption) *awslambda.Backend {
	t.Helper()
	b, err := awslambda.New(t.Context(), "f", awslambda.WithShards(1), awslambda.WithBucket(bucket, opts...), awslambda.WithConfig(aws.Config{
		Region:      "us-east-1",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil }),
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // returns nil
	return b
}

// A policy says what may be posted, and holds everything that is sent with it.
func TestBucketForm(t *testing.T) {
	s := signing(t, testCredentials, "payloads", awslambda.SSEKMS("alias/payloads"), awslambda.Prefix("team")).Store()
	form, err := s.LinkUnder(t.Context(), "calls/run/", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if form.URL != "https://payloads.s3.us-east-1.amazonaws.com" && form.URL != "https://payloads.s3.us-east-1.amazonaws.com/" || form.Under != "team/calls/run/" {
		t.Errorf("%s, under %q", form.URL, form.Under)
	}
	names := slices.Sorted(maps.Keys(form.Form))
	want := []string{
		"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Signature", "policy",
		"x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id",
	}
	if !slices.Equal(names, want) {
		t.Errorf("fields %v, want %v", names, want)
	}
	policy, err := base64.StdEncoding.DecodeString(form.Form["policy"])
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Expiration time.Time
		Conditions []any
	}
	if err := json.Unmarshal(policy, &got); err != nil || got.Expiration.Sub(form.Expires).Abs() > 2*time.Second {
		t.Errorf("%s, %v; the form ends at %v", policy, err, form.Expires)
	}
	for _, want := range []string{
		`["starts-with","$key","team/calls/run/"]`, `["content-length-range",0,1073741824]`, `{"bucket":"payloads"}`,
		`{"x-amz-server-side-encryption":"aws:kms"}`, `{"x-amz-server-side-encryption-aws-kms-key-id":"alias/payloads"}`,
	} {
		if !strings.Contains(string(policy), want) {
			t.Errorf("%s, want %s in it", policy, want)
		}
	}
	if text := form.String() + form.GoString(); strings.Contains(text, form.Form["X-Amz-Signature"]) || strings.Contains(text, "planted") {
		t.Errorf("prints as %s", text)
	}
	if codec.MaxStored != 1073741824 {
		t.Error("the most that is stored has changed")
	}
}

// Access points and directory buckets are the SDK's to sign for, and take no forms.
func TestUnusualBuckets(t *testing.T) {
	for bucket, host := range map[string]string{
		"arn:aws:s3:us-east-1:123456789012:accesspoint/mine": "mine-123456789012.s3-accesspoint.us-east-1.amazonaws.com",
		"mine-abcdef-s3alias":                                "mine-abcdef-s3alias.s3.us-east-1.amazonaws.com",
	} {
		s := signing(t, testCredentials, bucket, awslambda.SSEKMS("alias/payloads")).Store()
		get, err := s.LinkGet(t.Context(), "k", time.Hour)
		if err != nil || !strings.HasPrefix(get.URL, "https://"+host+"/lambdapool/k?") || !strings.Contains(get.URL, "X-Amz-Expires=3600") {
			t.Errorf("%s: %v, %v", bucket, get, err)
		}
		put, err := s.LinkCreate(t.Context(), "k", time.Hour)
		if err != nil || !strings.HasPrefix(put.URL, "https://"+host+"/lambdapool/k?") || put.Header["If-None-Match"] != "*" ||
			put.Header["X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"] != "alias/payloads" || put.Header["X-Amz-Server-Side-Encryption"] != "aws:kms" {
			t.Errorf("%s: %v %v, %v", bucket, put, put.Header, err)
		}
		if _, err := s.LinkUnder(t.Context(), "run/", time.Hour); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v, want that there are no forms", bucket, err)
		}
	}
}

func TestSignEachLink(t *testing.T) {
	s := signing(t, testCredentials, "payloads", awslambda.SignEachLink()).Store()
	if _, err := s.LinkUnder(t.Context(), "run/", time.Hour); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v, want that there are no forms", err)
	}
}

// Whatever a key is made of, the signature is of what the server sees.
func TestLinksToStrangeKeys(t *testing.T) {
	s := withStore(t, fakeS3(t), awslambda.Prefix("we!rd+a=b@c:d$e&f,g;h~i%41'(x)*"))
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	link, err := s.LinkPut(t.Context(), "run/1 2.reply", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if status := send(t, transport, http.MethodPut, link, "x"); status != http.StatusOK {
		t.Errorf("PUT %v: HTTP %d", link, status)
	}
	body, _, err := s.Open(t.Context(), "run/1 2.reply")
	if err != nil {
		t.Fatal(err)
	}
	body.Close()
}

func send(t *testing.T, transport http.RoundTripper, method string, link lambdapool.Link, content string) int {
	t.Helper()
	body, kind := bytes.NewBufferString(content), ""
	if link.Under != "" {
		body = &bytes.Buffer{}
		w := multipart.NewWriter(body)
		kind = w.FormDataContentType()
		fields := maps.Clone(link.Form)
		fields["key"] = link.Under + "x"
		for name, value := range fields {
			if err := w.WriteField(name, value); err != nil {
				t.Fatal(err)
			}
		}
		file, err := w.CreateFormFile("file", "file")
		if err == nil {
			_, err = file.Write([]byte(content))
		}
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), method, link.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range link.Header {
		r.Header.Set(name, value)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// A machine whose clock is wrong signs links by the store's, as soon as it has heard of it,
// and by Lambda's until then.
func TestLinksOfAWrongClock(t *testing.T) {
	for _, off := range []time.Duration{-3 * time.Hour, 3 * time.Hour, -time.Hour} {
		now := func() time.Time { return time.Now().Add(off) } // from which the client's is off
		endpoint := fakeS3(t, func(cfg *s3local.Config) { cfg.Now = now })
		b, err := awslambda.New(t.Context(), "f", awslambda.WithShards(1), awslambda.WithRegion("us-east-1"), awslambda.WithStaticCredentials(testKeyID, testSecret, testToken),
			awslambda.WithBucket("payloads", awslambda.BucketEndpoint(endpoint), awslambda.PathStyle()))
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		s := b.Store()
		transport := &http.Transport{}
		defer transport.CloseIdleConnections()
		use := func(when string, want bool) {
			t.Helper()
			put, err := s.LinkPut(t.Context(), "run/x", time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			form, err := s.LinkUnder(t.Context(), "run/", time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			if got := send(t, transport, http.MethodPut, put, "x"); (got == http.StatusOK) != want {
				t.Errorf("%v off, %s: PUT HTTP %d", off, when, got)
			}
			if got := send(t, transport, http.MethodPost, form, "x"); (got/100 == 2) != (want || off < 0) { // a policy has no beginning
				t.Errorf("%v off, %s: POST HTTP %d", off, when, got)
			}
			for _, link := range []lambdapool.Link{put, form} {
				if left := time.Until(link.Expires); left < 59*time.Minute || left > time.Hour {
					t.Errorf("%v off, %s: a link for an hour ends in %v", off, when, left)
				}
			}
		}
		use("nothing known", false)
		awslambda.SetLambdaClock(b, off)
		use("Lambda's clock known", true)
		awslambda.SetLambdaClock(b, 0)
		// The first request is refused for its time, and then made again.
		if err := s.Create(t.Context(), "run/a", strings.NewReader("x"), 1, sha256.Sum256([]byte("x"))); err != nil {
			t.Fatal(err)
		}
		use("the store's clock known", true)
		list, err := s.List(t.Context(), "run/", "")
		if err != nil || list.Time.Sub(now()).Abs() > 5*time.Second {
			t.Errorf("%v off: a listing of %v, %v; want %v", off, list.Time, err, now())
		}
	}
}

// A difference of some seconds is nothing to correct: answers take their time.
func TestLinksOfAGoodClock(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(-3*time.Second).UTC().Format(http.TimeFormat))
	}))
	defer server.Close()
	s := withStore(t, server.URL)
	if err := s.Put(t.Context(), "run/a", strings.NewReader("x"), 1, sha256.Sum256([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	before := time.Now().Truncate(time.Second)
	link, err := s.LinkGet(t.Context(), "run/a", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(link.URL)
	if err != nil {
		t.Fatal(err)
	}
	if at, err := time.Parse("20060102T150405Z", u.Query().Get("X-Amz-Date")); err != nil || at.Before(before) {
		t.Errorf("signed as of %v, %v; it was %v", at, err, before)
	}
}

// What a link and a form cost: a run may sign three links for each of its calls.
func BenchmarkLink(b *testing.B) {
	backend, err := awslambda.New(b.Context(), "f", awslambda.WithShards(1), awslambda.WithRegion("us-east-1"),
		awslambda.WithStaticCredentials("AKIATEST", "secret", "token"), awslambda.WithBucket("payloads"))
	if err != nil {
		b.Fatal(err)
	}
	defer backend.Close()
	s := backend.Store()
	for name, link := range map[string]func(context.Context, string, time.Duration) (lambdapool.Link, error){
		"get": s.LinkGet, "put": s.LinkPut, "create": s.LinkCreate, "under": s.LinkUnder,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := link(b.Context(), "run/1.reply", time.Hour); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
