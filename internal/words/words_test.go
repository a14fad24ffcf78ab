// Package words_test holds the texts of the errors that a user can meet, on every backend: read
// testdata/errors.txt as a user would. `go test ./internal/words -update` writes it anew.
package words_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/backend/local"
)

var update = flag.Bool("update", false, "write testdata/errors.txt")

func TestMain(m *testing.M) {
	agent.Main()
	os.Exit(m.Run())
}

type point struct{ X, Y int }

var (
	works  = lambdapool.Register("works", func(_ context.Context, n int) (int, error) { return n, nil })
	fails  = lambdapool.Register("fails", func(_ context.Context, n int) (int, error) { return 0, fmt.Errorf("open %d: %w", n, os.ErrNotExist) })
	panics = lambdapool.Register("panics", func(context.Context, int) (int, error) { panic("no luck") })
	exits  = lambdapool.Register("exits", func(context.Context, int) (int, error) { runtime.Goexit(); return 0, nil })
	sleeps = lambdapool.Register("sleeps", func(ctx context.Context, n nap) (int, error) {
		if n.Sign != "" {
			if err := os.WriteFile(n.Sign, nil, 0o600); err != nil {
				return 0, err
			}
		}
		select {
		case <-time.After(n.For):
			return 0, nil
		case <-ctx.Done():
			return 0, fmt.Errorf("sleep: %w", ctx.Err())
		}
	})
	deaf    = lambdapool.Register("deaf", func(_ context.Context, d time.Duration) (int, error) { time.Sleep(d); return 0, nil })
	returns = lambdapool.Register("returns", func(_ context.Context, n int) ([]byte, error) {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i * i >> 3)
		}
		return b, nil
	})
	takes = lambdapool.Register("takes", func(_ context.Context, b []byte) (int, error) { return len(b), nil })
	swaps = lambdapool.Register("swaps", func(_ context.Context, p point) (point, error) { return point{p.Y, p.X}, nil })
	loops = lambdapool.Register("loops", func(context.Context, int) (*node, error) { a := &node{}; a.Next = a; return a, nil })
)

type nap struct {
	For  time.Duration
	Sign string // a file that appears when it begins, if any
}

type node struct{ Next *node }

func init() {
	lambdapool.RegisterFunc("add", func(a, b int) int { return a + b })
	lambdapool.RegisterFunc("join", func(sep string, parts ...string) string { return strings.Join(parts, sep) })
	lambdapool.RegisterFunc("none", func() {})
}

// A book collects errors.
type book struct {
	t    *testing.T
	text strings.Builder
}

func (b *book) chapter(name string) { fmt.Fprintf(&b.text, "\n== %s\n", name) }

func (b *book) add(what string, err error) {
	b.t.Helper()
	if err == nil {
		b.t.Errorf("%s: no error", what)
		return
	}
	fmt.Fprintf(&b.text, "\n%s\n\t%s\n", what, strings.ReplaceAll(normal(err.Error()), "\n", "\n\t"))
}

