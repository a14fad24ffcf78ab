package docs_test

import (
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The page lists each room once, each room exists, and no package is left out.
func TestArchitectureListsEachRoomOnce(t *testing.T) {
	listed := roomsOf(t, filepath.Join(root, "docs", "architecture.md"))
	for i, room := range listed {
		if slices.Contains(listed[:i], room) {
			t.Errorf("%s is listed twice", room)
		}
		if !exists(filepath.Join(root, filepath.FromSlash(room))) {
			t.Errorf("%s is listed, and there is no such directory", room)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.ImportPath}} {{.Module.Path}}", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		pkg, module, _ := strings.Cut(strings.TrimSpace(line), " ")
		room := path.Join(".", strings.TrimPrefix(strings.TrimPrefix(pkg, module), "/"))
		if strings.HasPrefix(room, "examples/") {
			room = "examples" // they are many, and their page is the README
		}
		if !slices.Contains(listed, room) {
			t.Errorf("%s is missing in docs/architecture.md", room)
		}
	}
}

// roomsOf reads the list under "Rooms and arrows": a path and what it is, indented below the path that it is a part of.
func roomsOf(t *testing.T, file string) []string {
	t.Helper()
	var rooms []string
	for _, block := range readMarkdown(t, file).blocks {
		if block.section != "Rooms and arrows" {
			continue
		}
		above := ""
		for line := range strings.Lines(block.text) {
			name := strings.TrimRight(strings.Fields(line)[0], ",/")
			indented := strings.HasPrefix(line, " ")
			if indented {
				name = path.Join(above, name)
			} else {
				above = name
			}
			rooms = append(rooms, name)
			if next := strings.Fields(line)[1]; strings.HasSuffix(strings.Fields(line)[0], ",") { // two on one line
				rooms = append(rooms, next)
			}
		}
	}
	if len(rooms) == 0 {
		t.Fatalf("%s has no list of rooms", file)
	}
	return rooms
}
