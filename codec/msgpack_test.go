package codec_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// msgpackUse is everything that this package calls of the msgpack library, and why that is safe:
// none of it allocates by a length that it reads, recurses, or looks at a Go type.
var msgpackUse = map[string]string{
	"NewEncoder": "writes to our buffer",
	"NewDecoder": "reads from our reader, which is a ByteScanner, so that nothing is buffered twice",

	"EncodeNil": "one byte", "EncodeBool": "one byte",
	"EncodeInt": "a number", "EncodeUint": "a number", "EncodeFloat32": "a number", "EncodeFloat64": "a number",
	"EncodeString":   "the caller's bytes",
	"EncodeBytesLen": "a length", "EncodeArrayLen": "a length", "EncodeMapLen": "a length",

	"DecodeBool": "one byte", "DecodeInt64": "a number", "DecodeUint64": "a number",
	"DecodeFloat32": "a number", "DecodeFloat64": "a number",
	"DecodeArrayLen": "a length that scan has compared with what is left",
	"DecodeMapLen":   "a length that scan has compared with what is left",
}

// The library's own decoding of slices, maps, strings and interfaces believes the lengths that it
// reads (its issues 376 and 401: 5 bytes make it allocate 34 GiB) and has known faults (373). So
// this package decodes those itself, and this test sees that it stays so.
func TestLittleOfMsgpack(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if method, ok := call.Fun.(*ast.SelectorExpr); ok && ofMsgpack(method.X) {
					used[method.Sel.Name] = true
				}
			}
			return true
		})
	}
	if got, want := slices.Sorted(maps.Keys(used)), slices.Sorted(maps.Keys(msgpackUse)); !slices.Equal(got, want) {
		t.Errorf("this package calls\n%q of msgpack, the list says\n%q", got, want)
	}
}

// ofMsgpack says whether x is the package, or the field mp that holds its Encoder or Decoder.
func ofMsgpack(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name == "msgpack"
	case *ast.SelectorExpr:
		return x.Sel.Name == "mp"
	}
	return false
}
