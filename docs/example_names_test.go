package docs_test

import (
	"go/ast"
	"go/doc"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// explained are types that programs fill in, or read: they have an example of their name as functions have.
var explained = map[string][]string{
	".":             {"Budget", "Hedging", "Recorder", "RetryPolicy", "Snapshot"},
	"backend/local": {"Faults"},
	"report":        {"Recorder"},
}

// pkg.go.dev shows an example beside the name that it has. So each function, method, option and type that a program
// calls has one of its name.
func TestEveryNameHasItsExample(t *testing.T) {
	unshown := exceptions(t)
	for _, dir := range public(t) {
		t.Run(dir, func(t *testing.T) {
			pkg, files := readPackage(t, dir)
			shown := map[string]bool{}
			for _, e := range doc.Examples(files...) {
				name := e.Name // Type_Method_suffix: suffixes begin in lower case
				if i := strings.LastIndex(name, "_"); i >= 0 && i+1 < len(name) && strings.ToLower(name[i+1:i+2]) == name[i+1:i+2] {
					name = name[:i]
				}
				shown[strings.ReplaceAll(name, "_", ".")] = true
			}
			names := append(callable(pkg), explained[dir]...)
			for _, name := range names {
				reason, excepted := unshown[dir][name]
				switch {
				case shown[name] && excepted:
					t.Errorf("%s has an example: it is no exception any more", name)
				case !shown[name] && !excepted:
					t.Errorf("there is no Example%s", strings.ReplaceAll(name, ".", "_"))
				case excepted:
					usedIn(t, files, name, reason)
				}
			}
			for name := range unshown[dir] {
				if !slices.Contains(names, name) {
					t.Errorf("%s is an exception, and there is no such name", name)
				}
			}
		})
	}
}

// exceptions reads which names have no example of their own, by package, and the example that shows each.
func exceptions(t *testing.T) map[string]map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "unshown.txt"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]string{}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if strings.HasPrefix(line, "#") || len(words) != 3 {
			continue
		}
		if all[words[0]] == nil {
			all[words[0]] = map[string]string{}
		}
		all[words[0]][words[1]] = words[2]
	}
	return all
}

// usedIn holds an exception to its reason: the example that it names does use the name.
func usedIn(t *testing.T, files []*ast.File, name, example string) {
	t.Helper()
	called := name[strings.LastIndex(name, ".")+1:]
	if example == "file" {
		if !namesUsedIn(files)[called] {
			t.Errorf("no file with examples uses %s", name)
		}
		return
	}
	for _, file := range files {
		for _, e := range doc.Examples(file) {
			if "Example"+e.Name != example {
				continue
			}
			uses := false
			ast.Inspect(e.Code, func(n ast.Node) bool {
				selector, ok := n.(*ast.SelectorExpr)
				uses = uses || ok && selector.Sel.Name == called
				return true
			})
			if !uses {
				t.Errorf("%s does not use %s", example, name)
			}
			return
		}
	}
	t.Errorf("%s: there is no %s", name, example)
}

// callable returns what a program calls by name.
func callable(pkg *doc.Package) []string {
	var names []string
	add := func(fs []*doc.Func) {
		for _, f := range fs {
			if !slices.Contains(implicit, f.Name) {
				recv, _, _ := strings.Cut(strings.TrimPrefix(f.Recv, "*"), "[") // without type parameters
				names = append(names, strings.TrimPrefix(recv+"."+f.Name, "."))
			}
		}
	}
	add(pkg.Funcs)
	for _, typ := range pkg.Types {
		add(typ.Funcs)
		add(typ.Methods)
	}
	return names
}
