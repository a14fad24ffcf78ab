package parse_test

import (
	"errors"
	"go/scanner"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/examples/quickstart/parse"
)

const source = `package p

type (
	A struct{}
	B[K, V any] struct{}
)

func short() {}

func (a *A) method() {
	_ = a
}

func (b (*B[K, V])) generic() {
	_ = b
	_ = 0
}

//line elsewhere.go:1000
func moved() {}
func s1() {}
func s2() {}
`

func TestSource(t *testing.T) {
	got, err := parse.Source(t.Context(), parse.File{Name: "p.go", Source: []byte(source)})
	if err != nil {
		t.Fatal(err)
	}
	want := parse.Facts{
		Bytes:     len(source),
		Lines:     22,
		Functions: 6,
		Types:     2,
		Longest: []parse.Function{
			{Name: "B.generic", Line: 14, Lines: 4},
			{Name: "A.method", Line: 10, Lines: 3},
			{Name: "short", Line: 8, Lines: 1},
			{Name: "moved", Line: 20, Lines: 1},
			{Name: "s1", Line: 21, Lines: 1},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}

func TestSourceRefusesWhatIsNotGo(t *testing.T) {
	_, err := parse.Source(t.Context(), parse.File{Name: "bad.go", Source: []byte("package")})
	if !errors.Is(err, parse.ErrSyntax) {
		t.Fatalf("error = %v, want ErrSyntax", err)
	}
	var list scanner.ErrorList
	if !errors.As(err, &list) || !strings.Contains(err.Error(), "bad.go:1:") {
		t.Errorf("error = %v, want it to name the file and line", err)
	}
}
