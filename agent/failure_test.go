package agent_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/codec"
)

type plainError struct{ text string }

func (e *plainError) Error() string { return e.text }

// rudeError panics wherever it is asked.
type rudeError struct{}

func (rudeError) Error() string   { panic("no message") }
func (rudeError) Unwrap() error   { panic("nothing inside") }
func (rudeError) Is(_ error) bool { panic("no identity") }

// snakeError wraps itself.
type snakeError struct{}

func (e *snakeError) Error() string { return "snake" }
func (e *snakeError) Unwrap() error { return e }

var errSold = errors.New("sold out")

// fails runs a function that ends as end does.
func fails(t *testing.T, end func() error) *codec.Error {
	t.Helper()
	r := lambdapool.NewRegistry()
	lambdapool.RegisterErrorIn(r, "shop.ErrSold", errSold)
	lambdapool.RegisterIn(r, "end", func(context.Context, int) (int, error) { return 1, end() })
	item := only(t, invoke(t, agent.NewHandler(r), request(t, r, "end", 0)))
	if item.Err == nil {
		t.Fatalf("no error, value %x", item.Value)
	}
	if item.Value != nil {
		t.Errorf("a value of %d bytes beside the error", len(item.Value))
	}
	return item.Err
}

func TestFunctionError(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want codec.Error
	}{
		{"plain", &plainError{"no paper"}, codec.Error{
			Type: "*agent_test.plainError", Message: "no paper",
		}},
		{"wrapped", fmt.Errorf("buy: %w", fmt.Errorf("shelf 3: %w", errSold)), codec.Error{
			Type: "*fmt.wrapError", Message: "buy: shelf 3: sold out",
			Chain: []codec.ErrorLink{{Type: "*fmt.wrapError", Message: "shelf 3: sold out"}, {Type: "*errors.errorString", Message: "sold out"}},
			Codes: []string{"shop.ErrSold"},
		}},
		{"joined", errors.Join(&plainError{"a"}, nil, fmt.Errorf("b: %w and %w", io.EOF, errSold)), codec.Error{
			Type: "*errors.joinError", Message: "a\nb: EOF and sold out",
			Chain: []codec.ErrorLink{
				{Type: "*agent_test.plainError", Message: "a"},
				{Type: "*fmt.wrapErrors", Message: "b: EOF and sold out"},
				{Type: "*errors.errorString", Message: "EOF"},
				{Type: "*errors.errorString", Message: "sold out"},
			},
			Codes: []string{"io.EOF", "shop.ErrSold"},
		}},
		{"nil pointer", (*plainError)(nil), codec.Error{
			Type:    "*agent_test.plainError",
			Message: "a nil *agent_test.plainError, which is not a nil error: return a plain nil where nothing failed",
		}},
		{"not UTF-8", errors.New("\xff\x00"), codec.Error{Type: "*errors.errorString", Message: "\xff\x00"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.Kind = codec.KindFunction
			if diff := cmp.Diff(&tt.want, fails(t, func() error { return tt.err })); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFunctionErrorIsContained(t *testing.T) {
	e := fails(t, func() error { return rudeError{} })
	if e.Kind != codec.KindFunction || e.Type != "agent_test.rudeError" || !strings.Contains(e.Message, "no message") {
		t.Errorf("an error whose methods panic: %+v", e)
	}
	e = fails(t, func() error { return &snakeError{} })
	if e.Kind != codec.KindFunction || e.Message != "snake" || len(e.Chain) != 32 || e.Codes != nil {
		t.Errorf("an error that wraps itself: message %q, %d links, codes %v", e.Message, len(e.Chain), e.Codes)
	}
	long := strings.Repeat("x", 1<<20)
	e = fails(t, func() error { return errors.Join(slices.Repeat([]error{errors.New(long)}, 50)...) })
	total := len(e.Message)
	for _, link := range e.Chain {
		total += len(link.Message)
	}
	if total > 100<<10 || !strings.Contains(e.Message, "bytes more") {
		t.Errorf("50 MiB of messages are sent as %d bytes", total)
	}
}

func TestGoexitIsAnError(t *testing.T) {
	r := lambdapool.NewRegistry()
	lambdapool.RegisterIn(r, "leave", func(_ context.Context, leave bool) (bool, error) {
		if leave {
			runtime.Goexit()
		}
		return true, nil
	})
	req := request(t, r, "leave", true, false, true, false)
	req.Parallel = 1
	reply := invoke(t, agent.NewHandler(r), req)
	for i, item := range reply.Items {
		switch e := item.Err; {
		case i%2 == 1:
			if !result[bool](t, item) {
				t.Errorf("item %d has no value", i)
			}
		case e == nil || e.Kind != codec.KindFunction || !strings.Contains(e.Message, "Goexit"):
			t.Errorf("item %d: %+v, want an error that names Goexit", i, e)
		}
	}
}

//go:noinline
func divide(a, b int) int { return a / b }

//go:noinline
func halve(n int) int { return divide(n, 0) }

func nothing() any { return nil }

func nobody() *plainError { return nil }

// dive recurses so deep that not every frame is worth sending.
func dive(n int) int {
	if n == 0 {
		panic("the bottom")
	}
	return dive(n-1) + 1
}

func TestPanic(t *testing.T) {
	for _, tt := range []struct {
		name    string
		end     func() error
		typ     string
		message string
		codes   []string
		stack   []string // functions, innermost first; the one that calls comes after
	}{
		{"runtime error", func() error { return fmt.Errorf("%d", halve(1)) }, "runtime.errorString", "integer divide by zero", nil, []string{"divide", "halve"}},
		{"text", func() error { panic("out of paper") }, "string", "out of paper", nil, nil},
		{"error", func() error { panic(fmt.Errorf("buy: %w", errSold)) }, "*fmt.wrapError", "buy: sold out", []string{"shop.ErrSold"}, nil},
		{"struct", func() error { panic(struct{ N int }{7}) }, "struct { N int }", "{7}", nil, nil},
		{"nil", func() error { panic(nothing()) }, "*runtime.PanicNilError", "panic called with nil", nil, nil},
		{"nil pointer", func() error { return errors.New(nobody().text) }, "runtime.errorString", "nil pointer dereference", nil, nil},
		{"error that panics", func() error { panic(rudeError{}) }, "agent_test.rudeError", "no message", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := fails(t, tt.end)
			if e.Kind != codec.KindPanic || !strings.Contains(e.Message, tt.message) {
				t.Errorf("kind %d, message %q; want a panic that says %q", e.Kind, e.Message, tt.message)
			}
			if e.Type != tt.typ {
				t.Errorf("type %q, want %q", e.Type, tt.typ)
			}
			if !slices.Equal(e.Codes, tt.codes) {
				t.Errorf("codes %v, want %v", e.Codes, tt.codes)
			}
			functions := stackFunctions(e.Stack)
			for i, want := range append(tt.stack, "TestPanic.func") {
				if i >= len(functions) || !strings.Contains(functions[i], want) {
					t.Fatalf("frame %d is not %s:\n%s", i, want, e.Stack)
				}
			}
			if last := functions[len(functions)-1]; !strings.HasPrefix(last, "github.com/lambdapool/lambdapool/agent_test.") {
				t.Errorf("the last frame is %s, not the user's:\n%s", last, e.Stack)
			}
			if !strings.Contains(e.Stack, "failure_test.go:") || strings.Contains(e.Stack, "runtime.") {
				t.Errorf("stack lacks the user's file or has the runtime's frames:\n%s", e.Stack)
			}
		})
	}
}

// A deferred function that panics itself is what failed; the panic before it is
// still in the stack.
func TestPanicWhilePanicking(t *testing.T) {
	e := fails(t, func() error {
		defer func() { panic(halve(3)) }()
		panic("first")
	})
	if !strings.Contains(e.Message, "divide by zero") || !strings.HasSuffix(stackFunctions(e.Stack)[0], ".divide") {
		t.Errorf("message %q, stack:\n%s", e.Message, e.Stack)
	}
}

func TestDeepPanic(t *testing.T) {
	e := fails(t, func() error { dive(10_000); return nil })
	if n := strings.Count(e.Stack, "agent_test.dive\n"); n < 20 || len(e.Stack) > 32<<10 {
		t.Errorf("%d frames in %d bytes", n, len(e.Stack))
	}
	if !strings.HasSuffix(e.Stack, "(deeper frames left out)") {
		t.Errorf("the stack does not say that it was cut: …%q", e.Stack[max(0, len(e.Stack)-100):])
	}
}

// A panic behind reflection shows the user's frames just the same.
func TestPanicOfDynamicFunction(t *testing.T) {
	r := lambdapool.NewRegistry()
	lambdapool.RegisterFuncIn(r, "halve", halve)
	e := only(t, invoke(t, agent.NewHandler(r), request(t, r, "halve", 4))).Err
	got := stackFunctions(e.Stack)
	if len(got) != 2 || !strings.HasSuffix(got[0], ".divide") || !strings.HasSuffix(got[1], ".halve") {
		t.Errorf("frames %q, want divide and halve only", got)
	}
}

// stackFunctions returns the functions of a stack, innermost first.
func stackFunctions(stack string) []string {
	var functions []string
	for line := range strings.Lines(stack) {
		if !strings.HasPrefix(line, "\t") {
			functions = append(functions, strings.TrimSpace(line))
		}
	}
	return functions
}

func TestUndecodableAndUnencodable(t *testing.T) {
	type ring struct{ Next *ring }
	r := lambdapool.NewRegistry()
	lambdapool.RegisterIn(r, "ring", func(context.Context, int) (*ring, error) {
		p := new(ring)
		p.Next = p
		return p, nil
	})
	req := request(t, r, "ring", 1, "one")
	req.Items = append(req.Items, nil)
	items := invoke(t, agent.NewHandler(r), req).Items
	for i, want := range []codec.ErrorKind{codec.KindEncode, codec.KindBadRequest, codec.KindBadRequest} {
		if e := items[i].Err; e == nil || e.Kind != want || e.Message == "" {
			t.Errorf("item %d: %+v, want kind %d with a message", i, e, want)
		}
	}
}

// A function's own codec error is the function's.
func TestWrappedCodecErrorIsTheFunctions(t *testing.T) {
	e := fails(t, func() error { return fmt.Errorf("inner: %w", &codec.DecodeError{Reason: "mine"}) })
	if e.Kind != codec.KindFunction {
		t.Errorf("kind %d, want the function's", e.Kind)
	}
}

// A leavingError ends whatever goroutine asks what it says.
type leavingError struct{}

func (leavingError) Error() string {
	runtime.Goexit()
	return ""
}

// An error whose methods end their goroutine is an error of the item all the same, whether it
// was returned or the value of a panic.
func TestErrorsThatEndTheirGoroutine(t *testing.T) {
	returned := fails(t, func() error { return leavingError{} })
	if returned.Kind != codec.KindFunction || returned.Type != "agent_test.leavingError" || !strings.Contains(returned.Message, "Goexit") {
		t.Errorf("returned: %+v", returned)
	}
	panicked := fails(t, func() error { panic(leavingError{}) })
	if panicked.Kind != codec.KindPanic || panicked.Type != "agent_test.leavingError" || panicked.Stack == "" {
		t.Errorf("panicked: %+v", panicked)
	}
}
