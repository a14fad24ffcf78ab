package docs_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// public returns the packages that programs import: all that are neither internal nor commands. Not
// backend/backendtest: it is for tests, which no example can be.
func public(t *testing.T) []string {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		dir, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		dir = filepath.ToSlash(dir)
		switch name := d.Name(); {
		case name == "internal", name == "testdata", dir == "examples", strings.HasPrefix(name, ".") && dir != ".", dir == "backend/backendtest":
			return filepath.SkipDir
		case dir != "." && exists(filepath.Join(path, "go.mod")): // another module
			return filepath.SkipDir
		}
		if name := packageIn(t, path); name != "" && name != "main" {
			dirs = append(dirs, dir)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// packageIn returns the name of the package in a directory, or "".
func packageIn(t *testing.T, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		return file.Name.Name
	}
	return ""
}

// So that a package which is not looked at is noticed here.
func TestAllPublicPackagesAreKnown(t *testing.T) {
	got := public(t)
	for _, dir := range []string{".", "agent", "backend", "backend/awslambda", "backend/check", "backend/cloudrun", "backend/httpagent", "backend/inproc", "backend/local", "codec", "deploy", "deploy/rundeploy", "deploy/shared", "driver", "interrupt", "journal", "mapreduce", "price", "progress", "report", "share", "splits"} {
		if !slices.Contains(got, dir) {
			t.Errorf("%s is not among %q", dir, got)
		}
	}
}

// Methods that fmt, errors and the executor call, not programs.
var implicit = []string{"Error", "Format", "GoString", "String", "Unwrap", "Build", "Invoke", "Limits"}

// Every exported name has a doc comment, and an Example uses every function and
// method that a program may call.
func TestTheAPIIsDocumentedAndShownInExamples(t *testing.T) {
	for _, dir := range public(t) {
		t.Run(dir, func(t *testing.T) {
			pkg, examples := readPackage(t, dir)
			shown := namesUsedIn(examples)
			function := func(f *doc.Func) {
				name := strings.TrimPrefix(f.Recv+"."+f.Name, ".")
				switch {
				case slices.Contains(implicit, f.Name):
				case f.Doc == "":
					t.Errorf("%s has no doc comment", name)
				case !shown[f.Name]:
					t.Errorf("no example uses %s", name)
				}
			}
			values := func(values []*doc.Value) {
				for _, v := range values {
					if v.Doc == "" && !eachSpecHasComment(v.Decl) {
						t.Errorf("%s has no doc comment", strings.Join(v.Names, ", "))
					}
				}
			}
			values(pkg.Consts)
			values(pkg.Vars)
			for _, f := range pkg.Funcs {
				function(f)
			}
			for _, typ := range pkg.Types {
				if typ.Doc == "" {
					t.Errorf("%s has no doc comment", typ.Name)
				}
				values(typ.Consts)
				values(typ.Vars)
				for _, f := range slices.Concat(typ.Funcs, typ.Methods) {
					function(f)
				}
			}
			if pkg.Doc == "" {
				t.Errorf("package %s has no doc comment", pkg.Name)
			}
		})
	}
}

// An example that does not run proves nothing.
func TestExamplesAreRun(t *testing.T) {
	for _, dir := range public(t) {
		_, examples := readPackage(t, dir)
		for _, example := range doc.Examples(examples...) {
			if example.Output == "" && !example.EmptyOutput {
				t.Errorf("%s: Example%s has no Output comment, so it is not run", dir, example.Name)
			}
		}
	}
}

// readPackage returns a package's documentation and those of its test files
// that hold examples.
func readPackage(t *testing.T, dir string) (*doc.Package, []*ast.File) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(dir), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var source, examples []*ast.File
	for _, name := range names {
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		switch {
		case err != nil:
			t.Fatal(err)
		case !strings.HasSuffix(name, "_test.go"):
			source = append(source, file)
		case len(doc.Examples(file)) > 0:
			examples = append(examples, file)
		}
	}
	pkg, err := doc.NewFromFiles(fset, source, dir)
	if err != nil {
		t.Fatal(err)
	}
	return pkg, examples
}

// namesUsedIn returns what follows a dot, X in pkg.X and value.X, in files that hold examples.
func namesUsedIn(files []*ast.File) map[string]bool {
	used := map[string]bool{}
	for _, file := range files {
		for node := range ast.Preorder(file) {
			if selector, ok := node.(*ast.SelectorExpr); ok {
				used[selector.Sel.Name] = true
			}
		}
	}
	return used
}

// eachSpecHasComment reports whether a group's members are explained one by one.
func eachSpecHasComment(decl *ast.GenDecl) bool {
	return !slices.ContainsFunc(decl.Specs, func(spec ast.Spec) bool {
		value, ok := spec.(*ast.ValueSpec)
		return !ok || value.Doc == nil && value.Comment == nil
	})
}
