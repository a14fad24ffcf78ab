// Package parse is the quickstart's work: the function that runs on the agents.
// Client and agent both link it, and with it the same registrations.
package parse

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"

	"github.com/lambdapool/lambdapool"
)

// ErrSyntax says that a file is not valid Go. It is registered, so errors.Is
// finds it on the client as well.
var ErrSyntax = errors.New("not valid Go")

// Parse is [Source] as the pool knows it. Parsing a file twice does no harm.
var Parse = lambdapool.Register("quickstart.parse", Source, lambdapool.Idempotent())

// Without this the client would see the text of the error, and errors.Is would not find it: a
// sentinel is a variable, and the agent's is another one.
func init() {
	lambdapool.RegisterError("quickstart.syntax", ErrSyntax)
}

// Longest is how many of its longest functions a file reports.
const Longest = 5

// A File is one source file on its way to an agent, which has no disk in common with the client.
// Its fields are exported: only those travel.
type File struct {
	Name   string // for error messages
	Source []byte
}

// Facts are what there is to say about one file. They are small: a result travels back, and a whole
// syntax tree would take longer than parsing does.
type Facts struct {
	Bytes     int
	Lines     int
	Functions int // methods included
	Types     int
	Longest   []Function // at most [Longest], longest first
}

// A Function is one function or method of a file.
type Function struct {
	Name  string // "Name" or "Type.Name"
	Line  int    // where it starts, from 1
	Lines int
}

// Source parses one file. Its error wraps [ErrSyntax] when the file is not Go. It uses nothing but
// its argument, so it does the same on every machine, and twice.
func Source(_ context.Context, file File) (Facts, error) {
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, file.Name, file.Source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return Facts{}, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	facts := Facts{Bytes: len(file.Source), Lines: bytes.Count(file.Source, []byte{'\n'})}
	for _, decl := range tree.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			facts.Functions++
			// Not Position: a //line comment would send the reader to another file.
			first := fset.PositionFor(decl.Pos(), false).Line
			last := fset.PositionFor(decl.End(), false).Line
			facts.Longest = append(facts.Longest, Function{name(decl), first, last - first + 1})
		case *ast.GenDecl:
			if decl.Tok == token.TYPE {
				facts.Types += len(decl.Specs)
			}
		}
	}
	slices.SortStableFunc(facts.Longest, func(a, b Function) int { return cmp.Compare(b.Lines, a.Lines) })
	facts.Longest = slices.Clone(facts.Longest[:min(Longest, len(facts.Longest))])
	return facts, nil
}

// name returns "Name", or "Type.Name" for a method.
func name(decl *ast.FuncDecl) string {
	if decl.Recv == nil || len(decl.Recv.List) == 0 {
		return decl.Name.Name
	}
	recv := decl.Recv.List[0].Type
	for {
		switch t := recv.(type) {
		case *ast.StarExpr:
			recv = t.X
		case *ast.ParenExpr:
			recv = t.X
		case *ast.IndexExpr: // T[K]
			recv = t.X
		case *ast.IndexListExpr: // T[K, V]
			recv = t.X
		case *ast.Ident:
			return t.Name + "." + decl.Name.Name
		default:
			return decl.Name.Name
		}
	}
}
