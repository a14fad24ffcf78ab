package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/lambdapool/lambdapool/agent"
)

func TestMain(m *testing.M) {
	agent.Main() // the local backend starts this test binary as its agents
	goleak.VerifyTestMain(m)
}

func TestRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reads.fa")
	if err := os.WriteFile(path, []byte(">one\nACGACGA\n>two\nTTACG\nAC\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, backend := range []string{"inproc:", "local:?concurrency=2"} {
		var out strings.Builder
		if err := run(t.Context(), []string{"-backend", backend, "-k", "3", path}, &out); err != nil {
			t.Fatal(err)
		}
		got := strings.Split(strings.TrimSpace(out.String()), "\n")
		slices.Sort(got)
		if want := []string{"ACG\t3", "CGA\t2"}; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", backend, got, want)
		}
	}
}
