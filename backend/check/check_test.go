package check_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/check"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

// setting is what main would have set, by a flag perhaps.
var setting any

// The functions whose results depend on setting. What agents see is its zero value.
var (
	whole = lambdapool.Register("check.whole", func(_ context.Context, n int) (int, error) {
		f, _ := setting.(int)
		return n * f, nil
	})
	text = lambdapool.Register("check.text", func(_ context.Context, s string) (string, error) {
		f, _ := setting.(string)
		return s + f, nil
	})
	decimal = lambdapool.Register("check.real", func(_ context.Context, x float64) (float64, error) {
		f, _ := setting.(float64)
		return x + f, nil
	})
	list = lambdapool.Register("check.list", func(_ context.Context, n int) ([]int, error) {
		f, _ := setting.(int)
		return make([]int, n, n+f)[:n+f], nil
	})
	yes = lambdapool.Register("check.yes", func(context.Context, int) (bool, error) { return setting != nil, nil })
	bad = lambdapool.Register("check.bad", func(_ context.Context, n int) (int, error) {
		switch {
		case setting == "panic":
			panic("set")
		case setting != nil:
			return 0, fmt.Errorf("set to %v", setting)
		}
		return n, nil
	})
	pure = lambdapool.Register("check.pure", func(_ context.Context, n int) (map[string]int, error) {
		if n < 0 {
			return nil, errors.New("negative")
		}
		return map[string]int{"a": n, "b": n + 1, "c": n + 2}, nil
	})
	random = lambdapool.Register("check.random", func(context.Context, int) (uint64, error) { return rand.Uint64(), nil })
	sullen = lambdapool.Register("check.sullen", func(ctx context.Context, _ int) (int, error) {
		runs, _ := setting.(*int)
		if runs == nil { // in an agent
			return 0, nil
		}
		if *runs++; *runs > 1 {
			<-ctx.Done()
			return 0, ctx.Err()
		}
		return 1, nil
	})
	coded = lambdapool.Register("check.coded", func(context.Context, int) (int, error) {
		code, _ := setting.(int)
		return 0, &codeError{code}
	})
	nap = lambdapool.Register("check.nap", func(ctx context.Context, _ int) (int, error) {
		if setting != nil { // here, not in an agent
			return 0, nil
		}
		<-ctx.Done()
		return 0, ctx.Err()
	})
)

// A codeError says less than it has.
type codeError struct{ Code int }

func (*codeError) Error() string { return "it has a code" }

func init() { lambdapool.RegisterErrorType[*codeError]("check.code") }

func TestMain(m *testing.M) {
	agent.Main()
	noleak.Main(m)
}

// open returns an executor on a Backend, and sets what main would.
func open(t *testing.T, set any, opts ...local.Option) *lambdapool.Executor {
	t.Helper()
	setting = set
	b, err := check.New(append(opts, local.WithConcurrency(1), local.WithLogOutput(io.Discard))...)
	if err != nil {
		t.Fatal(err)
	}
	e, err := lambdapool.New(b, lambdapool.WithOwnedBackend())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		setting = nil
	})
	return e
}

func TestWhatMainSetIsFound(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  any
		call func(ctx context.Context, e *lambdapool.Executor) error
		says string
	}{
		{"int", 10, call(whole, 3), "the result is 30 in this process and 0 in an agent"},
		{"large", 100_000, call(whole, 3), "300000 in this process and 0 in"},
		{"negative", -100, call(whole, 3), "-300 in this process and 0 in"},
		{"small and negative", -1, call(whole, 3), "-3 in this process and 0 in"},
		{"float", 0.5, call(decimal, 1), "1.5 in this process and 1 in"},
		{"string", "!", call(text, "hello"), `"hello!" in this process and "hello" in`},
		{"long string", "!", call(text, strings.Repeat("x", 300)), `xxx"… (301 bytes) in this process and "xxx`},
		{"bool", 1, call(yes, 1), "true in this process and false in"},
		{"list", 1, call(list, 2), "(26 bytes) in this process and "},
		{"error", 7, call(bad, 1), `the error "set to 7" in this process and 1 in`},
		{"fields of an error", 7, call(coded, 1), `the error "it has a code" in this process and in an agent of it, but they differ in what is not shown`},
		{"panic", "panic", call(bad, 1), `the panic "set" in this process and 1 in`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.call(t.Context(), open(t, tt.set))
			if !errors.Is(err, lambdapool.ErrVersionMismatch) || !strings.Contains(err.Error(), tt.says) ||
				!strings.Contains(err.Error(), "pass it as an argument") {
				t.Error(err)
			}
		})
	}
}

func call[A, R any](fn *lambdapool.Func[A, R], arg A) func(context.Context, *lambdapool.Executor) error {
	return func(ctx context.Context, e *lambdapool.Executor) error {
		_, err := lambdapool.Call(ctx, e, fn, arg)
		return err
	}
}

func TestWhatIsTheSameIsLeftAlone(t *testing.T) {
	e := open(t, 10)
	got, err := lambdapool.Call(t.Context(), e, pure, 4)
	if err != nil || got["c"] != 6 {
		t.Errorf("%v, %v", got, err)
	}
	var failed *lambdapool.FunctionError
	if _, err := lambdapool.Call(t.Context(), e, pure, -1); !errors.As(err, &failed) || failed.Message != "negative" {
		t.Error(err)
	}
}

// Of the items that share an invocation, only those fail that differ.
func TestAnItemsFateIsItsOwn(t *testing.T) {
	e := open(t, 10)
	got, err := lambdapool.Map(t.Context(), e, whole, []int{0, 1, 0, 2}, lambdapool.ChunkSize(4), lambdapool.ContinueOnError())
	var wrong []int
	for item := range lambdapool.ItemErrors(err) {
		if !errors.Is(item, lambdapool.ErrVersionMismatch) {
			t.Error(item)
		}
		wrong = append(wrong, item.Index)
	}
	if len(got) != 4 || fmt.Sprint(wrong) != "[1 3]" {
		t.Errorf("%v, wrong: %v", got, wrong)
	}
}

// What changes from call to call is no sign of another process.
func TestWhatCannotBeComparedIsSaidOnce(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	e := open(t, 10)
	for range 3 {
		if n, err := lambdapool.Call(t.Context(), e, random, 0); err != nil || n == 0 {
			t.Errorf("%d, %v", n, err)
		}
	}
	if n := strings.Count(log.String(), "cannot be compared"); n != 1 || !strings.Contains(log.String(), "func=check.random") {
		t.Errorf("said %d times: %s", n, &log)
	}
}

// What an agent cannot do at all ends as it does on local.
func TestAnAgentsFailureIsTheCalls(t *testing.T) {
	e := open(t, 10, local.WithTimeout(time.Second))
	if _, err := lambdapool.Call(t.Context(), e, nap, 0); !errors.Is(err, lambdapool.ErrTimeout) && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	e.Close()
	if _, err := lambdapool.Call(t.Context(), e, pure, 1); !errors.Is(err, lambdapool.ErrClosed) {
		t.Error(err)
	}
}

// Where this process comes to no result the second time, nobody can say that it always gives the first.
func TestWhatRunsOnlyOnceCannotBeCompared(t *testing.T) {
	e := open(t, new(int), local.WithTimeout(time.Second))
	if got, err := lambdapool.Call(t.Context(), e, sullen, 0); err != nil || got != 0 {
		t.Errorf("%d, %v; want the agent's result", got, err)
	}
}

func TestNew(t *testing.T) {
	if b, err := check.New(local.WithConcurrency(-1)); err == nil {
		b.Close()
		t.Error("a bad option was taken")
	}
}
