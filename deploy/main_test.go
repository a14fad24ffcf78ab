package deploy_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

func TestMain(m *testing.M) {
	noleak.Main(m)
}

// An account is an embedded Lambda, empty, and what was asked of it.
type account struct {
	server *local.Server

	mu       sync.Mutex
	requests []string
	before   func(n int, operation string, r *http.Request) (*http.Response, error) // may answer instead
	after    func(n int, operation string)
}

func newAccount(t testing.TB, opts ...local.Option) *account {
	t.Helper()
	server, err := local.NewServer(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return &account{server: server}
}

// config is that of a client whose requests are counted, and may be tampered with.
func (a *account) config(t testing.TB) aws.Config {
	cfg, transport := a.plain()
	cfg.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
		operation := operationOf(r)
		a.mu.Lock()
		a.requests = append(a.requests, operation)
		n := len(a.requests)
		a.mu.Unlock()
		if a.before != nil {
			if resp, err := a.before(n, operation, r); resp != nil || err != nil {
				return resp, err
			}
		}
		resp, err := transport.RoundTrip(r)
		if a.after != nil {
			a.after(n, operation)
		}
		return resp, err
	})
	t.Cleanup(transport.CloseIdleConnections)
	return cfg
}

func (a *account) plain() (aws.Config, *http.Transport) {
	id, secret := a.server.Credentials()
	transport := &http.Transport{}
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(a.server.Endpoint()),
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
		HTTPClient:  doer(transport.RoundTrip),
	}, transport
}

func (a *account) client(t testing.TB) *deploy.Client { return open(t, a.config(t)) }

// bystander is a client nobody looks at.
func (a *account) bystander(t testing.TB) *deploy.Client {
	cfg, transport := a.plain()
	t.Cleanup(transport.CloseIdleConnections)
	return open(t, cfg)
}

func open(t testing.TB, cfg aws.Config) *deploy.Client {
	t.Helper()
	client, err := deploy.New(cfg, deploy.WithPoll(time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// operationOf names a request by method and path, or by what the service calls it.
func operationOf(r *http.Request) string {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		return target
	}
	return r.Method + " " + r.URL.Path
}

// agent is examples/algorithms, built for this machine once.
var agent = sync.OnceValues(func() (*deploy.Artifact, error) {
	dir, err := os.MkdirTemp("", "lambdapool-deploy-test-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "agent")
	if err := deploy.BuildHere(context.Background(), "..", "./examples/algorithms", out); err != nil {
		return nil, err
	}
	program, err := os.ReadFile(out)
	if err != nil {
		return nil, err
	}
	return deploy.Pack(program, hostArch())
})

func hostArch() string {
	if runtime.GOARCH == "arm64" {
		return deploy.ARM64
	}
	return deploy.X8664
}

func artifact(t testing.TB) *deploy.Artifact {
	t.Helper()
	a, err := agent()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// script is an artifact whose program does nothing of interest, and differs by text.
func script(t testing.TB, text string) *deploy.Artifact {
	t.Helper()
	a, err := deploy.Pack([]byte("#!/bin/sh\n# "+text+"\nexit 1\n"), hostArch())
	if err != nil {
		t.Fatal(err)
	}
	return a
}
