package check_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The same program, with the same flags, on three backends.
func TestAProgramWhoseFunctionUsesAFlag(t *testing.T) {
	program := filepath.Join(t.TempDir(), "factor")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./testdata/factor").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, tt := range []struct{ args, prints string }{
		{"-backend inproc: -factor 10", "30"},
		{"-backend local: -factor 10", "3"},
		{"-backend check: -factor 10", "lambdapool: call scale: client and agent differ: the result is 30 in this process and 3 in an agent of it"},
		{"-backend check:", "3"},
	} {
		out, err := exec.CommandContext(t.Context(), program, strings.Fields(tt.args)...).CombinedOutput()
		text := strings.TrimSpace(string(out))
		wrong := strings.HasPrefix(tt.prints, "lambdapool:")
		printed := text == tt.prints || wrong && strings.HasPrefix(text, tt.prints)
		if (err != nil) != wrong || !printed {
			t.Errorf("%s: %v\n%s\nwant %s", tt.args, err, text, tt.prints)
		}
		if wrong && !strings.Contains(text, "pass it as an argument") {
			t.Errorf("it does not say what to do: %s", text)
		}
	}
}
