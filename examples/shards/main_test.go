package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

func TestMain(m *testing.M) {
	agent.Main()
	noleak.Main(m)
}

// Every call runs, on one function and on several.
func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out, 3, 4); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{" 1 shards: 4 calls", " 3 shards: 4 calls"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("printed\n%s\nwithout %q", &out, want)
		}
	}
}
