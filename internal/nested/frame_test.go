package nested_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/nested"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// platform is where these tests run.
const platform = "NESTED_TEST_PLATFORM"

var _ = nested.Link(&nested.Opener{Import: "example.org/nest", Variable: platform, Open: func(context.Context) (driver.Backend, error) {
	return nil, nil //nolint:nilnil // nobody calls it
}})

type executor struct {
	in     nested.Inside
	closed int
}

func (e *executor) Close() error {
	e.closed++
	return nil
}

var spent = codec.Spent{Invocations: 3, GBSeconds: 1.5}

func open(in nested.Inside) (nested.Opened, error) {
	return nested.Opened{Closer: &executor{in: in}, Spent: func() codec.Spent { return spent }}, nil
}

// scoped is a context with a scope.
type scoped struct {
	context.Context

	scope nested.Scope
}

func (c *scoped) Value(key any) any {
	if v := c.scope.Value(key); v != nil {
		return v
	}
	return c.Context.Value(key)
}

func enter(t *testing.T, level *codec.Nested, detached bool, r *registry.Registry) (context.Context, *nested.Frame) {
	ctx := &scoped{Context: t.Context()}
	return ctx, ctx.scope.Enter(level, detached, r)
}

func TestExecutorOfAFrame(t *testing.T) {
	t.Setenv(platform, "here")
	r := registry.New(nil)
	ctx, frame := enter(t, &codec.Nested{Depth: 1, Max: 3, Room: 4, Trace: "top"}, false, r)
	first, err := nested.Executor(ctx, open)
	if err != nil {
		t.Fatal(err)
	}
	e := first.(*executor)
	if want := (codec.Nested{Depth: 2, Max: 3, Room: 4, Trace: "top"}); e.in.Level != want || e.in.Registry != r || e.in.Workers() != 4 {
		t.Errorf("%+v, want %+v", e.in, want)
	}
	if again, err := nested.Executor(ctx, open); again != first || err != nil {
		t.Errorf("another one for the same invocation: %v, %v", again, err)
	}
	if got := frame.Leave(); got != spent || e.closed != 1 {
		t.Errorf("%+v was spent; closed %d times", got, e.closed)
	}
	if _, err := nested.Executor(ctx, open); !errors.Is(err, driver.ErrClosed) {
		t.Errorf("after the invocation: %v", err)
	}
}

func TestNoExecutor(t *testing.T) {
	level := &codec.Nested{Max: 2, Room: 2}
	attached := func(level *codec.Nested) context.Context {
		ctx, _ := enter(t, level, false, nil)
		return ctx
	}
	for name, tt := range map[string]struct {
		variable string
		ctx      context.Context
		hint     string
	}{
		"no context":            {platform, nil, "the context that the function got"},
		"no function's":         {platform, t.Context(), "the context that the function got"},
		"client without import": {platform, attached(nil), "import example.org/nest in the client's program"},
		"detached": {platform, func() context.Context {
			ctx, _ := enter(t, level, true, nil)
			return ctx
		}(), "two detached runs"},
		"Lambda":    {nested.LambdaVariable, attached(level), `import _ "` + nested.Lambda + `"`},
		"Cloud Run": {nested.CloudRunVariable, attached(level), `import _ "` + nested.CloudRun + `"`},
		"elsewhere": {"NESTED_TEST_NOWHERE", attached(level), "on inproc, local, Lambda and Cloud Run only"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, variable := range []string{platform, nested.LambdaVariable, nested.CloudRunVariable} {
				t.Setenv(variable, "")
			}
			t.Setenv(tt.variable, "here")
			_, err := nested.Executor(tt.ctx, open)
			var pool *failure.Pool
			if !errors.As(err, &pool) || !errors.Is(err, driver.ErrBadArguments) || !strings.Contains(pool.Hint, tt.hint) {
				t.Errorf("%v, want a hint with %q", err, tt.hint)
			}
		})
	}
}
