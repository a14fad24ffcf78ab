package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/lambdapool/lambdapool/agent"
)

func TestMain(m *testing.M) {
	agent.Main() // the local backend starts this test binary as its agents
	goleak.VerifyTestMain(m)
}

func TestTourPrintsWhatItsCommentsSay(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	want := `1.414 5
[1 2 3] <nil>
[1 0 3] item 1: lambdapool: call sqrt: sqrt(-4): negative
sqrt(-1): negative true
true
true
true
roots has 3 calls
detached: [1 2 3] <nil>
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
	if source, err := os.ReadFile("main.go"); err != nil {
		t.Fatal(err)
	} else {
		for line := range bytes.Lines([]byte(want)) {
			if !bytes.Contains(source, append([]byte("// "), bytes.TrimSpace(line)...)) {
				t.Errorf("main.go has no comment that says %q", line)
			}
		}
	}
}
