package awslambda_test

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/codec"
)

// A seen request is what decides where a call goes and as whom.
type seen struct {
	Method, Host, Path, Query, KeyID, Region, Token, Log, Tenant, Agent string
}

// wire records the requests of a backend instead of sending them.
func wire(to *seen) awslambda.Option {
	return awslambda.WithHTTPTransport(func(tr *http.Transport) {
		tr.RegisterProtocol("https", recorder{to})
		tr.RegisterProtocol("http", recorder{to})
	})
}

type recorder struct{ to *seen }

var credentialScope = regexp.MustCompile(`Credential=([^/]*)/\d+/([^/]*)/lambda/`)

func (r recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodGet { // how many shards there are
		return &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody, Header: http.Header{}}, nil
	}
	_ = req.Body.Close()
	*r.to = seen{
		Method: req.Method, Host: req.URL.Scheme + "://" + req.URL.Host, Path: req.URL.EscapedPath(), Query: req.URL.RawQuery,
		Token: req.Header.Get("X-Amz-Security-Token"), Log: req.Header.Get("X-Amz-Log-Type"), Tenant: req.Header.Get("X-Amz-Tenant-Id"),
	}
	if m := credentialScope.FindStringSubmatch(req.Header.Get("Authorization")); m != nil {
		r.to.KeyID, r.to.Region = m[1], m[2]
	}
	return &http.Response{StatusCode: 200, Body: http.NoBody, Header: http.Header{}}, nil
}