// What differs from run to run.
var varying = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|inproc-\d+`), "ID"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "ADDRESS"},
	{regexp.MustCompile(`after \d+(\.\d+)? s\b`), "after N s"},
	{regexp.MustCompile(`\[memory \d+ of \d+ MB, ran [^ ]+, billed [^ ]+\]`), "[MEASURED]"},
	{regexp.MustCompile(`with \d+ in this agent`), "with N in this agent"},
	{regexp.MustCompile(`of chunk \d+`), "of chunk N"},
	{regexp.MustCompile(`gives a call [\d.]+m?s`), "gives a call N s"},
}

func normal(text string) string {
	for _, v := range varying {
		text = v.what.ReplaceAllString(text, v.with)
	}
	return text
}

func call(f interface{ Err() error }, done <-chan struct{}) error {
	<-done
	return f.Err()
}

func submit(ctx context.Context, e *lambdapool.Executor, fn any, args ...any) error {
	f := e.Submit(ctx, fn, args...)
	return call(f, f.Done())
}

func executor(t *testing.T, b lambdapool.Backend, opts ...lambdapool.Option) *lambdapool.Executor {
	t.Helper()
	e, err := lambdapool.New(b, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func TestTextsOfErrors(t *testing.T) {
	b := &book{t: t}
	b.mistakes()
	b.chapters(backends(t), "inproc", "local", "awslambda")
	b.chapter("awslambda, refused")
	b.refused()
	golden := filepath.Join("testdata", "errors.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(strings.TrimPrefix(b.text.String(), "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), strings.TrimPrefix(b.text.String(), "\n")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func backends(t *testing.T) map[string]func(timeout time.Duration) lambdapool.Backend {
	t.Helper()
	service := func(timeout time.Duration) *local.Backend {
		b, err := local.New(local.WithTimeout(timeout), local.WithFunctionName("agent"), local.WithConcurrency(20))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		return b
	}
	return map[string]func(time.Duration) lambdapool.Backend{
		"inproc": func(timeout time.Duration) lambdapool.Backend {
			b := inproc.New(inproc.WithTimeout(timeout))
			t.Cleanup(func() { b.Close() })
			return b
		},
		"local": func(timeout time.Duration) lambdapool.Backend { return service(timeout) },
		"awslambda": func(timeout time.Duration) lambdapool.Backend {
			s := service(timeout)
			key, secret := s.Credentials()
			b, err := awslambda.New(t.Context(), s.FunctionName(), awslambda.WithEndpoint(s.Endpoint()), awslambda.WithRegion("us-east-1"),
				awslambda.WithStaticCredentials(key, secret, ""))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { b.Close() })
			return b
		},
	}
}

// mistakes are found before anything is sent, whatever the backend.
func (b *book) mistakes() {
	ctx := b.t.Context()
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	caused, cause := context.WithCancelCause(ctx)
	cause(errors.New("the user pressed stop"))
	late, cancel := context.WithTimeout(ctx, -1)
	defer cancel()
	be := inproc.New()
	e := executor(b.t, be)
	closed := executor(b.t, be)
	closed.Close()
	var none *lambdapool.Executor
	var noFunc func(int) int
	var noHandle *lambdapool.Func[int, int]

	b.chapter("New")
	_, err := lambdapool.New(nil)
	b.add("New(nil)", err)
	for what, opt := range map[string]lambdapool.Option{"a nil option": nil} {
		_, err = lambdapool.New(be, opt)
		b.add(what, err)
	}
	_, err = lambdapool.New(be, lambdapool.WithWorkers(-1))
	b.add("WithWorkers(-1)", err)
	_, err = lambdapool.New(be, lambdapool.WithTimeout(-1))
	b.add("WithTimeout(-1)", err)
	_, err = lambdapool.New(inproc.New(inproc.WithTimeout(-1)))
	b.add("an option of the backend", err)

	b.chapter("Submit")
	b.add("no executor", submit(ctx, none, works, 1))
	b.add("closed executor", submit(ctx, closed, works, 1))
	b.add("no context", submit(nil, e, works, 1)) //nolint:staticcheck // that is the mistake
	b.add("canceled context", submit(canceled, e, works, 1))
	b.add("context canceled for a cause", submit(caused, e, works, 1))
	b.add("context whose time is up", submit(late, e, works, 1))
	b.add("nil function", submit(ctx, e, nil, 1))
	b.add("nil func value", submit(ctx, e, noFunc, 1))
	b.add("nil handle", submit(ctx, e, noHandle, 1))
	b.add("no function at all", submit(ctx, e, 5, 1))
	b.add("a misspelt name", submit(ctx, e, "work", 1))
	b.add("an unknown name", submit(ctx, e, "something else", 1))
	b.add("an unregistered func", submit(ctx, e, strings.ToUpper, "a"))
	b.add("nothing registered", submit(ctx, executor(b.t, be, lambdapool.WithRegistry(lambdapool.NewRegistry())), "f"))
	b.add("too few arguments", submit(ctx, e, "add", 1))
	b.add("too many arguments", submit(ctx, e, "add", 1, 2, 3))
	b.add("an argument too many", submit(ctx, e, "none", 1))
	b.add("too few for a variadic", submit(ctx, e, "join"))
	b.add("another type", submit(ctx, e, "add", 1, "two"))
	b.add("another type of the tail", submit(ctx, e, "join", ",", "a", 1))
	b.add("a number that does not fit", submit(ctx, e, "add", 1, 2.5))
	b.add("nil for a number", submit(ctx, e, "add", nil, 2))
	b.add("another struct", submit(ctx, e, swaps, struct{ A int }{1}))
	b.add("one argument too many of a typed function", submit(ctx, e, works, 1, 2))

	b.chapter("Map")
	mapped := func(ctx context.Context, e *lambdapool.Executor, n int, opts ...lambdapool.MapOption) error {
		_, err := lambdapool.Map(ctx, e, works, make([]int, n), opts...)
		return err
	}
	b.add("no executor", mapped(ctx, none, 1))
	b.add("closed executor", mapped(ctx, closed, 1))
	b.add("closed executor, nothing to do", mapped(ctx, closed, 0))
	b.add("canceled context, nothing to do", mapped(canceled, e, 0))
	b.add("no context", mapped(nil, e, 1))
	b.add("nil option", mapped(ctx, e, 1, nil))
	b.add("ChunkSize(-1)", mapped(ctx, e, 1, lambdapool.ChunkSize(-1)))
	b.add("Parallel(0)", mapped(ctx, e, 1, lambdapool.Parallel(0)))
	b.add("Window(0)", mapped(ctx, e, 1, lambdapool.Window(0)))
	b.add("Total(-1)", mapped(ctx, e, 1, lambdapool.Total(-1)))
	b.add("Total(1) of two", mapped(ctx, e, 2, lambdapool.Total(1)))
	b.add("Progress(nil)", mapped(ctx, e, 1, lambdapool.Progress(nil)))
	b.add("an option of detached runs", mapped(ctx, e, 1, lambdapool.RunName("x")))
	_, err = lambdapool.StarMap(ctx, e, "add", [][]any{{1, 2}, {1}, {1, "x"}}, lambdapool.ContinueOnError())
	b.add("StarMap of bad lists", err)
	_, err = lambdapool.MapDetached(ctx, e, works, []int{1}, lambdapool.Window(1))
	b.add("MapDetached with an option of maps", err)

	b.chapter("Futures")
	queue := executor(b.t, be, lambdapool.WithWorkers(1))
	lambdapool.Submit(ctx, queue, sleeps, nap{For: time.Minute})
	f := lambdapool.Submit(ctx, queue, sleeps, nap{For: time.Minute}) // behind the other, so that it has not been sent
	_, err = f.Result(canceled)
	b.add("Result whose context has ended", err)
	_, err = f.Result(late)
	b.add("Result whose time is up", err)
	_, err = f.Result(nil) //nolint:staticcheck // that is the mistake
	b.add("Result without a context", err)
	b.add("Shutdown whose time is up", queue.Shutdown(late))
	f.Cancel()
	b.add("Cancel", f.Err())
}

// refused are calls that AWS does not accept.
func (b *book) refused() {
	ctx := b.t.Context()
	service, err := local.New(local.WithFunctionName("agent"), local.WithConcurrency(1))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { service.Close() })
	open := func(function, endpoint, secret string) *lambdapool.Executor {
		key, _ := service.Credentials()
		backend, err := awslambda.New(ctx, function, awslambda.WithEndpoint(endpoint), awslambda.WithRegion("us-east-1"),
			awslambda.WithStaticCredentials(key, secret, ""))
		if err != nil {
			b.t.Fatal(err)
		}
		b.t.Cleanup(func() { backend.Close() })
		// Quick enough to be refused for good before the time is up.
		return executor(b.t, backend, lambdapool.WithRetry(lambdapool.RetryPolicy{BaseDelay: time.Millisecond, MaxDelay: time.Millisecond}))
	}
	_, secret := service.Credentials()
	b.add("another secret", submit(ctx, open("agent", service.Endpoint(), "wrong"), works, 1))
	b.add("no such function", submit(ctx, open("nobody", service.Endpoint(), secret), works, 1))
	b.add("argument too large", submit(ctx, open("agent", service.Endpoint(), secret), takes, make([]byte, 8<<20)))
	b.add("result too large", submit(ctx, open("agent", service.Endpoint(), secret), returns, 8<<20))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	l.Close()
	b.add("nobody listens", submit(ctx, open("agent", "http://"+l.Addr().String(), secret), works, 1))
}
