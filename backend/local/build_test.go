package local_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/local"
)

// Agents that come after the program was replaced are another build, and the client is told.
func TestReplacedProgramWarns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program, next := filepath.Join(dir, "program"), filepath.Join(dir, "next")
	self := must(os.Executable())
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(next, []byte("#!/bin/sh\nexec '"+self+"'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	b := open(t, local.WithBinary(program), local.WithConcurrency(1), local.WithIsolation(false))
	build := b.Build()
	e := must(lambdapool.New(b, lambdapool.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))))
	defer e.Close()
	first := must(lambdapool.Call(t.Context(), e, pid, 0))
	if len(build) != 32 || log.Len() > 0 {
		t.Errorf("build %q, and the log says %q", build, log.String())
	}
	if err := os.Rename(next, program); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := kill(first); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is gone", func() bool { return !exists(first) })
		first = must(lambdapool.Call(t.Context(), e, pid, 0))
	}
	if n := strings.Count(log.String(), "another build"); n != 1 || !strings.Contains(log.String(), "want="+build) {
		t.Errorf("%d warnings, want one that names %s:\n%s", n, build, log.String())
	}
	if b.Build() != build {
		t.Errorf("the backend wants %s now, and %s before", b.Build(), build)
	}
}

// A program that is its own agent is always the same build, whichever Backend starts it.
func TestOwnBuild(t *testing.T) {
	t.Parallel()
	var builds []string
	for _, opts := range [][]local.Option{{}, {local.WithIsolation(false)}} {
		var log bytes.Buffer
		b := open(t, opts...)
		e := must(lambdapool.New(b, lambdapool.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))))
		must(lambdapool.Call(t.Context(), e, pid, 0))
		if builds = append(builds, b.Build()); builds[0] == "" || b.Build() != builds[0] || log.Len() > 0 {
			t.Errorf("builds %q, and the log says %q", builds, log.String())
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What the environment says has the last word; agents in isolation hand it on.
func TestBuildOfTheEnvironment(t *testing.T) {
	t.Parallel()
	for _, isolated := range []bool{true, false} {
		var log bytes.Buffer
		b := open(t, local.WithEnv(map[string]string{"LAMBDAPOOL_BUILD": "theirs"}), local.WithIsolation(isolated))
		e := must(lambdapool.New(b, lambdapool.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))))
		must(lambdapool.Call(t.Context(), e, pid, 0))
		if !strings.Contains(log.String(), "agent=theirs want="+b.Build()) {
			t.Errorf("isolated %t: the log says %q", isolated, log.String())
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}