// setenv sets variables for one test; an empty value unsets.
func setenv(t *testing.T, env map[string]string) {
	t.Helper()
	for name, value := range env {
		t.Setenv(name, value)
		if value == "" {
			os.Unsetenv(name)
		}
	}
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// The default chain, and what the options change about it.
func TestConfiguration(t *testing.T) {
	const arn = "arn:aws:lambda:ap-south-1:123456789012:function:algo"
	path := func(name string) string { return "/2015-03-31/functions/" + name + "/invocations" }
	tests := []struct {
		name     string
		env      map[string]string
		function string
		options  []awslambda.Option
		want     seen
	}{
		{"environment", nil, "algo", nil,
			seen{Host: "https://lambda.eu-west-1.amazonaws.com", Path: path("algo"), KeyID: "AKIDENV", Region: "eu-west-1", Token: "tok", Log: "Tail"}},
		{"qualifier in the name", nil, "algo:live", nil,
			seen{Host: "https://lambda.eu-west-1.amazonaws.com", Path: path("algo"), Query: "Qualifier=live", KeyID: "AKIDENV", Region: "eu-west-1", Token: "tok", Log: "Tail"}},
		{"qualifier, tenant, no log", nil, "algo", []awslambda.Option{awslambda.WithQualifier("$LATEST"), awslambda.WithTenantID("blue team"), awslambda.WithLogTail(false)},
			seen{Host: "https://lambda.eu-west-1.amazonaws.com", Path: path("algo"), Query: "Qualifier=%24LATEST", KeyID: "AKIDENV", Region: "eu-west-1", Token: "tok", Tenant: "blue team"}},
		{"region", nil, "algo", []awslambda.Option{awslambda.WithRegion("cn-north-1")},
			seen{Host: "https://lambda.cn-north-1.amazonaws.com.cn", Path: path("algo"), KeyID: "AKIDENV", Region: "cn-north-1", Token: "tok", Log: "Tail"}},
		{"ARN", nil, arn + ":7", nil,
			seen{Host: "https://lambda.ap-south-1.amazonaws.com", Path: path("arn%3Aaws%3Alambda%3Aap-south-1%3A123456789012%3Afunction%3Aalgo"), Query: "Qualifier=7", KeyID: "AKIDENV", Region: "ap-south-1", Token: "tok", Log: "Tail"}},
		{"partial ARN", nil, "123456789012:function:algo:live", nil,
			seen{Host: "https://lambda.eu-west-1.amazonaws.com", Path: path("123456789012%3Afunction%3Aalgo"), Query: "Qualifier=live", KeyID: "AKIDENV", Region: "eu-west-1", Token: "tok", Log: "Tail"}},
		{"profile", map[string]string{"AWS_REGION": ""}, "algo", []awslambda.Option{awslambda.WithProfile("work")},
			seen{Host: "https://lambda.us-west-2.amazonaws.com", Path: path("algo"), KeyID: "AKIDWORK", Region: "us-west-2", Log: "Tail"}},
		{"static credentials", nil, "algo", []awslambda.Option{awslambda.WithStaticCredentials("AKIDGIVEN", "s", "")},
			seen{Host: "https://lambda.eu-west-1.amazonaws.com", Path: path("algo"), KeyID: "AKIDGIVEN", Region: "eu-west-1", Log: "Tail"}},
		{"endpoint", nil, "algo", []awslambda.Option{awslambda.WithEndpoint("https://vpce-1.example.com/base")},
			seen{Host: "https://vpce-1.example.com", Path: "/base" + path("algo"), KeyID: "AKIDENV", Region: "eu-west-1", Token: "tok", Log: "Tail"}},
		{"endpoint from the environment", map[string]string{"AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:4566"}, "algo", nil,
			seen{Host: "http://127.0.0.1:4566", Path: path("algo"), KeyID: "AKIDENV", Region: "eu-west-1", Token: "tok", Log: "Tail"}},
		{"general endpoint from the environment", map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:4567"}, "algo", nil,
			seen{Host: "http://127.0.0.1:4567", Path: path("algo"), KeyID: "AKIDENV", Region: "eu-west-1", Token: "tok", Log: "Tail"}},
		{"endpoint given and in the environment", map[string]string{"AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:4566"}, "algo", []awslambda.Option{awslambda.WithEndpoint("http://127.0.0.1:1")},
			seen{Host: "http://127.0.0.1:1", Path: path("algo"), KeyID: "AKIDENV", Region: "eu-west-1", Token: "tok", Log: "Tail"}},
		{"FIPS", map[string]string{"AWS_USE_FIPS_ENDPOINT": "true", "AWS_REGION": "us-east-1"}, "algo", nil,
			seen{Host: "https://lambda-fips.us-east-1.amazonaws.com", Path: path("algo"), KeyID: "AKIDENV", Region: "us-east-1", Token: "tok", Log: "Tail"}},
		{"dual stack", map[string]string{"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "algo", nil,
			seen{Host: "https://lambda.eu-west-1.api.aws", Path: path("algo"), KeyID: "AKIDENV", Region: "eu-west-1", Token: "tok", Log: "Tail"}},
		{"configuration given", map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:4567"}, "algo", []awslambda.Option{awslambda.WithConfig(aws.Config{
			Region: "sa-east-1", Credentials: credentials.NewStaticCredentialsProvider("AKIDCFG", "s", ""),
		})},
			seen{Host: "https://lambda.sa-east-1.amazonaws.com", Path: path("algo"), KeyID: "AKIDCFG", Region: "sa-east-1", Log: "Tail"}},
		{"configuration given, and more", nil, "algo", []awslambda.Option{
			awslambda.WithConfig(aws.Config{Region: "sa-east-1", BaseEndpoint: aws.String("https://a.example")}),
			awslambda.WithRegion("eu-north-1"), awslambda.WithStaticCredentials("AKIDGIVEN", "s", "t"), awslambda.WithEndpoint("https://b.example"),
		},
			seen{Host: "https://b.example", Path: path("algo"), KeyID: "AKIDGIVEN", Region: "eu-north-1", Token: "t", Log: "Tail"}},
		{"without a signature", nil, "algo", []awslambda.Option{awslambda.WithConfig(aws.Config{
			Region: "sa-east-1", Credentials: aws.AnonymousCredentials{},
		})},
			seen{Host: "https://lambda.sa-east-1.amazonaws.com", Path: path("algo"), Log: "Tail"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			setenv(t, map[string]string{
				"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "tok", "AWS_REGION": "eu-west-1",
				"AWS_ENDPOINT_URL_LAMBDA":     "",
				"AWS_CONFIG_FILE":             file(t, "[profile work]\nregion = us-west-2\n"),
				"AWS_SHARED_CREDENTIALS_FILE": file(t, "[work]\naws_access_key_id = AKIDWORK\naws_secret_access_key = s\n"),
			})
			setenv(t, tt.env)
			var got seen
			b, err := awslambda.New(t.Context(), tt.function, append(tt.options, wire(&got))...)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			if _, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)}); err != nil {
				t.Fatal(err)
			}
			tt.want.Method = http.MethodPost
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

