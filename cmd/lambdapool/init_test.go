package main

import (
	"encoding/json"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What init writes is built, tested, run on each backend that needs no account, and deployed.
func TestInitWritesAProgramThatRuns(t *testing.T) {
	s := withLocal(t)
	t.Chdir(t.TempDir())
	t.Setenv("GOPROXY", "off") // what a clone needs is here
	t.Setenv("GOWORK", "off")
	s.want(0, "would write demo/main.go", "init", "demo", "--dry-run")
	if exists(t, "demo") {
		t.Fatal("a dry run wrote something")
	}
	var p program
	if err := json.Unmarshal([]byte(s.want(0, "", "init", "demo", "--module", "example.org/me/demo", "--json")), &p); err != nil {
		t.Fatal(err)
	}
	want := []string{".gitignore", "go.mod", "go.sum", "lambdapool.yaml", "main.go", "main_test.go", "primes.go"}
	if !slices.Equal(p.Files, want) || p.Module != "example.org/me/demo" || p.Replace == "" || !slices.Contains(p.Next, "go run .") {
		t.Errorf("init --json printed %+v", p)
	}
	for _, file := range p.Files {
		source, err := os.ReadFile(filepath.Join("demo", file))
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(file) != ".go" {
			continue
		}
		if formatted, err := format.Source(source); err != nil || string(formatted) != string(source) {
			t.Errorf("%s is not as gofmt leaves it: %v", file, err)
		}
	}
	s.want(1, "exists already", "init", "demo")

	t.Chdir("demo")
	goCommand(t, "build", "-ldflags=-s -w", "-o", "demo", ".") // nobody debugs it
	goCommand(t, "test", "-vet=off", ".")
	for _, args := range [][]string{{}, {"-on", "local:"}} {
		out, err := exec.CommandContext(t.Context(), "./demo", append(args, "-n", "100000")...).CombinedOutput()
		if got := string(out); err != nil || got != "9592 primes below 100000\n" {
			t.Errorf("demo %q printed %q, %v", args, got, err)
		}
	}
	s.want(0, "primes.count  func(main.Range) int", "create")
	s.want(0, "9592", "invoke", "demo", "primes.count", `{"From":0,"To":100000}`)
}

func goCommand(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func exists(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Lstat(path)
	return err == nil
}

func TestInitRefuses(t *testing.T) {
	s := offline(t)
	dir := t.TempDir()
	t.Chdir(dir)
	s.want(2, "where NAME belongs", "init")
	s.want(2, "lower-case letters, digits and hyphens", "init", "Demo")
	s.want(2, "lower-case letters, digits and hyphens", "init", "../demo")
	s.want(2, "must be a path such as example.org/me/demo", "init", "demo", "--module", "has blanks")
	s.want(2, "--replace DIR names a clone", "init", "demo", "--replace", dir)
	if err := os.WriteFile("go.mod", []byte("module example.com/other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.want(2, "is not the module "+poolModule, "init", "demo", "--replace", dir)
	s.want(1, "exists already", "init", "demo", "--dir", ".") // go.mod is there
	if found, err := os.ReadDir(dir); err != nil || len(found) != 1 {
		t.Errorf("%v was written, %v", found, err)
	}
	if err := os.WriteFile("file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.want(1, "is removed again", "init", "demo", "--dir", "file/demo") // below a file
}

// A release is required as it is, and nothing is replaced.
func TestInitOfARelease(t *testing.T) {
	p := &program{Name: "demo", Module: "example.com/demo", Version: "v1.2.3"}
	requires, sums, err := p.pool("")
	if err != nil || requires != nil || sums != nil {
		t.Fatal(requires, sums, err)
	}
	if err := p.render(nil); err != nil {
		t.Fatal(err)
	}
	if got, want := string(p.contents["go.mod"]), "module example.com/demo\n\ngo 1.26\n\nrequire github.com/lambdapool/lambdapool v1.2.3\n"; got != want {
		t.Errorf("go.mod is %q, want %q", got, want)
	}
}
