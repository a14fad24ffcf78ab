// Package docs_test holds what the documents promise, and that the API is documented.
package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the repository, seen from here.
const root = ".."

// The README promises that two commands are enough.
func TestReadmeHasTwoCommandsToTry(t *testing.T) {
	var commands []string
	for _, block := range readMarkdown(t, filepath.Join(root, "README.md")).blocks {
		if block.section == "Try it" && block.language == "sh" {
			commands = append(commands, strings.Split(strings.TrimSpace(block.text), "\n")...)
		}
	}
	want := []string{"go run ./examples/quickstart", "go test ./..."}
	if !slices.Equal(commands, want) {
		t.Errorf("commands under \"Try it\": %q, want %q", commands, want)
	}
}

// The tour's code compiles, and does what it says, because it is part of a
// program that is tested.
func TestReadmeCodeIsPartOfTheTour(t *testing.T) {
	source, err := os.ReadFile(filepath.Join(root, "examples", "tour", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	program := squeeze(string(source))
	count := 0
	for _, block := range readMarkdown(t, filepath.Join(root, "README.md")).blocks {
		if block.language != "go" {
			continue
		}
		count++
		for piece := range strings.SplitSeq(squeeze(block.text), "\n\n") {
			if !strings.Contains(program, "\n"+strings.Trim(piece, "\n")+"\n") {
				t.Errorf("this is no part of examples/tour/main.go:\n%s", piece)
			}
		}
	}
	if count == 0 {
		t.Error("README.md has no Go code")
	}
}

// squeeze takes out what may differ between a program and a quotation of it:
// indentation, and the blanks with which gofmt lines up comments.
func squeeze(code string) string {
	var out strings.Builder
	out.WriteString("\n")
	for line := range strings.Lines(code) {
		out.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	return out.String()
}

func TestLinksInDocumentsResolve(t *testing.T) {
	for _, file := range documents(t) {
		for _, target := range readMarkdown(t, file).links {
			path, anchor, _ := strings.Cut(target, "#")
			if strings.Contains(path, "://") {
				continue // not ours to check, and tests have no network
			}
			to := file
			if path != "" {
				to = filepath.Join(filepath.Dir(file), filepath.FromSlash(path))
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: link to %s: %v", file, target, err)
			} else if anchor != "" && !slices.Contains(readMarkdown(t, to).anchors, anchor) {
				t.Errorf("%s: link to %s: no such heading", file, target)
			}
		}
	}
}

// documents returns the Markdown files of the repository.
func documents(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A table that is broken by a blank line, or whose rows have more cells than its heading, is shown as text or cut.
func TestTablesInDocumentsRender(t *testing.T) {
	for _, file := range documents(t) {
		for _, table := range readMarkdown(t, file).tables {
			if len(table) < 2 || !ruler.MatchString(table[1]) {
				t.Errorf("%s: no heading is above this row; is a blank line in its table?\n%s", file, table[0])
				continue
			}
			for _, row := range table {
				if cells(row) != cells(table[0]) {
					t.Errorf("%s: %d cells where the heading has %d:\n%s", file, cells(row), cells(table[0]), row)
				}
			}
		}
	}
}

// ruler is the line below a table's heading.
var ruler = regexp.MustCompile(`^\|( *:?-+:? *\|)+$`)

// cells counts a row's. Also within code a bar begins a new cell, unless there is a backslash before it.
func cells(row string) int { return strings.Count(strings.ReplaceAll(row, `\|`, ""), "|") - 1 }

// A document is what these tests want to know about a Markdown file.
type document struct {
	blocks  []block
	links   []string
	anchors []string // of headings, as GitHub makes them
	tables  [][]string
}

// A block is fenced code.
type block struct {
	section  string // the heading above it
	language string
	text     string
}

var (
	heading  = regexp.MustCompile(`^#+ (.*)$`)
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	noAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

func readMarkdown(t *testing.T, file string) document {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc document
	section, fenced, row := "", false, false
	for line := range strings.Lines(string(data)) {
		language, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		if cell := strings.TrimSpace(line); !fenced && strings.HasPrefix(cell, "|") {
			if !row {
				doc.tables = append(doc.tables, nil)
			}
			doc.tables[len(doc.tables)-1] = append(doc.tables[len(doc.tables)-1], cell)
			row = true
		} else {
			row = false
		}
		switch {
		case isFence && !fenced:
			doc.blocks = append(doc.blocks, block{section: section, language: language})
			fenced = true
		case isFence:
			fenced = false
		case fenced:
			doc.blocks[len(doc.blocks)-1].text += line
		default:
			if match := heading.FindStringSubmatch(strings.TrimSpace(line)); match != nil {
				section = match[1]
				anchor := strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(section), ""), " ", "-")
				doc.anchors = append(doc.anchors, anchor)
			}
			for _, match := range link.FindAllStringSubmatch(line, -1) {
				doc.links = append(doc.links, match[1])
			}
		}
	}
	if fenced {
		t.Fatalf("%s: a code block has no end", file)
	}
	return doc
}
