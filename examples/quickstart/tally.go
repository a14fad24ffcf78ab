package main

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/lambdapool/lambdapool/examples/quickstart/parse"
)

// A tally sums the facts of many files, in whatever order they arrive.
type tally struct {
	Files     int `json:"files"`
	Invalid   int `json:"invalid"` // files that are not valid Go, in no other number
	Packages  int `json:"packages"`
	Bytes     int `json:"bytes"`
	Lines     int `json:"lines"`
	Functions int `json:"functions"`
	Types     int `json:"types"`

	Largest []pkg      `json:"largest_packages"`
	Longest []function `json:"longest_functions"`

	pkgs map[string]*pkg
}

// A pkg is a directory with Go files. Those below a testdata directory are
// counted as files only.
type pkg struct {
	Path      string `json:"path"`
	Files     int    `json:"files"`
	Lines     int    `json:"lines"`
	Functions int    `json:"functions"`
}

// A function is one of the longest.
type function struct {
	Name  string `json:"name"`
	File  string `json:"file"`
	Line  int    `json:"line"`
	Lines int    `json:"lines"`
}

// add counts a file in. It is called in the order of completion, which differs from run to run.
func (t *tally) add(file string, facts parse.Facts) {
	t.Files++
	t.Bytes += facts.Bytes
	t.Lines += facts.Lines
	t.Functions += facts.Functions
	t.Types += facts.Types
	if slices.Contains(strings.Split(file, "/"), "testdata") {
		return
	}
	for _, f := range facts.Longest {
		t.Longest = append(t.Longest, function{f.Name, file, f.Line, f.Lines})
	}
	dir := path.Dir(file)
	if t.pkgs == nil {
		t.pkgs = map[string]*pkg{}
	}
	p := t.pkgs[dir]
	if p == nil {
		p = &pkg{Path: dir}
		t.pkgs[dir] = p
	}
	p.Files++
	p.Lines += facts.Lines
	p.Functions += facts.Functions
}

// finish sorts, and keeps the top entries of each list.
func (t *tally) finish(top int) {
	t.Packages = len(t.pkgs)
	for _, p := range t.pkgs {
		t.Largest = append(t.Largest, *p)
	}
	slices.SortFunc(t.Largest, func(a, b pkg) int {
		return cmp.Or(cmp.Compare(b.Lines, a.Lines), cmp.Compare(a.Path, b.Path))
	})
	t.Largest = t.Largest[:min(top, len(t.Largest))]
	slices.SortFunc(t.Longest, func(a, b function) int {
		return cmp.Or(cmp.Compare(b.Lines, a.Lines), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	t.Longest = t.Longest[:min(top, len(t.Longest))]
}

// equal reports whether both saw the same.
func (t *tally) equal(u *tally) bool {
	return t.Files == u.Files && t.Invalid == u.Invalid && t.Packages == u.Packages && t.Bytes == u.Bytes &&
		t.Lines == u.Lines && t.Functions == u.Functions && t.Types == u.Types &&
		slices.Equal(t.Largest, u.Largest) && slices.Equal(t.Longest, u.Longest)
}
