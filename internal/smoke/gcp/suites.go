package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/backendtest"
	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/deploy/rundeploy"
)

// The suites are made of tests, which only a process of their own can run: this program once more, which hears in its
// environment that it is to do that, and where.
const (
	suiteService = "SMOKE_SUITE_SERVICE"
	suiteBucket  = "SMOKE_SUITE_BUCKET"
	suiteQueue   = "SMOKE_SUITE_QUEUE"
)

// suites runs the tests, and does not return: testing.Main ends the process with their verdict.
func suites(service string) {
	client, err := rundeploy.Open(context.Background(), rundeploy.Project{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	c := &cloud{name: service, bucket: os.Getenv(suiteBucket), queue: os.Getenv(suiteQueue), client: client}
	open := func(t *testing.T) lambdapool.Backend {
		t.Helper()
		b, err := c.backend(t.Context(), service, cloudrun.WithWorkers(2))
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
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{
		{Name: "Conformance", F: func(t *testing.T) { backendtest.Run(t, open, backendtest.WithoutNested()) }},
		{Name: "Store", F: func(t *testing.T) {
			transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
			defer transport.CloseIdleConnections()
			backendtest.RunStore(t, open(t).(lambdapool.Storer).Store(), transport)
		}},
	}, nil, nil)
}

// passed counts the cases, so that a suite which has run nothing does not count as success.
var passed = regexp.MustCompile(`(?m)^ *--- PASS`)

// conformance has the suites that every backend and every store passes run on the service and the bucket.
func (c *cloud) conformance(ctx context.Context) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, self, "-test.v") //nolint:gosec // this very program
	cmd.Env = append(os.Environ(), suiteService+"="+c.name, suiteBucket+"="+c.bucket, suiteQueue+"="+c.queue)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	n := len(passed.FindAll(out, -1))
	if err != nil {
		_, _ = os.Stderr.Write(out)
		return fmt.Sprintf("%d cases pass", n), fmt.Errorf("not all do (the output says which): %w", err)
	}
	if n == 0 {
		return "", errors.New("no case has run")
	}
	return fmt.Sprintf("%d cases", n), nil
}

// lifeOf is how long a token is still good for.
func lifeOf(token string) (time.Duration, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return 0, errors.New("it is no ID token")
	}
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return 0, err
	}
	var claims struct {
		Expires int64 `json:"exp"`
	}
	err = json.Unmarshal(data, &claims)
	return time.Until(time.Unix(claims.Expires, 0)), err
}
