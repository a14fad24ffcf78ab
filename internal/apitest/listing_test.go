package apitest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	module   = "github.com/lambdapool/lambdapool"
	driver   = module + "/driver"
	shared   = module + "/deploy/shared"
	current  = "testdata/current.txt"
	released = "testdata/released.txt"
)

var update = flag.Bool("update", false, "write "+current)

// The API is what current.txt says. Whoever changes it sees the change in a diff.
func TestListing(t *testing.T) {
	got := listing(t)
	if *update {
		if err := os.WriteFile(current, []byte(strings.Join(got, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(lines(t, current), got); diff != "" {
		t.Errorf("the API is not the one of %s (-%s +code): if that is meant, run go test ./internal/apitest -update\n%s", current, current, diff)
	}
}

// What the last release had is still there, or the CHANGELOG's newest section names it.
func TestWhatBreaksIsInTheChangelog(t *testing.T) {
	data, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	section := regexp.MustCompile(`(?s)## \[Unreleased\](.*?)(\n## |$)`).FindSubmatch(data)
	if section == nil {
		t.Fatal("CHANGELOG.md has no section [Unreleased]")
	}
	now := lines(t, current)
	for _, line := range lines(t, released) {
		if slices.Contains(now, line) {
			continue
		}
		name := regexp.MustCompile(`\w+$`).FindString(strings.SplitN(strings.SplitN(line, ": ", 2)[1], "\t", 2)[0])
		if !bytes.Contains(section[1], []byte("`"+name)) && !bytes.Contains(section[1], []byte("."+name)) {
			t.Errorf("gone since the last release, and %q is not in the CHANGELOG's [Unreleased]: %s", name, line)
		}
	}
}

func lines(t *testing.T, file string) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

// listing returns a line for each exported declaration: "package: Name<tab>what it is".
func listing(t *testing.T) []string {
	t.Helper()
	exports, public := packages(t)
	lookup := func(path string) (io.ReadCloser, error) {
		file, ok := exports[path]
		if !ok {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(file)
	}
	load := importer.ForCompiler(token.NewFileSet(), "gc", lookup)
	var all []string
	for _, path := range public {
		pkg, err := load.Import(path)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		name := strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
		if name == "" {
			name = "lambdapool"
		}
		for _, line := range declarations(pkg) {
			all = append(all, name+": "+line)
		}
	}
	slices.Sort(all)
	return all
}

// packages returns the public packages of the module, and the files of export data of all that they link. Those are there already
// for the most part, since these tests link them too: to compile the module's other packages here would take long.
func packages(t *testing.T) (exports map[string]string, public []string) {
	t.Helper()
	private := regexp.MustCompile(`/(internal|examples|docs|cmd)(/|$)`)
	for _, pkg := range list(t, module+"/...") {
		if pkg.Name != "main" && !private.MatchString(pkg.ImportPath) {
			public = append(public, pkg.ImportPath)
		}
	}
	exports = map[string]string{}
	for _, pkg := range list(t, append([]string{"-export", "-deps"}, public...)...) {
		exports[pkg.ImportPath] = pkg.Export
	}
	return exports, public
}

// A listed package is what go list says of one.
type listed struct{ ImportPath, Export, Name string }

func list(t *testing.T, args ...string) (all []listed) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Export,Name"}, args...)...)
	cmd.Dir = filepath.Join("..", "..")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var pkg listed
		if err := dec.Decode(&pkg); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, pkg)
	}
}

func declarations(pkg *types.Package) (lines []string) {
	short := func(other *types.Package) string {
		switch {
		case other == pkg, other.Path() == driver && pkg.Path() == module, other.Path() == shared && pkg.Path() == module+"/deploy":
			return ""
		case other.Path() == driver:
			return "lambdapool" // whose name stands for the same type, whichever of the two was written
		}
		return other.Name()
	}
	for _, name := range pkg.Scope().Names() {
		if !token.IsExported(name) {
			continue
		}
		switch o := pkg.Scope().Lookup(name).(type) {
		case *types.Const:
			lines = append(lines, name+"\tconst "+types.TypeString(o.Type(), short)+" = "+o.Val().ExactString())
		case *types.TypeName:
			lines = append(lines, typeLines(name, o, short)...)
		default:
			lines = append(lines, name+"\t"+types.ObjectString(o, short))
		}
	}
	return lines
}

// typeLines are those of a type, of each of its exported fields and of each of its methods.
func typeLines(name string, o *types.TypeName, short types.Qualifier) (lines []string) {
	t := o.Type()
	switch under := t.Underlying().(type) {
	case *types.Struct:
		lines = append(lines, name+"\ttype struct"+parameters(t, short))
		for field := range under.Fields() {
			if field.Exported() {
				lines = append(lines, name+"."+field.Name()+"\tfield "+types.TypeString(field.Type(), short))
			}
		}
	case *types.Interface:
		lines = append(lines, name+"\ttype interface"+parameters(t, short))
	default:
		lines = append(lines, name+"\ttype "+types.TypeString(under, short)+parameters(t, short))
	}
	var receiver types.Type = types.NewPointer(t)
	if types.IsInterface(t) {
		receiver = t
	}
	methods := types.NewMethodSet(receiver)
	for selection := range methods.Methods() {
		if m := selection.Obj(); m.Exported() {
			lines = append(lines, name+"."+m.Name()+"\tmethod "+strings.TrimPrefix(types.TypeString(m.Type(), short), "func"))
		}
	}
	return lines
}

func parameters(t types.Type, short types.Qualifier) string {
	named, ok := types.Unalias(t).(*types.Named)
	if !ok || named.TypeParams().Len() == 0 {
		return ""
	}
	var all []string
	for p := range named.TypeParams().TypeParams() {
		all = append(all, p.Obj().Name()+" "+types.TypeString(p.Constraint(), short))
	}
	return "[" + strings.Join(all, ", ") + "]"
}
