package main

import (
	"bytes"
	"testing"

	"go.uber.org/goleak"

	"github.com/lambdapool/lambdapool/agent"
)

func TestMain(m *testing.M) {
	agent.Main()
	goleak.VerifyTestMain(m)
}

func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out, 1000); err != nil {
		t.Fatal(err)
	}
	if want := "1000 results; 871 takes the most steps, 178\nagents killed: 1\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
