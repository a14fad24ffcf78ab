package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/internal/legible"
)

// hostile acts on a terminal, hides text, and begins lines that look like ours.
const hostile = "x\x1b[2J\u202e\u200b\tboom\nlambdapool: deleted prod\r\n"

// Whatever the command prints of others is text, on lines that cannot be taken for its own.
func TestNothingOfOthersActsOnTheTerminal(t *testing.T) {
	var errs, table1, json1 bytes.Buffer
	panicked := &lambdapool.FunctionError{Func: "f", Message: hostile, Panic: true, Stack: hostile}
	left := &deploy.Error{Op: "create", Name: hostile, Err: errors.New(hostile), Hint: hostile, Done: []string{hostile}, Left: []deploy.Leftover{{What: hostile, Remove: hostile}}}
	for _, err := range []error{panicked, stackOf(panicked), left, errors.New(hostile), errors.Join(left, errors.New(hostile)), fmt.Errorf("ended: %w", left)} {
		fmt.Fprintln(&errs, message(err))
	}
	table(&table1, [][]string{{"NAME", "TAGS"}, {hostile, hostile}})
	showFindings(&table1, []deploy.Finding{{Level: deploy.Problem, Check: "agent", Text: hostile, Remedy: hostile}})
	showFunction(&table1, &deploy.Shown{Function: deploy.Function{Name: hostile, Tags: map[string]string{hostile: hostile}}, Problem: hostile})
	a := &app{stdout: &json1, json: true}
	if err := a.print(map[string]string{hostile: hostile}, nil); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"errors": errs.String(), "tables": table1.String(), "JSON": json1.String()} {
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			if strings.HasPrefix(line, "lambdapool: deleted") {
				t.Errorf("%s: a line of others looks like ours: %q", name, line)
			}
			for _, r := range line {
				if r != '\t' && !legible.Shown(r) {
					t.Errorf("%s: %U in %q", name, r, line)
				}
			}
		}
	}
	var back map[string]string
	if err := json.Unmarshal(json1.Bytes(), &back); err != nil || back[hostile] != hostile {
		t.Errorf("the JSON says %q, %v", back, err)
	}
}

// Leftovers are commands to be copied: they keep their lines.
func TestWhatIsLeftBehindKeepsItsLines(t *testing.T) {
	err := &deploy.Error{Op: "create", Name: "demo", Err: errors.New("denied"), Left: []deploy.Leftover{{What: "role demo", Remove: "aws iam delete-role --role-name demo"}}}
	want := "lambdapool: create demo: denied; left behind:\n  role demo, remove it with\n    aws iam delete-role --role-name demo"
	if got := message(err); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
