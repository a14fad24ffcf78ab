package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/legible"
)

// hostileText clears the screen, turns text around, hides a letter, and begins lines
// that look like ours.
const hostileText = "boom\x1b[2J\x1b]0;title\a \u009b1m \u202etxt\u200b\nlambdapool: deleted prod\r\nlambdapool: done"

// An error is shown as text, whoever wrote it: nothing of it acts on a terminal, and no
// line of it can be taken for another message.
func TestErrorsAreSafeOnATerminal(t *testing.T) {
	failed := &lambdapool.FunctionError{
		Func: "f", Type: hostileText, Message: hostileText, RequestID: hostileText, Panic: true, Stack: hostileText,
		Chain: []lambdapool.ErrorDetail{{Type: hostileText, Message: hostileText}},
	}
	pool := &lambdapool.PoolError{
		Op: "call", Func: "f", Kind: lambdapool.ErrAgentCrashed, Err: errors.New(hostileText),
		Hint: hostileText, RequestID: hostileText, LogTail: hostileText,
	}
	invoke := &lambdapool.InvokeError{Kind: lambdapool.ErrAgentCrashed, Err: errors.New(hostileText)}
	for _, err := range []error{failed, pool, invoke, &lambdapool.InvokeError{Err: errors.New(hostileText)}, &lambdapool.ItemError{Index: 3, Err: failed}, &lambdapool.ItemError{Index: 3, Err: pool}} {
		for _, format := range []string{"%s", "%v", "%+v"} {
			text := fmt.Sprintf(format, err)
			for i, line := range strings.Split(text, "\n") {
				if i > 0 && !strings.HasPrefix(line, "\t") {
					t.Errorf("%T with %s begins a line: %q", err, format, line)
				}
				for _, r := range line {
					if r != '\t' && !legible.Shown(r) {
						t.Errorf("%T with %s prints %U", err, format, r)
					}
				}
			}
			if !strings.Contains(text, `boom\x1b[2J`) {
				t.Errorf("%T with %s: %q does not say what was said", err, format, text)
			}
		}
	}
	if failed.Message != hostileText || pool.LogTail != hostileText {
		t.Error("the fields are not as they came")
	}
}

// What says most comes with %+v: the end of the log, of an item, too.
func TestErrorsInFull(t *testing.T) {
	pool := &lambdapool.PoolError{
		Op: "call", Func: "f", Kind: lambdapool.ErrAgentCrashed, Err: errors.New("exit status 2"),
		Outcome: lambdapool.OutcomeRan, Attempts: 1, LogTail: "loading\nfatal error: all goroutines are asleep\n",
	}
	want := "item 3: lambdapool: call f: agent crashed: exit status 2\n\toutcome: ran, attempts: 1\n\tthe end of its log:\n\t| loading\n\t| fatal error: all goroutines are asleep"
	if got := fmt.Sprintf("%+v", &lambdapool.ItemError{Index: 3, Err: pool}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got, want := fmt.Sprintf("%v %q", pool, pool), pool.Error()+" "+fmt.Sprintf("%q", pool.Error()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Names are printed in tables, bars and errors: they show what they are.
func TestNamesThatCannotBeShownAreRefused(t *testing.T) {
	for _, name := range []string{"a\u202eb", "a\u2066b", "a\u200bb", "a\ufeffb", "a\u0085b", "a\x1bb", "a\u2028b", "a\u00adb", "a\u200fb"} {
		message := func() (message any) {
			defer func() { message = recover() }()
			lambdapool.RegisterIn(lambdapool.NewRegistry(), name, func(_ context.Context, n int) (int, error) { return n, nil })
			return nil
		}()
		if message == nil || !strings.Contains(fmt.Sprint(message), "a control character, or one that is invisible or changes the direction of text") {
			t.Errorf("%q: %v", name, message)
		}
	}
	lambdapool.RegisterIn(lambdapool.NewRegistry(), "größe.数", func(_ context.Context, n int) (int, error) { return n, nil })
}
