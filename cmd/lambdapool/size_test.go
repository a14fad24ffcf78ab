package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// These make the linker keep every method of every type, which doubles the binary.
func TestTheBinaryLinksNothingThatMakesItLarge(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	for _, large := range []string{"net/rpc", "html/template", "github.com/aws/aws-lambda-go/lambda"} {
		if slices.Contains(deps, large) {
			t.Errorf("lambdapool links %s", large)
		}
	}
	if len(deps) < 100 {
		t.Errorf("only %d packages: go list found too little", len(deps))
	}
}
