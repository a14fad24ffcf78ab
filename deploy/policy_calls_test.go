package deploy

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The code calls no operation of AWS that is not in the table, and the table
// has none that the code does not call.
func TestTheTableHasWhatTheCodeCalls(t *testing.T) {
	t.Parallel()
	code := newSource(t)
	clients := code.calls("backend/awslambda")
	deployers := code.calls("deploy", "cmd/lambdapool")
	if code.links("deploy", "backend/awslambda") { // it calls functions, and stores nothing
		for call := range clients {
			if strings.HasPrefix(call, "lambda.") {
				deployers[call] = true
			}
		}
	}
	for call := range rows(forAdministrator) {
		if !deployers[call] {
			t.Errorf("the table has %s, which nobody calls", call)
		}
		delete(deployers, call)
	}
	for who, want := range map[holder]map[string]bool{forClient: clients, forDeployer: deployers, forAgent: code.calls("agent", ".")} {
		name := map[holder]string{forClient: "client", forDeployer: "deployer", forAgent: "agent"}[who]
		got := rows(who)
		for call := range want {
			if !got[call] {
				t.Errorf("the %s calls %s: the table has no row for it", name, call)
			}
		}
		for call := range got {
			if !want[call] {
				t.Errorf("the table lets the %s call %s, which it does not", name, call)
			}
		}
	}
	if len(clients) < 5 || len(deployers) < 20 {
		t.Errorf("only %d and %d calls were found: the search finds too little", len(clients), len(deployers))
	}
}

func TestTheTableIsInOrder(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, r := range table {
		if (r.calls == "") == (r.because == "") {
			t.Errorf("%s has to have operations or a reason, not both", r.action)
		}
		for who := forClient; who <= forAdministrator; who <<= 1 {
			if r.holders&who == 0 {
				continue
			}
			if key := r.action + " " + string('0'+rune(who)); known[key] {
				t.Errorf("%s is there twice", r.action)
			} else {
				known[key] = true
			}
		}
		for call := range strings.FieldsSeq(r.calls) {
			if want := actionOf(call); want != r.action {
				t.Errorf("%s needs %s, the table says %s", call, want, r.action)
			}
		}
	}
}

// rows are the operations that the table lets somebody call.
func rows(who holder) map[string]bool {
	calls := map[string]bool{}
	for _, r := range table {
		if r.holders&who != 0 {
			for call := range strings.FieldsSeq(r.calls) {
				calls[call] = true
			}
		}
	}
	return calls
}

// actionOf returns the action that an operation needs: nearly always one of the same name.
func actionOf(call string) string {
	service, operation, _ := strings.Cut(call, ".")
	switch operation = strings.TrimPrefix(operation, "Presign"); call {
	case "lambda.Invoke":
		operation = "InvokeFunction"
	case "s3.DeleteObjects":
		operation = "DeleteObject"
	case "s3.PresignPostObject":
		operation = "PutObject"
	case "s3.ListObjectsV2":
		operation = "ListBucket"
	}
	return service + ":" + operation
}

const (
	services = "github.com/aws/aws-sdk-go-v2/service/"
	module   = "github.com/lambdapool/lambdapool"
)

// A source is the module's code, type-checked against what the compiler exports.
type source struct {
	t        *testing.T
	packages map[string]listed
	files    *token.FileSet
	importer types.Importer
}

type listed struct {
	ImportPath, Dir, Export string
	GoFiles, Deps           []string
}

func newSource(t *testing.T) *source {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,Deps",
		module, module+"/agent", module+"/deploy", module+"/cmd/lambdapool", module+"/backend/awslambda")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	s := &source{t: t, packages: map[string]listed{}, files: token.NewFileSet()}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		s.packages[p.ImportPath] = p
	}
	s.importer = importer.ForCompiler(s.files, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(s.packages[path].Export)
	})
	return s
}

func (s *source) path(name string) string {
	if name == "." {
		return module
	}
	return module + "/" + name
}

func (s *source) links(name, dep string) bool {
	return slices.Contains(s.packages[s.path(name)].Deps, s.path(dep))
}

// calls returns the operations of AWS that packages use, such as "lambda.Invoke".
func (s *source) calls(names ...string) map[string]bool {
	s.t.Helper()
	found := map[string]bool{}
	for _, name := range names {
		p, ok := s.packages[s.path(name)]
		if !ok {
			s.t.Fatalf("there is no package %s", name)
		}
		var files []*ast.File
		for _, file := range p.GoFiles {
			f, err := parser.ParseFile(s.files, filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			if err != nil {
				s.t.Fatal(err)
			}
			files = append(files, f)
		}
		info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
		if _, err := (&types.Config{Importer: s.importer}).Check(p.ImportPath, s.files, files, info); err != nil {
			s.t.Fatal(err)
		}
		for object := range maps.Values(info.Uses) {
			if call := s.operation(object); call != "" {
				found[call] = true
			}
		}
	}
	return found
}

// operation names the operation that an object of the SDK stands for, if it does.
func (s *source) operation(object types.Object) string {
	f, ok := object.(*types.Func)
	if !ok || f.Pkg() == nil || !strings.HasPrefix(f.Pkg().Path(), services) {
		return ""
	}
	service := strings.TrimPrefix(f.Pkg().Path(), services)
	if strings.Contains(service, "/") {
		return "" // types, and what the services share
	}
	if service == "cloudwatchlogs" {
		service = "logs"
	}
	name := f.Name()
	if receiver := f.Signature().Recv(); receiver != nil {
		switch types.TypeString(receiver.Type(), func(*types.Package) string { return "" }) {
		case "*Client", "*PresignClient":
			if name == "Options" {
				return ""
			}
			return service + "." + name
		}
		return ""
	}
	if operation, ok := strings.CutSuffix(name, "Paginator"); ok {
		return service + "." + strings.TrimPrefix(operation, "New")
	}
	if strings.HasSuffix(name, "Waiter") {
		s.t.Errorf("%s.%s: this test does not know which operation a waiter calls", service, name)
	}
	return ""
}
