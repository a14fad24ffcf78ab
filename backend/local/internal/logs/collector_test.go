//go:build linux || darwin

package logs

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/internal/noleak"
)

func TestMain(m *testing.M) { noleak.Main(m) }

// An agent is what the test has in place of one: a pipe, and who collects from it.
type agent struct {
	*Collector

	stdout *os.File
	out    bytes.Buffer
	sunk   []string
}

func collect(t *testing.T, to To) *agent {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{stdout: w}
	to.Out = NewOutput(&a.out)
	to.Sink = func(line []byte) { a.sunk = append(a.sunk, string(line)) }
	if a.Collector, err = Collect(r, to); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *agent) print(t *testing.T, text string) {
	t.Helper()
	if _, err := a.stdout.WriteString(text); err != nil {
		t.Fatal(err)
	}
	a.Drain()
}

func (a *agent) end(t *testing.T) {
	t.Helper()
	if err := a.stdout.Close(); err != nil {
		t.Error(err)
	}
	a.Follow() // it returns, since nobody can write any more
	a.Close()
}

// The program gets whole lines, the group those and the platform's, the caller the end of both.
func TestCollector(t *testing.T) {
	t.Parallel()
	a := collect(t, To{Head: []byte("before\n")})
	a.print(t, "one\ntw")
	a.print(t, "o\nthree")
	a.Notef("START %d", 1)
	a.print(t, "four\nfive")
	a.Say("six")
	a.print(t, "the end")
	a.end(t)
	if diff := cmp.Diff("one\ntwo\nthree\nfour\nfivesix\nthe end\n", a.out.String()); diff != "" {
		t.Errorf("the program: %s", diff)
	}
	if diff := cmp.Diff([]string{"one\n", "two\n", "three", "START 1\n", "four\n", "fivesix\n", "the end"}, a.sunk); diff != "" {
		t.Errorf("the group: %s", diff)
	}
	if diff := cmp.Diff("before\none\ntwo\nthree\nSTART 1\nfour\nfivesix\nthe end", string(a.Cut())); diff != "" {
		t.Errorf("the caller: %s", diff)
	}
	if tail := a.Cut(); len(tail) > 0 {
		t.Errorf("the next caller gets %q", tail)
	}
}

// Marked lines can only be read; those that are not marked stay as they are.
func TestMarks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ mark, want string }{{"", "a\x1b[2J\n"}, {"[agent 1] ", "[agent 1] a\\x1b[2J\n"}} {
		a := collect(t, To{Mark: c.mark})
		a.print(t, "a\x1b[2J\n")
		a.end(t)
		if a.out.String() != c.want {
			t.Errorf("%q, want %q", a.out.String(), c.want)
		}
	}
}

// The tail is 4 KB, whatever came before; a line without an end is cut.
func TestTailAndLinesAreBounded(t *testing.T) {
	t.Parallel()
	a := collect(t, To{})
	for i := range 1000 {
		a.print(t, fmt.Sprintf("line %4d\n", i))
	}
	tail := string(a.Cut())
	if len(tail) != tailSize || !strings.HasSuffix(tail, "\nline  999\n") {
		t.Errorf("%d bytes that end in %q", len(tail), tail[max(0, len(tail)-20):])
	}
	long := strings.Repeat("x", maxLine/4)
	for range 5 {
		a.print(t, long)
	}
	a.end(t)
	if got, want := a.sunk[1000:], []string{strings.Repeat(long, 4), long}; !cmp.Equal(got, want) {
		t.Errorf("a line of %d bytes came in %d pieces", 5*len(long), len(got))
	}
}

// Several agents write to one Output, which has one Write at a time.
func TestOutputIsWrittenByOneAtATime(t *testing.T) {
	t.Parallel()
	var w alone
	out := NewOutput(&w)
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range 200 {
				out.lines([]byte("no end"))
			}
		})
	}
	writers.Wait()
	if w.met || w.lines != 800 {
		t.Errorf("%d whole lines; two at once: %t", w.lines, w.met)
	}
}

// alone notices when it is not.
type alone struct {
	inside atomic.Bool
	met    bool
	lines  int
}

func (a *alone) Write(p []byte) (int, error) {
	if !a.inside.CompareAndSwap(false, true) {
		a.met = true
	}
	runtime.Gosched()
	if string(p) == "no end\n" {
		a.lines++
	}
	a.inside.Store(false)
	return len(p), nil
}
