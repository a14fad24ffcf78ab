package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
)

func TestMain(m *testing.M) {
	agent.Main() // the local backend starts this test binary as its agents
	goleak.VerifyTestMain(m)
}

func TestRun(t *testing.T) {
	for _, backend := range []string{"inproc:", "local:?concurrency=2"} {
		t.Run(backend, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "new")
			var stdout, stderr bytes.Buffer
			err := run(t.Context(), []string{"--backend", backend, "--below", "1000", "--block", "100", "--out", dir}, &stdout, &stderr)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(stdout.String(), "168 primes below 1000\n") {
				t.Errorf("stdout:\n%s", &stdout)
			}
			if !strings.Contains(stderr.String(), "count-primes: 10 items in ") {
				t.Errorf("stderr:\n%s", &stderr)
			}
			for name, want := range map[string]string{"report.html": "<h1>count-primes</h1>", "report.json": `"items": 10,`, "trace.json": `"name":"count-primes"`} {
				data, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil || !bytes.Contains(data, []byte(want)) {
					t.Errorf("%s has no %s (%v)", name, want, err)
				}
			}
		})
	}
}

func TestARunThatFailsLeavesAReport(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	err := run(ctx, []string{"--backend", "inproc:", "--out", dir}, new(bytes.Buffer), new(bytes.Buffer))
	if !errors.Is(err, lambdapool.ErrCanceled) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "report.html")); err != nil {
		t.Error(err)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"--block", "0"}, {"word"}, {"--nonsense"}, {"--backend", "nowhere:"}} {
		if err := run(t.Context(), args, new(bytes.Buffer), new(bytes.Buffer)); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}
