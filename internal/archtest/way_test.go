package archtest_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A step is a function on the way of an item, and the next one, which it calls, starts or hands on.
type step struct{ file, function, next string }

// wayOfAnItem is what docs/architecture.md tells under "The way of an item". What stands behind an interface
// (a Backend, an Output) is shown by the one that is at hand.
var wayOfAnItem = []step{
	{"map.go", "Map", "collect"},
	{"mapresults.go", "collect", "asCompleted"},
	{"mapping.go", "asCompleted", "batchesOf"},
	{"mapping.go", "batchesOf", "start"},
	{"mapping.go", "start", "Start"},
	{"internal/engine/feed.go", "Start", "feed"},
	{"internal/engine/feed.go", "feed", "takeIn"},
	{"internal/engine/feed.go", "takeIn", "Enter"},
	{"mapping.go", "Enter", "Push"},
	{"internal/engine/lane.go", "Push", "dispatch"},
	{"internal/engine/dispatch.go", "dispatch", "work"},
	{"internal/engine/dispatch.go", "work", "attempt"},
	{"internal/engine/attempt.go", "attempt", "request"},
	{"internal/engine/attempt.go", "request", "Pack"},
	{"internal/payload/payloads.go", "Pack", "encode"},
	{"internal/engine/attempt.go", "attempt", "invoke"},
	{"internal/engine/attempt.go", "invoke", "Invoke"},
	{"backend/inproc/inproc.go", "Invoke", "Invoke"},
	{"agent/handler.go", "Invoke", "invoke"},
	{"agent/handler.go", "invoke", "work"},
	{"agent/handler.go", "work", "runItems"},
	{"agent/run.go", "runItems", "replace"},
	{"agent/worker.go", "replace", "work"},
	{"agent/worker.go", "work", "call"},
	{"agent/worker.go", "call", "Call"},
	{"internal/registry/function.go", "Call", "call"}, // the user's function

	{"internal/engine/attempt.go", "attempt", "received"},
	{"internal/engine/attempt.go", "received", "open"},
	{"internal/engine/reply.go", "open", "DecodeReply"},
	{"internal/engine/attempt.go", "received", "succeeded"},
	{"internal/engine/attempt.go", "succeeded", "answered"},
	{"internal/engine/chunk.go", "answered", "settle"},
	{"internal/engine/lane.go", "settle", "Deliver"},
	{"mapping.go", "Deliver", "Hand"},
	{"mapping.go", "batchesOf", "Received"},
}

func TestTheWayOfAnItem(t *testing.T) {
	const top = "../.."
	calls := map[string]map[string]bool{} // by file and function
	for _, s := range wayOfAnItem {
		if _, known := calls[s.file+" "+s.function]; !known {
			for name, names := range callsIn(t, filepath.Join(top, s.file)) {
				calls[s.file+" "+name] = names
			}
		}
		switch names, there := calls[s.file+" "+s.function]; {
		case !there:
			t.Errorf("%s has no function %s", s.file, s.function)
		case !names[s.next]:
			t.Errorf("%s in %s does not call %s", s.function, s.file, s.next)
		}
	}
}

// callsIn returns the names of what each function of a file calls, whatever they are called on.
func callsIn(t *testing.T, file string) map[string]map[string]bool {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]map[string]bool{}
	for _, decl := range parsed.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		names := calls[f.Name.Name]
		if names == nil {
			names = map[string]bool{}
			calls[f.Name.Name] = names
		}
		ast.Inspect(f.Body, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				switch called := call.Fun.(type) {
				case *ast.Ident:
					names[called.Name] = true
				case *ast.SelectorExpr:
					names[called.Sel.Name] = true
				}
			}
			return true
		})
	}
	return calls
}

// The page tells the way in ten lines: each names one file and functions that the steps above have in it, in the
// same order, and no more than two lines go back to a file of a line before.
func TestTheWayOfAnItemIsTold(t *testing.T) {
	page, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, told, ok := strings.Cut(string(page), "\n## The way of an item\n")
	if !ok {
		t.Fatal("docs/architecture.md does not tell the way of an item")
	}
	told, _, _ = strings.Cut(told, "\n## ")
	lines := regexp.MustCompile("(?m)^([0-9]+)\\. `([a-z/]+\\.go)`(.*(?:\n   .*)*)").FindAllStringSubmatch(told, -1)
	if len(lines) != 10 {
		t.Fatalf("it is told in %d lines, not ten", len(lines))
	}
	var files []string
	at, returns := 0, 0
	for i, line := range lines {
		if line[1] != fmt.Sprint(i+1) {
			t.Errorf("line %d has the number %s", i+1, line[1])
		}
		if slices.Contains(files, line[2]) {
			returns++
		}
		files = append(files, line[2])
		for _, name := range regexp.MustCompile(`\*\*([A-Za-z]+)\*\*`).FindAllStringSubmatch(line[3], -1) {
			found := slices.IndexFunc(wayOfAnItem[at:], func(s step) bool { return s.file == line[2] && s.function == name[1] })
			if found < 0 {
				t.Errorf("line %d: the way has no %s in %s, or not there", i+1, name[1], line[2])
				continue
			}
			at += found
		}
	}
	if returns > 2 {
		t.Errorf("%d lines go back to a file of a line before: %v", returns, files)
	}
}
