package docs_test

import (
	"go/doc"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The guide's code compiles, and does what it says, because it is part of programs that are tested: examples/guide, and what
// lambdapool init writes.
func TestGuideCodeIsPartOfATestedProgram(t *testing.T) {
	var programs []string
	for _, pattern := range []string{"examples/guide/*.go", "cmd/lambdapool/fresh/*.go.tmpl"} {
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			programs = append(programs, squeeze(string(source)))
		}
	}
	for _, page := range pages(t) {
		for _, block := range readMarkdown(t, page).blocks {
			if block.language != "go" {
				continue
			}
			for piece := range strings.SplitSeq(squeeze(block.text), "\n\n") {
				part := "\n" + strings.Trim(piece, "\n") + "\n"
				if !slices.ContainsFunc(programs, func(p string) bool { return strings.Contains(p, part) }) {
					t.Errorf("%s: this is no part of examples/guide or of what init writes:\n%s", page, piece)
				}
			}
		}
	}
}

// pages returns the guide's files.
func pages(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "docs", "guide", "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the guide has %d pages, %v", len(files), err)
	}
	return files
}

// The index leads to each page.
func TestGuideHasAnIndex(t *testing.T) {
	links := readMarkdown(t, filepath.Join(root, "docs", "guide", "README.md")).links
	for _, page := range pages(t) {
		if name := filepath.Base(page); name != "README.md" && !slices.Contains(links, name) {
			t.Errorf("docs/guide/README.md has no link to %s", name)
		}
	}
}

// sentinelsOf says under which heading of errors.md a package's sentinels are, if it is not one of its own.
var sentinelsOf = map[string]string{".": "lambdapool", "driver": "lambdapool", "deploy/shared": "deploy", "deploy/rundeploy": "deploy"}

// Whoever meets a sentinel finds there what it means.
func TestErrorsPageHasEverySentinel(t *testing.T) {
	explained := map[string][]string{} // section to names
	section := ""
	page, err := os.ReadFile(filepath.Join(root, "docs", "guide", "errors.md"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(page)) {
		if title, ok := strings.CutPrefix(strings.TrimSpace(line), "## Package "); ok {
			section = title
		}
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "`"); ok && strings.HasPrefix(line, "| `Err") {
			explained[section] = append(explained[section], name)
		}
	}
	count := 0
	for _, dir := range public(t) {
		pkg, _ := readPackage(t, dir)
		in := dir
		if other, ok := sentinelsOf[dir]; ok {
			in = other
		}
		for _, name := range sentinelsIn(pkg) {
			count++
			if !slices.Contains(explained[in], name) {
				t.Errorf("docs/guide/errors.md says nothing of %s under \"Package %s\"", name, in)
			}
		}
	}
	if count < 20 {
		t.Errorf("only %d sentinels were found", count)
	}
}

func sentinelsIn(pkg *doc.Package) []string {
	values := slices.Clone(pkg.Vars)
	for _, typ := range pkg.Types {
		values = append(values, typ.Vars...)
	}
	var names []string
	for _, v := range values {
		for _, name := range v.Names {
			if strings.HasPrefix(name, "Err") {
				names = append(names, name)
			}
		}
	}
	return names
}
