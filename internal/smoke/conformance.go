package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/backend/backendtest"
)

// The conformance suite is made of tests, which only a process of their own can run: this
// program once more, which hears in its environment that it is to do that, and where.
const (
	suiteFunction = "SMOKE_SUITE_FUNCTION"
	suiteBucket   = "SMOKE_SUITE_BUCKET"
)

// suite runs the tests, and does not return: testing.Main ends the process with their verdict.
func suite(function, bucket string) {
	a := &account{name: function, bucket: bucket}
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{
		Name: "Conformance", F: func(t *testing.T) {
			backendtest.Run(t, func(t *testing.T) lambdapool.Backend {
				b, err := a.backend(t.Context(), awslambda.WithWorkers(2))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := b.Close(); err != nil {
						t.Error(err)
					}
				})
				return b
			}, backendtest.Isolated(), backendtest.WithoutNested())
		},
	}}, nil, nil)
}

// passed counts the cases, so that a suite which has run nothing does not count as success.
var passed = regexp.MustCompile(`(?m)^ *--- PASS`)

// conformance has the suite that every backend passes run on the function.
func (a *account) conformance(ctx context.Context) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, self, "-test.v") //nolint:gosec // this very program
	cmd.Env = append(os.Environ(), suiteFunction+"="+a.name, suiteBucket+"="+a.bucket)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	n := len(passed.FindAll(out, -1))
	if err != nil {
		_, _ = os.Stderr.Write(out)
		return fmt.Sprintf("%d cases pass", n), fmt.Errorf("not all do (the output says which): %w", err)
	}
	if n == 0 {
		return "", errors.New("no case has run")
	}
	return fmt.Sprintf("%d cases", n), nil
}
