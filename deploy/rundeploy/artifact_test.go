package rundeploy_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/deploy/rundeploy"
	"github.com/lambdapool/lambdapool/deploy/shared"
	"github.com/lambdapool/lambdapool/internal/buildonce"
)

// static is a program for Cloud Run that ends at once.
func static(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "program"), source)
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(dir, "program"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestBuildGivesTheSameImageAgain(t *testing.T) {
	one := artifact(t)
	var again *rundeploy.Artifact
	var err error
	buildonce.Anew(func() { again, err = rundeploy.Build(t.Context(), "", algorithms) })
	if err != nil || again.Digest != one.Digest || !strings.HasPrefix(one.Digest, "sha256:") {
		t.Errorf("%+v, again %+v, %v", one, again, err)
	}
	if one.SDK || one.Package != algorithms || one.Compressed >= one.Size {
		t.Errorf("%+v", one)
	}
}

func TestOnlyWhatCouldStartIsPacked(t *testing.T) {
	program := static(t)
	if _, err := rundeploy.Pack(program); err != nil {
		t.Error(err)
	}
	arm := append([]byte(nil), program...)
	arm[18] = 0xb7 // e_machine: aarch64
	for name, tc := range map[string]struct {
		program []byte
		want    string
	}{
		"a script":     {[]byte("#!/bin/sh\n"), "no executable of Linux"},
		"of an ARM":    {arm, "GOARCH=amd64"},
		"an empty one": {nil, "no executable of Linux"},
	} {
		if _, err := rundeploy.Pack(tc.program); !errors.Is(err, shared.ErrInvalid) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := rundeploy.Build(t.Context(), "", "github.com/lambdapool/lambdapool/codec"); !errors.Is(err, shared.ErrNotAgent) {
		t.Error(err)
	}
}
