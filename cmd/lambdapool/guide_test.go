package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// quoted finds arguments of a shell, with and without quotes.
var quoted = regexp.MustCompile(`'[^']*'|"[^"]*"|[^\s]+`)

// Every command line of the guide names a command that exists, with flags that it has.
func TestCommandsOfTheGuideExist(t *testing.T) {
	pages, err := filepath.Glob("../../docs/guide/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	count := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		shell := false
		for line := range strings.Lines(string(text)) {
			if fence, ok := strings.CutPrefix(line, "```"); ok {
				shell = strings.TrimSpace(fence) == "sh"
			}
			line, _, _ = strings.Cut(line, " #")
			line, _, _ = strings.Cut(line, " | ")
			if words := quoted.FindAllString(line, -1); shell && len(words) > 0 && words[0] == "lambdapool" {
				count++
				parses(t, page, words[1:])
			}
		}
	}
	if count < 10 {
		t.Errorf("only %d commands were found", count)
	}
}

func parses(t *testing.T, page string, args []string) {
	t.Helper()
	cmd, rest, err := (&app{}).root().Find(args)
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err == nil && cmd.Args != nil && cmd.ArgsLenAtDash() < 0 {
		err = cmd.Args(cmd, cmd.Flags().Args())
	}
	if err != nil {
		t.Errorf("%s: lambdapool %s: %v", page, strings.Join(args, " "), err)
	}
}
