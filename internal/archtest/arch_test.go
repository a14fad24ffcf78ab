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

// stores serve `lambdapool local`, and tests: nothing that others build upon. All of them link it.
const stores = module + "/internal/objects"

// containers makes and pushes images: for who deploys to Cloud Run alone.
const containers = "github.com/google/go-containerregistry"

// google mints tokens: nothing for agents, nor for who uses AWS alone.
const google = "golang.org/x/oauth2"

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
	{pattern: "internal/objects", links: []string{"internal/postform"}},
	{pattern: "internal/s3local", links: []string{"internal/objects", "internal/postform"}},  // see below for who must not link it
	{pattern: "internal/gcslocal", links: []string{"internal/objects", "internal/postform"}}, // nor this
	{pattern: "internal/detached", links: []string{"codec", "internal/legible"}},
	{pattern: "driver", links: contract},
	{pattern: "internal/once", links: ground},                                        // for backends that send over net/http
	{pattern: "internal/buildonce", links: []string{"internal/tempdir"}},             // for tests
	{pattern: "internal/googleapi", links: ground},                                   // for who talks to Google; who must not link it is below
	{pattern: "internal/runlocal", links: []string{"driver", "codec", "internal/*"}}, // for tests; what it may not know is below
	{pattern: "internal/googlelocal", links: []string{"driver", "codec", "internal/*"}},
	{pattern: "internal/smoke/work", links: above(".")}, // functions, as agents link them
	{pattern: "internal/smoke/agent", links: above(".", "agent", "backend/backendtest", "internal/smoke/work", "mapreduce", "share", "splits")},
	{pattern: "internal/smoke/claims"}, // what all clouds' have in common
	{pattern: "internal/smoke/gcp", links: above(".", "agent", "backend/backendtest", "backend/httpagent", "backend/cloudrun", "deploy", "deploy/*", "internal/smoke/claims", "internal/smoke/work", "mapreduce", "share", "splits")}, // a command
	{pattern: "internal/smoke", links: above(".", "agent", "backend/*", "deploy", "deploy/shared", "internal/smoke/claims", "internal/smoke/work", "mapreduce", "share", "splits"), sdk: true},                                        // a command
	{pattern: "internal/registry", links: words("codec", "internal/agentmain", "internal/contain")},
	{pattern: "internal/failure", links: append(slices.Clone(contract), "driver")},
	{pattern: "internal/journaled", links: append(slices.Clone(contract), "driver", "internal/failure")},
	{pattern: "internal/payload", links: append(slices.Clone(contract), "driver", "internal/failure")},
	{pattern: "internal/engine", links: append(slices.Clone(contract), "driver", "internal/failure", "internal/funclog", "internal/lazyctx", "internal/nested", "internal/payload", "internal/relief", "internal/schedule", "internal/stack", "price")},
	{pattern: "internal/runs", links: append(slices.Clone(contract), "driver", "internal/detached", "internal/engine", "internal/failure", "internal/funclog", "internal/lazyctx", "internal/nested", "internal/payload", "internal/relief", "internal/schedule", "internal/stack", "price")},
	{pattern: "internal/nested", links: append(slices.Clone(contract), "driver", "internal/failure", "internal/relief")},
	{pattern: "internal/shards", links: append(slices.Clone(contract), "driver", "internal/schedule")},
	{pattern: "internal/storelinks", links: append(slices.Clone(contract), "driver")},
	{pattern: "internal/funclog", links: words("codec")},
	{pattern: "internal/grouping", links: []string{"internal/legible"}},
	{pattern: "internal/linked", links: []string{"internal/quiet"}},
	{pattern: "internal/*"},
	{pattern: "docs"},
	{pattern: ".", links: ground},
	{pattern: "progress", links: above(".")},
	{pattern: "interrupt", links: above(".")},
	{pattern: "report", links: above(".")},
	{pattern: "live", links: above(".", "metrics")}, // it serves HTTP: nothing for agents
	{pattern: "metrics", links: above(".")},
	{pattern: "agent", links: above(".")},
	{pattern: "backend/inproc", links: above(".", "agent")},
	{pattern: "backend/backendtest", links: above(".", "agent", "mapreduce", "share", "splits")},
	{pattern: "backend/awslambda", links: ground, sdk: true},
	{pattern: "backend/awslambda/nest", links: above("backend/awslambda"), sdk: true},
	{pattern: "backend/httpagent", links: ground},
	{pattern: "backend/cloudrun/internal/gcs", links: ground},
	{pattern: "backend/cloudrun", links: above("backend/httpagent", "backend/cloudrun/internal/*")},
	{pattern: "backend/cloudrun/internal/*", links: ground},
	{pattern: "backend/cloudrun/nest", links: above("backend/httpagent", "backend/cloudrun", "backend/cloudrun/internal/*")},
	{pattern: "backend/local/internal/wire", sdk: true},
	{pattern: "backend/local/internal/keep"},
	{pattern: "backend/local/internal/faults", links: []string{"backend/local/internal/wire", "codec"}, sdk: true},
	{pattern: "backend/local/internal/logs", links: []string{"backend/local/internal/wire", "internal/legible"}, sdk: true},
	{pattern: "backend/local/internal/iam", links: []string{"backend/local/internal/wire"}, sdk: true},
	{pattern: "backend/local/internal/sandbox", links: invoke(), sdk: true},
	{pattern: "backend/local/internal/service", links: invoke("backend/local/internal/keep", "backend/local/internal/sandbox"), sdk: true},
	{pattern: "backend/local/internal/controlplane", links: invoke("backend/local/internal/iam", "backend/local/internal/keep", "backend/local/internal/sandbox", "backend/local/internal/service"), sdk: true},
	{pattern: "backend/local/internal/store", links: above("backend/local/internal/keep")},
	{pattern: "backend/local", links: above(".", "agent", "backend/awslambda", "backend/local/internal/*"), sdk: true},
	{pattern: "backend/check", links: above(".", "agent", "backend/inproc", "backend/local", "backend/awslambda"), sdk: true},
	{pattern: "backend", links: above(".", "agent", "backend/*", "live", "metrics"), sdk: true},
	{pattern: "journal", links: above(".")},
	{pattern: "splits", links: slices.Concat(contract, []string{"driver", "internal/linked", "internal/quiet"})}, // functions link it
	{pattern: "share", links: above(".", "splits")},                                                              // functions link it
	{pattern: "deploy/shared", links: ground},
	{pattern: "deploy/rundeploy/internal/*"},
	{pattern: "deploy/rundeploy", links: above("agent", "backend/cloudrun", "backend/httpagent", ".", "deploy/internal/*", "deploy/rundeploy/internal/*", "deploy/shared")},
	{pattern: "deploy/internal/*", links: above(".", "deploy/internal/*", "deploy/shared")}, // whichever cloud
	{pattern: "deploy", links: above(".", "agent", "backend/awslambda", "deploy/internal/*", "deploy/shared"), sdk: true},
	{pattern: "cmd/lambdapool", links: above(".", "agent", "backend", "backend/*", "deploy", "deploy/*", "live", "metrics"), sdk: true},
	{pattern: "mapreduce", links: above(".", "splits")}, // and this
	{pattern: "examples/algorithms", links: above(".", "agent", "backend/inproc", "examples/algorithms/*")},
	{pattern: "examples/*/*", links: above(".")}, // functions, as agents link them
	{pattern: "examples/*", links: above(".", "agent", "backend", "backend/*", "journal", "examples/*/*", "interrupt", "live", "mapreduce", "metrics", "progress", "report", "splits"), sdk: true},
}