// With a configuration in hand nothing else is read: everything that could be is poisoned.
func TestWithConfigReadsNothing(t *testing.T) {
	broken := file(t, "[default\nregion = nowhere")
	setenv(t, map[string]string{
		"AWS_CONFIG_FILE": broken, "AWS_SHARED_CREDENTIALS_FILE": broken, "AWS_PROFILE": "no-such-profile",
		"AWS_REGION": "poisoned-1", "AWS_ACCESS_KEY_ID": "AKIDPOISON", "AWS_SECRET_ACCESS_KEY": "poison",
		"AWS_ENDPOINT_URL": "http://poison.invalid", "AWS_ENDPOINT_URL_LAMBDA": "http://poison.invalid",
		"AWS_CA_BUNDLE": broken, "AWS_USE_FIPS_ENDPOINT": "maybe", "AWS_MAX_ATTEMPTS": "poison",
	})
	if _, err := awslambda.New(t.Context(), "algo", awslambda.WithShards(1)); err == nil {
		t.Fatal("the poison does not work: New succeeded without WithConfig")
	}
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if auth := r.Header.Get("Authorization"); !strings.Contains(auth, "AKIDPLANTED/") || !strings.Contains(auth, "/eu-central-1/") {
			t.Errorf("signed as %.60s", auth)
		}
		fmt.Fprint(w, "ok")
	})
	if _, err := f.open(t).Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)}); err != nil {
		t.Error(err)
	}
}

// AWS_CA_BUNDLE reaches the tuned transport.
func TestCABundle(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	bundle := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})
	setenv(t, map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-west-1",
		"AWS_CA_BUNDLE": file(t, string(bundle)), "AWS_ENDPOINT_URL_LAMBDA": f.URL,
	})
	b, err := awslambda.New(t.Context(), "algo", awslambda.WithShards(1))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)}); err != nil {
		t.Error(err)
	}
	if n := f.requests.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestNewErrors(t *testing.T) {
	good := awslambda.WithConfig(aws.Config{Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})
	type options = []awslambda.Option
	for _, tt := range []struct {
		function string
		options  options
		want     string
	}{
		{"", nil, "not a function name"},
		{"a b", nil, "not a function name"},
		{strings.Repeat("a", 65), nil, "at most 64"},
		{"arn:aws:s3:::bucket", nil, "not a function name"},
		{"arn:aws:lambda:eu-west-1:1:function:x", nil, "not a function name"},
		{"algo:", nil, `qualifier ""`},
		{"algo:a b", nil, `qualifier "a b"`},
		{"algo:1", options{good, awslambda.WithQualifier("2")}, `WithQualifier: "2", but the name says "1"`},
		{"arn:aws:lambda:eu-west-1:123456789012:function:x", options{good, awslambda.WithRegion("eu-west-2")}, `WithRegion: "eu-west-2", but the ARN says "eu-west-1"`},
		{"algo", nil, "no region"},
		{"algo", options{nil}, "option 0 is nil"},
		{"algo", options{good, awslambda.WithRegion("")}, "WithRegion"},
		{"algo", options{good, awslambda.WithRegion("not a region")}, "not a region"},
		{"algo", options{awslambda.WithProfile("")}, "WithProfile"},
		{"algo", options{awslambda.WithProfile("nobody")}, "nobody"},
		{"algo", options{good, awslambda.WithProfile("x")}, "exclude each other"},
		{"algo", options{awslambda.WithConfig(aws.Config{Region: "eu-west-1"})}, "no credentials"},
		{"algo", options{good, awslambda.WithStaticCredentials("", "planted-secret", "")}, "WithStaticCredentials"},
		{"algo", options{good, awslambda.WithStaticCredentials("AKID", "", "planted-secret")}, "WithStaticCredentials"},
		{"algo", options{good, awslambda.WithEndpoint("localhost:9000")}, "WithEndpoint"},
		{"algo", options{good, awslambda.WithEndpoint("ftp://host")}, "WithEndpoint"},
		{"algo", options{good, awslambda.WithEndpoint("https://me:planted-secret@host")}, "WithEndpoint"},
		{"algo", options{good, awslambda.WithEndpoint("https://host/?x=1")}, "WithEndpoint"},
		{"algo", options{good, awslambda.WithEndpoint(":")}, "WithEndpoint"},
		{"algo", options{good, awslambda.WithQualifier("")}, "WithQualifier"},
		{"algo", options{good, awslambda.WithTenantID("")}, "WithTenantID"},
		{"algo", options{good, awslambda.WithTenantID("a\nb")}, "WithTenantID"},
		{"algo", options{good, awslambda.WithClientLog(nil)}, "WithClientLog"},
		{"algo", options{good, awslambda.WithWorkers(0)}, "WithWorkers"},
		{"algo", options{good, awslambda.WithWorkers(1_000_000)}, "WithWorkers"},
		{"algo", options{good, awslambda.WithFunctionTimeout(0)}, "WithFunctionTimeout"},
		{"algo", options{good, awslambda.WithFunctionTimeout(time.Hour)}, "WithFunctionTimeout"},
		{"algo", options{good, awslambda.WithHTTPTransport(nil)}, "WithHTTPTransport"},
		{"algo", options{awslambda.WithConfig(aws.Config{Region: "eu-west-1", HTTPClient: doer(nil), Credentials: aws.AnonymousCredentials{}}),
			awslambda.WithHTTPTransport(func(*http.Transport) {})}, "no *http.Transport to tune"},
	} {
		b, err := awslambda.New(t.Context(), tt.function, append(tt.options, awslambda.WithShards(1))...)
		if err == nil || b != nil {
			t.Errorf("New(%q) = %v, %v; want an error about %s", tt.function, b, err, tt.want)
			continue
		}
		if !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "lambdapool: open Lambda function ") || strings.Contains(err.Error(), "planted") {
			t.Errorf("New(%q): %v\nwant %s", tt.function, err, tt.want)
		}
	}
}

