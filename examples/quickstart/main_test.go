package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/internal/runlocal"
)

func TestMain(m *testing.M) {
	agent.Main() // the local backend starts this test binary as its agents
	goleak.VerifyTestMain(m)
}

// fixture writes a small library and returns its directory.
func fixture(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, source := range map[string]string{
		"a/a.go":            "package a\n\nfunc A() {\n}\n\ntype T int\n\nfunc (T) M() {}\n",
		"a/a_test.go":       "package a\n\nfunc helper() {}\n",
		"b/c/c.go":          "package c\n\nfunc C() {\n\t_ = 1\n}\n",
		"b/testdata/ok.go":  "package ok\n\nfunc NotListed() {\n\n\n\n\n\n}\n",
		"b/testdata/bad.go": "this is not Go\n",
		"b/README.md":       "nor is this",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRunAgreesOnEveryBackend(t *testing.T) {
	dir := fixture(t)
	want := tally{
		Files: 4, Invalid: 1, Packages: 2, Bytes: 150, Lines: 25, Functions: 5, Types: 1,
		Largest: []pkg{
			{Path: "a", Files: 2, Lines: 11, Functions: 3},
			{Path: "b/c", Files: 1, Lines: 5, Functions: 1},
		},
		Longest: []function{
			{Name: "C", File: "b/c/c.go", Line: 3, Lines: 3},
			{Name: "A", File: "a/a.go", Line: 3, Lines: 2},
			{Name: "T.M", File: "a/a.go", Line: 8, Lines: 1},
			{Name: "helper", File: "a/a_test.go", Line: 3, Lines: 1},
		},
	}
	for _, backend := range []string{"inproc:", "local:", cloudRun(t)} {
		t.Run(backend, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := run(t.Context(), []string{"--backend", backend, "--dir", dir, "--json"}, &stdout, &stderr); code != 0 {
				t.Fatalf("exit code %d: %s", code, &stderr)
			}
			var got report
			if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, *got.Totals, cmpopts.IgnoreUnexported(tally{})); diff != "" {
				t.Errorf("totals (-want +got):\n%s", diff)
			}
			started := backend != "inproc:" // goroutines of this process are there already
			if s := got.Pool.Stats; s.Submitted != 5 || s.Succeeded != 4 || s.FunctionErrors != 1 || (s.ColdStarts > 0) != started {
				t.Errorf("stats = %+v, want 5 calls, one of which failed in the function, and cold starts: %t", s, started)
			}
			if got.Goroutines <= 0 {
				t.Error("nothing to compare with")
			}
		})
	}
}

// cloudRun makes a Cloud Run on this machine whose agents are this test binary, and returns the URL of its backend.
func cloudRun(t *testing.T) string {
	t.Helper()
	s, err := runlocal.New(runlocal.Options{Images: map[string]string{"quickstart": ""}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	name, err := s.Deploy(t.Context(), "quickstart", runlocal.Agents("quickstart", nil))
	if err != nil {
		t.Fatal(err)
	}
	const client = "client@local-project.iam.gserviceaccount.com"
	s.Grant("roles/run.viewer", client, name)
	s.Grant("roles/run.invoker", client, name)
	key, err := s.KeyFile(client)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, key, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
	return "cloudrun:" + name + "?workers=2&endpoint=" + url.QueryEscape(s.URL())
}

func TestText(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"--backend", "inproc:", "--dir", fixture(t)}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	for _, want := range []string{
		"4  files in 2 packages\n",
		"1  more that are not valid Go",
		"11        2           3  a\n",
		"3  C, b/c/c.go:3\n",
		"wall, for 5 calls of one file each",
		"with equal totals\n",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("output lacks %q:\n%s", want, &stdout)
		}
	}
	if stderr.Len() > 0 {
		t.Errorf("stderr: %s", &stderr)
	}
}

func TestExitCodes(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name string
		ctx  context.Context
		args []string
		code int
		want string
	}{
		{"help", t.Context(), []string{"--help"}, 0, "-backend"},
		{"unknown flag", t.Context(), []string{"--nope"}, exitUsage, "-nope"},
		{"argument", t.Context(), []string{"src"}, exitUsage, "--dir"},
		{"workers", t.Context(), []string{"--workers", "-1"}, exitUsage, "must not be negative"},
		{"no such directory", t.Context(), []string{"--dir", filepath.Join(t.TempDir(), "none")}, exitFailed, "none"},
		{"no Go", t.Context(), []string{"--dir", t.TempDir()}, exitFailed, "no .go file"},
		{"no such backend", t.Context(), []string{"--dir", fixture(t), "--backend", "ftp:"}, exitFailed, "ftp"},
		{"interrupted", canceled, []string{"--dir", fixture(t), "--backend", "inproc:"}, exitInterrupted, "interrupted"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(test.ctx, test.args, &stdout, &stderr)
			if code != test.code || !strings.Contains(stderr.String(), test.want) {
				t.Errorf("exit code %d, stderr %q; want %d and %q", code, &stderr, test.code, test.want)
			}
			if stdout.Len() > 0 {
				t.Errorf("stdout: %s", &stdout)
			}
		})
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestStandardLibrary(t *testing.T) {
	dir, err := standardLibrary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "fmt", "print.go")); err != nil {
		t.Error(err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := standardLibrary(t.Context()); err == nil || !strings.Contains(err.Error(), "--dir") {
		t.Errorf("without go in PATH: error = %v, want one that names --dir", err)
	}
}
