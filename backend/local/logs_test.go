package local_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/local"
)

var lastWords = lambdapool.Register("local_test.lastWords", func(_ context.Context, text string) (int, error) {
	fmt.Fprintln(os.Stderr, text)
	os.Exit(3)
	return 0, nil
})

// stderrOf returns what is written to this process's stderr by what begins during f.
func stderrOf(t *testing.T, f func()) string {
	t.Helper()
	r, w := must2(os.Pipe())
	old := os.Stderr
	os.Stderr = w
	read := make(chan string)
	go func() {
		text, _ := io.ReadAll(r)
		read <- string(text)
	}()
	f()
	os.Stderr = old
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	return <-read
}

func must2[A, B any](a A, b B, err error) (A, B) {
	if err != nil {
		panic(err)
	}
	return a, b
}

// What agents print is seen by whoever runs the program, unless they say otherwise. It
// says which agent it is of, and does nothing to a terminal.
func TestAgentsOutputGoesToStderr(t *testing.T) {
	printed := func(opts ...local.Option) string {
		return stderrOf(t, func() {
			b := must(local.New(append(opts, local.WithConcurrency(1), as("handler"))...))
			do(t, b, job{Do: "print", Text: "hello \x1b[2J\u202e", N: 3})
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	want := "[agent 1] the handler is being made\n[agent 1] hello \\x1b[2J\\u202e\n[agent 1] xxx\n[agent 1] no end of line\n"
	if got := printed(); got != want {
		t.Errorf("stderr\n%s\nwant\n%s", got, want)
	}
	if got := printed(local.WithLogOutput(io.Discard)); got != "" {
		t.Errorf("discarded, and yet %q", got)
	}
}

// What a dying agent says is in the error, too: %+v has the end of its log.
func TestCrashShowsTheLastLines(t *testing.T) {
	b := open(t, local.WithConcurrency(1), local.WithLogOutput(io.Discard))
	e := must(lambdapool.New(b))
	defer e.Close()
	_, err := lambdapool.Call(t.Context(), e, lastWords, "no model for \x1b[31mregion 7")
	if text := fmt.Sprintf("%+v", err); !strings.Contains(text, "\n\t| no model for \\x1b[31mregion 7\n") {
		t.Errorf("the error does not say what the agent said last:\n%s", text)
	}
	if _, err := lambdapool.Map(t.Context(), e, lastWords, []string{"item's words"}); !strings.Contains(fmt.Sprintf("%+v", err), "item's words") {
		t.Errorf("nor an item's:\n%+v", err)
	}
}
