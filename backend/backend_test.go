package backend_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

var double = lambdapool.Register("backend.double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })

func TestMain(m *testing.M) {
	agent.Main()
	noleak.Main(m)
}

// isolate keeps the developer's own AWS configuration out of a test.
func isolate(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE":             filepath.Join(dir, "config"),
		"AWS_SHARED_CREDENTIALS_FILE": filepath.Join(dir, "credentials"),
		"AWS_EC2_METADATA_DISABLED":   "true",
		"AWS_ACCESS_KEY_ID":           "AKIDTEST",
		"AWS_SECRET_ACCESS_KEY":       "secret",
		"AWS_SESSION_TOKEN":           "",
		"AWS_PROFILE":                 "",
		"AWS_REGION":                  "",
		"AWS_DEFAULT_REGION":          "",
		"AWS_ENDPOINT_URL":            "",
		"AWS_ENDPOINT_URL_LAMBDA":     "",
		"AWS_ENDPOINT_URL_S3":         "",

		"GOOGLE_APPLICATION_CREDENTIALS": filepath.Join(dir, "no key"),
	} {
		t.Setenv(name, value)
		if value == "" {
			os.Unsetenv(name)
		}
	}
}

// What was opened runs calls.
func TestOpenRuns(t *testing.T) {
	for _, url := range []string{"inproc:", "inproc:?concurrency=2&timeout=5s", "check:?concurrency=1&log=off", "local:?concurrency=2&memory=512&timeout=5s"} {
		t.Run(url, func(t *testing.T) {
			b, err := backend.Open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			if strings.Contains(url, "concurrency=2") && b.Limits().Workers != 2 {
				t.Errorf("%d workers, want 2", b.Limits().Workers)
			}
			e, err := lambdapool.New(b)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			if got, err := lambdapool.Call(t.Context(), e, double, 21); err != nil || got != 42 {
				t.Errorf("double(21) = %d, %v", got, err)
			}
		})
	}
}

func TestOpenTypes(t *testing.T) {
	isolate(t)
	for url, want := range map[string]backend.Backend{
		"local:":                         &local.Backend{},
		"local://":                       &local.Backend{},
		"inproc:":                        &inproc.Backend{},
		"lambda://algo?region=eu-west-1": &awslambda.Backend{},
		"lambda:arn:aws:lambda:eu-west-1:123456789012:function:algo": &awslambda.Backend{},
	} {
		b, err := backend.Open(t.Context(), url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if got, want := fmt.Sprintf("%T", b), fmt.Sprintf("%T", want); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
		if err := b.Close(); err != nil {
			t.Errorf("%s: close: %v", url, err)
		}
	}
}

// Every parameter of lambda:// arrives where it belongs.
func TestOpenLambdaParameters(t *testing.T) {
	isolate(t)
	var got []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			return // New looks for shards meanwhile
		}
		scope := strings.SplitN(r.Header.Get("Authorization"), "/", 4)
		got = []string{r.URL.Path, r.URL.Query().Get("Qualifier"), r.Header.Get("X-Amz-Tenant-Id"), scope[2]}
		fmt.Fprint(w, "ok")
	}))
	defer s.Close()
	for _, url := range []string{
		"lambda://algo?qualifier=live&tenant=blue&region=eu-west-3&workers=7&timeout=3s&endpoint=" + s.URL,
		"lambda://algo:live?tenant=blue&region=eu-west-3&workers=7&timeout=3s&endpoint=" + s.URL,
	} {
		got = nil
		b, err := backend.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(`"x"`)}); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"/2015-03-31/functions/algo/invocations", "live", "blue", "eu-west-3"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", url, diff)
		}
		if l := b.Limits(); l.Workers != 7 || l.Timeout != 3*time.Second {
			t.Errorf("limits %+v", l)
		}
		b.Close()
	}
	if _, err := backend.Open(t.Context(), "lambda://algo?profile=nobody"); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("a profile that does not exist: %v", err)
	}
}