// contract is what backends and registries know, and agents link through them.
var contract = words("codec", "internal/agentmain", "internal/contain", "internal/registry")

// words adds what helps to say what is wrong.
func words(rooms ...string) []string {
	return append(rooms, "internal/english", "internal/legible", "internal/suggest")
}

// invoke adds what the embedded Lambda needs to run an invocation.
func invoke(rooms ...string) []string {
	return append(rooms, "backend/local/internal/faults", "backend/local/internal/logs", "backend/local/internal/wire", "codec",
		"internal/agentmain", "internal/english", "internal/isolate", "internal/legible")
}

// ground is what every room above may link.
var ground = []string{"codec", "price", "driver", "internal/*"}

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
			allowed := func(pattern string) bool { return match(pattern, seen(below(dep), name)) }
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
		{"driver", module + "/internal/schedule"},
		{"driver", module + "/internal/isolate"},
		{".", module + "/backend"},
		{".", "github.com/aws"},
		{".", "go.etcd.io"},
		{"agent", "go.etcd.io"},
		{".", "golang.org/x/oauth2"},
		{"agent", "golang.org/x/oauth2"},
		{"backend/awslambda", "golang.org/x/oauth2"},
		{"backend/cloudrun/internal/gcs", "github.com/aws"},
		{"agent", sdk},
		{"agent", "github.com/aws/smithy-go"},
		{"agent", module + "/backend"},
		{".", stores},
		{"agent", stores},
		{"backend", stores},
		{"deploy", stores},
		{"backend", module + "/internal/runlocal"},
		{"backend", module + "/internal/googlelocal"},
		{"internal/runlocal", google}, // it would agree with the client about everything
		{"internal/googlelocal", google},
		{".", google},
		{"agent", google},
		{"backend/awslambda", google},
		{"backend/httpagent", google},
		{"backend/local", google},
		{"deploy", google},
		{"deploy", containers},
		{"deploy/internal/ask", google},
		{"deploy/shared", "golang.org"},
		{"deploy/rundeploy", "github.com/aws"},
		{"deploy/rundeploy", "google.golang.org"},
		{"backend/awslambda", containers},
		{"backend/cloudrun", containers},
		{".", containers},
		{"agent", containers},
		{".", "cloud.google.com"},
		{"agent", "cloud.google.com"},
		{"backend/awslambda", "cloud.google.com"},
		{"backend/cloudrun", "cloud.google.com/go/auth"},
		{"backend/cloudrun", "google.golang.org"},
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

// seen returns what a package is to another: the rooms inside of a package are to all
// others a part of it.
func seen(pkg, from string) string {
	house, _, inside := strings.Cut(pkg, "/internal/")
	if inside && from != house && !strings.HasPrefix(from, house+"/") {
		return house
	}
	return pkg
}

func match(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}
