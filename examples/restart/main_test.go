package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"

	"github.com/lambdapool/lambdapool/agent"
)

// dirVariable has a copy of the test executable run, and kill itself.
const dirVariable = "LAMBDAPOOL_RESTART_TEST"

func TestMain(m *testing.M) {
	agent.Main()
	if dir := os.Getenv(dirVariable); dir != "" {
		fmt.Println(run(context.Background(), os.Stdout, dir, 60, false))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func TestKilledAndStartedAgain(t *testing.T) {
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), dirVariable+"="+dir)
	out, err := cmd.Output()
	if string(out) != "60 of 200 ranges are done, killed\n" || err == nil {
		t.Fatalf("the one that is killed prints %q: %v", out, err)
	}

	var second bytes.Buffer
	if err := run(t.Context(), &second, dir, 0, false); err != nil {
		t.Fatal(err)
	}
	var skipped, ran, primes int
	_, err = fmt.Sscanf(second.String(), "%d ranges were done before and skipped, %d were run\n%d primes below 2000000\n", &skipped, &ran, &primes)
	if err != nil || skipped < 60 || skipped+ran != 200 || ran == 0 || primes != 148_933 {
		t.Errorf("the second prints %q: %v", &second, err)
	}

	var third bytes.Buffer
	if err := run(t.Context(), &third, dir, 0, false); err != nil {
		t.Fatal(err)
	}
	if want := "200 ranges were done before and skipped, 0 were run\n148933 primes below 2000000\n"; third.String() != want {
		t.Errorf("the third prints %q, want %q", &third, want)
	}
}
