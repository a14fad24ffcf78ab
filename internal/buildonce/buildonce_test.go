package buildonce

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	stop := Start()
	code := m.Run()
	stop()
	os.Exit(code)
}

func run(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func kept(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir(os.Getenv(keepVariable))
	if err != nil {
		t.Fatal(err)
	}
	return len(files) - 1 // and the command
}

// What is built twice is built once, what differs is not, and a mistake is told each time.
func TestTheSameBuildIsKept(t *testing.T) {
	dir := t.TempDir()
	build := func(out string, flags ...string) []byte {
		t.Helper()
		out = filepath.Join(dir, out)
		if said, err := run(t, "", append(append([]string{"build", "-o", out}, flags...), "--", "./testdata/nosuch")...); err == nil {
			t.Fatalf("a package that is not there was built: %s", said)
		}
		if said, err := run(t, "", append(append([]string{"build", "-o", out}, flags...), "--", "./testdata/nothing")...); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		program, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if said, err := exec.CommandContext(t.Context(), out).CombinedOutput(); err != nil || len(said) > 0 {
			t.Errorf("%v: %s", err, said)
		}
		return program
	}
	before := kept(t)
	first := build("first", "-trimpath")
	if got := kept(t) - before; got != 1 {
		t.Fatalf("%d builds are kept, want 1", got)
	}
	again := build("again", "-trimpath")
	if got := kept(t) - before; got != 1 || !bytes.Equal(first, again) {
		t.Errorf("%d builds are kept, want 1; the same: %t", got, bytes.Equal(first, again))
	}
	Anew(func() {
		if !bytes.Equal(first, build("anew", "-trimpath")) {
			t.Error("what is built anew differs")
		}
	})
	if stripped := build("stripped", "-trimpath", "-ldflags=-s -w"); bytes.Equal(first, stripped) || kept(t)-before != 2 {
		t.Errorf("other flags give the same: %t, and %d builds are kept, want 2", bytes.Equal(first, stripped), kept(t)-before)
	}
	for range 2 {
		if out, err := run(t, "", "list", "--", "./testdata/nothing"); err != nil || !strings.HasSuffix(out, "/internal/buildonce/testdata/nothing\n") {
			t.Errorf("%v: %s", err, out)
		}
	}
	if got := kept(t) - before; got != 3 {
		t.Errorf("%d answers are kept, want 3", got)
	}
}

// A package elsewhere may change.
func TestOtherModulesAreNotKept(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module example.com/other\n")
	for _, name := range []string{"a", "b"} {
		write("main.go", "package "+name+"\n")
		if out, err := run(t, dir, "list", "-f", "{{.Name}}"); err != nil || out != name+"\n" {
			t.Errorf("there: %v: %s", err, out)
		}
		if out, err := run(t, "", "list", "-f", "{{.Name}}", filepath.Join(dir, "main.go")); err != nil || out != name+"\n" {
			t.Errorf("from here: %v: %s", err, out)
		}
	}
}
