// Package archtest holds the arrows between the rooms: what each package links,
// directly or through others. docs/architecture.md explains them.
package archtest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/lambdapool/lambdapool"

// sdk is the AWS SDK: expensive in an agent, which starts cold.
const sdk = "github.com/aws/aws-sdk-go-v2"

// fakeS3 serves `lambdapool local`, and tests: nothing that others build upon.
const fakeS3 = "github.com/johannesboyne/gofakes3"

// A room is a package, or several that may link the same.
type room struct {
	pattern string   // as path.Match, below the module; "." is the root
	links   []string // patterns of this module's packages that it may link; itself always
	sdk     bool     // whether it may link the AWS SDK
}

// rooms lists them from the bottom. A package belongs to the first that matches.
var rooms = []room{
	{pattern: "codec"},
	{pattern: "price"},
	{pattern: "internal/far", links: above(".", "agent", "backend/inproc")}, // for benchmarks
	{pattern: "internal/s3local"},                                           // see below for who must not link it
	{pattern: "internal/detached", links: []string{"codec"}},
	{pattern: "internal/*"},
	{pattern: "docs"},
	{pattern: ".", links: ground},
	{pattern: "progress", links: above(".")},
	{pattern: "report", links: above(".")},
	{pattern: "agent", links: above(".")},
	{pattern: "backend/inproc", links: above(".", "agent")},
	{pattern: "backend/backendtest", links: above(".", "agent")},
	{pattern: "backend/awslambda", links: above("."), sdk: true},
	{pattern: "backend/local", links: above(".", "agent", "backend/awslambda"), sdk: true},
	{pattern: "backend", links: above(".", "agent", "backend/*"), sdk: true},
	{pattern: "journal", links: above(".")},
	{pattern: "deploy", links: above(".", "agent", "backend/awslambda"), sdk: true},
	{pattern: "cmd/lambdapool", links: above(".", "agent", "backend", "backend/*", "deploy"), sdk: true},
	{pattern: "bench/*/*", links: above(".", "agent")}, // what a benchmark compares
	{pattern: "bench/*", links: above(".", "agent", "backend", "backend/*", "journal"), sdk: true},
	{pattern: "examples/algorithms", links: above(".", "agent", "backend/inproc", "examples/algorithms/*")},
	{pattern: "examples/*/*", links: above(".")}, // functions, as agents link them
	{pattern: "examples/*", links: above(".", "agent", "backend", "backend/*", "journal", "examples/*/*", "progress", "report"), sdk: true},
}

// ground is what every room above may link.
var ground = []string{"codec", "price", "internal/*"}

func above(rooms ...string) []string { return slices.Concat(ground, rooms) }

type goPackage struct {
	ImportPath string   `json:"ImportPath"`
	Deps       []string `json:"Deps"`
}

func TestEveryPackageLinksOnlyWhatItsRoomMay(t *testing.T) {
	for _, pkg := range list(t) {
		name := below(pkg.ImportPath)
		i := slices.IndexFunc(rooms, func(r room) bool { return match(r.pattern, name) })
		if i < 0 {
			t.Errorf("%s belongs to no room: give it one here, and a line in docs/architecture.md", name)
			continue
		}
		for _, dep := range pkg.Deps {
			allowed := func(pattern string) bool { return match(pattern, below(dep)) }
			if own(dep) && !slices.ContainsFunc(rooms[i].links, allowed) {
				t.Errorf("%s links %s, which its room may not", name, below(dep))
			}
			if strings.HasPrefix(dep, sdk) && !rooms[i].sdk {
				t.Errorf("%s links %s: every agent would pay for it", name, dep)
			}
		}
	}
}

// The table above could be wrong; these are the arrows that matter most, said once more.
func TestTheAgentHasNoSDKAndTheRootNoBackend(t *testing.T) {
	pkgs := list(t)
	deps := func(name string) []string {
		for _, pkg := range pkgs {
			if below(pkg.ImportPath) == name {
				return pkg.Deps
			}
		}
		t.Fatalf("there is no package %s", name)
		return nil
	}
	for _, test := range []struct{ pkg, never string }{
		{".", module + "/agent"},
		{".", module + "/backend"},
		{".", "github.com/aws"},
		{".", "go.etcd.io"},
		{"agent", "go.etcd.io"},
		{"agent", sdk},
		{"agent", "github.com/aws/smithy-go"},
		{"agent", module + "/backend"},
		{".", fakeS3},
		{"agent", fakeS3},
		{"backend", fakeS3},
		{"deploy", fakeS3},
		{"codec", module},
		{"examples/algorithms", sdk},
	} {
		for _, dep := range deps(test.pkg) {
			if dep == test.never || strings.HasPrefix(dep, test.never+"/") {
				t.Errorf("%s links %s", test.pkg, dep)
			}
		}
	}
}

// list returns the module's packages with all they link on linux, where agents run.
func list(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Deps", module+"/...")
	cmd.Env = append(cmd.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var pkgs []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var pkg goPackage
		if err := dec.Decode(&pkg); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, pkg)
	}
}

func own(importPath string) bool {
	return importPath == module || strings.HasPrefix(importPath, module+"/")
}

// below returns the path below the module; "." for the root.
func below(importPath string) string {
	return path.Join(".", strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/"))
}

func match(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}
