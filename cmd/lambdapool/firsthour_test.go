package main

import (
	"runtime"
	"strings"
	"testing"
)

// What goes wrong in the first hour says how it is done.
func TestErrorsOfTheFirstHour(t *testing.T) {
	s := offline(t)
	for _, tc := range []struct {
		want string
		args []string
	}{
		{"invoke: -1 was taken for a flag: arguments that begin with '-' go after '--', as in lambdapool invoke NAME FUNCTION -- -1", []string{"invoke", "demo", "fib", "-1"}},
		{"-0.5 was taken for a flag", []string{"cost", "demo", "sqrt", "-0.5"}},
		{`unknown command "lits" (did you mean list?)`, []string{"lits"}},
		{"chunk 0: must be 1 to", []string{"cost", "demo", "fib", "30", "--chunk", "0"}},
	} {
		s.want(exitUsage, tc.want, tc.args...)
	}
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	s.want(exitUsage, "lambdapool local plays Lambda on this machine", "list")
}

// A hostile project file costs no memory: 200 KB of brackets took more than 4 GB.
func TestProjectFileIsBounded(t *testing.T) {
	var laughs strings.Builder
	laughs.WriteString("a: &a [x]\n")
	for c := 'b'; c <= 'z'; c++ {
		laughs.WriteString(string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+", ", 9) + "*" + string(c-1) + "]\n")
	}
	for name, text := range map[string]string{
		"brackets": strings.Repeat("[", 200<<10), "braces": "a: " + strings.Repeat("{a: ", 50<<10),
		"lists": strings.Repeat("- ", 100<<10), "keys": strings.Repeat("? ", 100<<10), "laughs": laughs.String(), "size": strings.Repeat("#\n", 1<<20),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := parseProject([]byte(text))
		runtime.ReadMemStats(&after)
		if err == nil || after.TotalAlloc-before.TotalAlloc > 16<<20 {
			t.Errorf("%s: %d bytes took %d MB: %v", name, len(text), (after.TotalAlloc-before.TotalAlloc)>>20, err)
		}
	}
	if _, err := parseProject([]byte("functions:\n  demo:\n    package: ./demo\n    env: {A: 1, B: '[[['}\n    layers: [a, b]\n")); err != nil {
		t.Error(err)
	}
}