// The bucket makes a store, for whose endpoint the environment is asked.
func TestOpenLambdaBucket(t *testing.T) {
	isolate(t)
	var got string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Method + " " + r.URL.Path }))
	defer s.Close()
	t.Setenv("AWS_ENDPOINT_URL_S3", s.URL)
	for url, want := range map[string]string{
		"lambda://algo?region=eu-west-1&bucket=payloads": "DELETE /payloads/lambdapool/k",
		"lambda://algo?region=eu-west-1":                 "",
	} {
		got = ""
		b, err := backend.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		if store := b.(lambdapool.Storer).Store(); store != nil {
			if err := store.Delete(t.Context(), "k"); err != nil {
				t.Error(err)
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	isolate(t)
	for _, tt := range []struct{ url, want string }{
		{"", "no scheme (known: check, cloudrun, http, https, inproc, lambda, local)"},
		{"local", `no scheme (did you mean "local:"? the colon belongs to it)`},
		{"local?concurrency=2", `did you mean "local:"?`},
		{"lambda", `did you mean "lambda:"?`},
		{"lokal", `did you mean "local"?`},
		{"lokal:", `unknown scheme "lokal" (did you mean "local"? known: check, cloudrun, http, https, inproc, lambda, local)`},
		{"ftp://example.com", `unknown scheme "ftp" (known: check, cloudrun, http, https, inproc, lambda, local)`},
		{"https:", "no host (want https://HOST"},
		{"http://agents.example.com", "not encrypted"},
		{"https://a.example.com?plain=true", "unknown parameter \"plain\""},
		{"http://a.example.com?plain=yes", "want plain=true"},
		{"https://me:secret@a.example.com", "not the URL of agents"},
		{"local:?concurency=3", `unknown parameter "concurency" (did you mean "concurrency"? known: binary, concurrency, data, log, memory, shards, timeout)`},
		{"local:?concurrency=many", `parameter concurrency: "many" is not a whole number`},
		{"local:?concurrency=1&concurrency=2", "parameter concurrency is given 2 times"},
		{"local:?timeout=5", `parameter timeout: "5" is not a duration such as 30s or 5m`},
		{"local:?memory=1", "memory 1 MB"},
		{"local:?log=loud", `parameter log: "loud": must be off`},
		{"local:?binary=/no/such/file", "/no/such/file"},
		{"local:thing", `"thing" after the scheme`},
		{"local:?a=%zz", "malformed parameters"},
		{"inproc:?memory=1", `unknown parameter "memory"`},
		{"inproc:?concurrency=-1", "-1"},
		{"inproc:thing", `"thing" after the scheme`},
		{"check:?data=x", `unknown parameter "data"`},
		{"check:thing", `"thing" after the scheme`},
		{"cloudrun:", "no service"},
		{"cloudrun://algo?regoin=x", `did you mean "region"?`},
		{"cloudrun://Algo", "not the name of a service"},
		{"cloudrun://algo?endpoint=https://me:planted@host", "WithEndpoint: not a URL"},
		{"cloudrun://algo?account=me", "WithServiceAccount"},
		{"cloudrun://algo?tag=Live", "WithTag"},
		{"cloudrun://algo?project=p&region=r", "no credentials"},
		{"lambda:", "no function"},
		{"lambda://%zz", "%zz"},
		{"lambda://not a name", "not a function name"},
		{"lambda://algo?regoin=x", `did you mean "region"?`},
		{"lambda://algo", "no region"},
		{"lambda://algo?region=eu-west-1&bucket=No_Bucket", `WithBucket: "No_Bucket" is not the name of a bucket`},
	} {
		b, err := backend.Open(t.Context(), tt.url)
		if b != nil {
			t.Errorf("%s: a backend next to the error", tt.url)
			b.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "lambdapool: ") {
			t.Errorf("%s: %v\nwant %s", tt.url, err, tt.want)
		}
	}
	_, err := backend.Open(t.Context(), "lambda://algo?region=eu-west-1&endpoint=https://me:planted@host&workers=x")
	if err == nil || strings.Contains(err.Error(), "planted") {
		t.Errorf("a password in the URL: %v", err)
	}
}

func TestOpenThenClose(t *testing.T) {
	isolate(t)
	b, err := backend.Open(t.Context(), "inproc:")
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	var ierr *lambdapool.InvokeError
	if _, err := b.Invoke(t.Context(), &lambdapool.Request{}); !errors.As(err, &ierr) || !errors.Is(err, lambdapool.ErrClosed) {
		t.Errorf("Invoke after Close: %v", err)
	}
}

func ExampleOpen() {
	ctx := context.Background()
	b, err := backend.Open(ctx, "inproc:?concurrency=2") // or "local:", or "lambda://algorithms?region=eu-west-1"
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	e, err := lambdapool.New(b)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer e.Close()
	fmt.Println(lambdapool.Call(ctx, e, double, 21))

	_, err = backend.Open(ctx, "inproc:?concurency=2")
	fmt.Println(err)
	// Output:
	// 42 <nil>
	// lambdapool: open backend "inproc:": unknown parameter "concurency" (did you mean "concurrency"? known: concurrency, timeout)
}
