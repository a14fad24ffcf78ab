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
	dir := t.TempDir()
	for name, text := range map[string]string{"a.txt": "To be or not\nto be\n", "b.txt": "that is the question: to be"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"be\t3", "is\t1", "not\t1", "or\t1", "question:\t1", "that\t1", "the\t1", "to\t3"}
	for _, backend := range []string{"inproc:", "local:?concurrency=2"} {
		var out strings.Builder
		if err := run(t.Context(), []string{"-backend", backend, filepath.Join(dir, "*.txt")}, &out); err != nil {
			t.Fatal(err)
		}
		got := strings.Split(strings.TrimSpace(out.String()), "\n")
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", backend, got, want)
		}
	}
}

// Who names nothing is told what to name.
func TestRunWithoutInput(t *testing.T) {
	var out strings.Builder
	err := run(t.Context(), []string{"-backend", "inproc:"}, &out)
	if err == nil || !strings.Contains(err.Error(), "name files to count theirs") || out.Len() != 0 {
		t.Errorf("%v, %q", err, &out)
	}
}