func TestLimits(t *testing.T) {
	good := awslambda.WithConfig(aws.Config{Region: "eu-west-1", Credentials: aws.AnonymousCredentials{}})
	want := lambdapool.Limits{
		Workers: 256, Request: codec.MaxRequest, Response: codec.MaxReply, Timeout: 15 * time.Minute,
		Burst: 1000, Ramp: 100, Rate: 10,
	}
	for _, tt := range []struct {
		options []awslambda.Option
		change  func(*lambdapool.Limits)
	}{
		{[]awslambda.Option{good}, func(*lambdapool.Limits) {}},
		{[]awslambda.Option{good, awslambda.WithWorkers(7)}, func(l *lambdapool.Limits) { l.Workers = 7 }},
		{[]awslambda.Option{good, awslambda.WithFunctionTimeout(3 * time.Second)}, func(l *lambdapool.Limits) { l.Timeout = 3 * time.Second }},
	} {
		b, err := awslambda.New(t.Context(), "algo", append(tt.options, awslambda.WithShards(1))...)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		want := want
		tt.change(&want)
		if diff := cmp.Diff(want, b.Limits()); diff != "" {
			t.Errorf("limits (-want +got):\n%s", diff)
		}
	}
}

// A doer is an HTTP client that is nobody's.
type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// Whatever client the configuration brings is used, and none may lie about the outcome.
func TestHTTPClients(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, "%s %d", r.Proto, len(body))
	})
	big := random(t, 1<<20)
	invoke := func(client aws.HTTPClient) (string, error) {
		cfg := f.config()
		cfg.HTTPClient = client
		b, err := awslambda.New(t.Context(), "algo", awslambda.WithShards(1), awslambda.WithConfig(cfg))
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		resp, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: big})
		if err != nil {
			return "", err
		}
		return string(resp.Payload), nil
	}
	if got, err := invoke(f.Client()); err != nil || got != "HTTP/1.1 1048576" {
		t.Errorf("http.Client: %q, %v", got, err)
	}
	// Not tuned, and so HTTP/2 after all.
	if got, err := invoke(doer(f.Client().Do)); err != nil || got != "HTTP/2.0 1048576" {
		t.Errorf("a client of its own: %q, %v", got, err)
	}
	// One that never closes the body.
	_, err := invoke(doer(func(*http.Request) (*http.Response, error) { return nil, errors.New("no idea") }))
	if e := failure(t, nil, err); e.Outcome != lambdapool.OutcomeUnknown {
		t.Errorf("%v: outcome %v, want unknown", e, e.Outcome)
	}
	if _, err := invoke(&http.Client{}); err == nil {
		t.Error("a client that does not trust the server got through")
	}
}

// The aws.Config's middleware sees the preparation, and its headers stay.
func TestConfigMiddleware(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.UserAgent())
	}))
	defer s.Close()
	b, err := awslambda.New(t.Context(), "algo", awslambda.WithShards(1), awslambda.WithConfig(aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(s.URL), AppID: "my-application",
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	resp, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)})
	if err != nil || !strings.Contains(string(resp.Payload), "app/my-application") || !strings.Contains(string(resp.Payload), "aws-sdk-go-v2/") {
		t.Errorf("user agent %q, %v", resp.Payload, err)
	}
}
