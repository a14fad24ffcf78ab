package claims_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/internal/smoke/claims"
)

func TestReport(t *testing.T) {
	r := &claims.Report{Region: "eu-central-1", Endpoint: "AWS", Left: []string{"bucket b"}}
	r.Check(t.Context(), claims.Row{Claim: "it works", Check: func(context.Context) (string, error) { return "a | b\nc", nil }})
	r.Check(t.Context(), claims.Row{Claim: "it is fast", Check: func(context.Context) (string, error) { return "9 s", errors.New("we say 1") }})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	r.Check(ended, claims.Row{Claim: "it was interrupted", Check: func(ctx context.Context) (string, error) { return "", ctx.Err() }})
	name := filepath.Join(t.TempDir(), "smoke")
	if err := r.Write(name); err != nil {
		t.Fatal(err)
	}
	md, err := os.ReadFile(name + ".md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"region eu-central-1, against AWS. 1 of 2 claims hold.", "| it works | holds | a \\| b c |", "| it is fast | DIFFERS | 9 s; we say 1 |", "Not removed: bucket b",
	} {
		if !strings.Contains(string(md), want) {
			t.Errorf("no %q in\n%s", want, md)
		}
	}
	if data, err := os.ReadFile(name + ".json"); err != nil || !strings.Contains(string(data), `"holds": false`) {
		t.Errorf("%s, %v", data, err)
	}
	if r.Failed() != 1 {
		t.Errorf("%d claims differ, want 1", r.Failed())
	}
}
