package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

func TestMain(m *testing.M) { noleak.Main(m) }

// The functions of these tests. Those with a fixed answer are pure; gates let
// a test hold calls as long as it likes.
var (
	errNegative = errors.New("negative")

	double = lambdapool.Register("test.double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	half   = lambdapool.Register("test.half", func(_ context.Context, n int) (int, error) {
		switch {
		case n < 0:
			return 0, fmt.Errorf("half of %d: %w", n, errNegative)
		case n%2 == 1:
			panic(fmt.Sprintf("%d is odd", n))
		}
		return n / 2, nil
	})
	sleep = lambdapool.Register("test.sleep", func(ctx context.Context, d time.Duration) (time.Duration, error) {
		select {
		case <-time.After(d):
			return d, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	})
	again = lambdapool.Register("test.again", func(_ context.Context, n int) (int, error) { return n, nil },
		lambdapool.Idempotent())
	echo = lambdapool.Register("test.echo", func(_ context.Context, s string) (string, error) { return s, nil })
)

func add(a, b int) int                        { return a + b }
func join(sep string, parts ...string) string { return strings.Join(parts, sep) }
func check(n int) error {
	if n < 0 {
		return errNegative
	}
	return nil
}

func init() {
	lambdapool.RegisterError("test.negative", errNegative)
	lambdapool.RegisterFunc("test.add", add)
	lambdapool.RegisterFunc("test.join", join)
	lambdapool.RegisterFunc("test.check", check)
}

// pool returns an executor on goroutines, closed with the test.
func pool(t testing.TB, opts ...lambdapool.Option) *lambdapool.Executor {
	t.Helper()
	return executor(t, inproc.New(), opts...)
}

func executor(t testing.TB, b lambdapool.Backend, opts ...lambdapool.Option) *lambdapool.Executor {
	t.Helper()
	e, err := lambdapool.New(b, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if c, ok := b.(interface{ Close() error }); ok {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return e
}

// scripted is a backend whose first attempts end as the script says; after it,
// attempts reach the backend below.
type scripted struct {
	*inproc.Backend

	mu     sync.Mutex
	script []func(ctx context.Context, run func() (*lambdapool.Response, error)) (*lambdapool.Response, error)
	seen   int
}

func (s *scripted) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	s.mu.Lock()
	n := s.seen
	s.seen++
	s.mu.Unlock()
	run := func() (*lambdapool.Response, error) { return s.Backend.Invoke(ctx, req) }
	if n < len(s.script) {
		return s.script[n](ctx, run)
	}
	return run()
}

func (s *scripted) attempts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

type step = func(context.Context, func() (*lambdapool.Response, error)) (*lambdapool.Response, error)

// answer is a step that ends with an error, without running anything.
func answer(err error) step {
	return func(context.Context, func() (*lambdapool.Response, error)) (*lambdapool.Response, error) {
		return nil, err
	}
}

// lose is a step that runs the function and loses the answer.
func lose(err error) step {
	return func(_ context.Context, run func() (*lambdapool.Response, error)) (*lambdapool.Response, error) {
		if _, err := run(); err != nil {
			return nil, err
		}
		return nil, err
	}
}

func throttle(reason string, after time.Duration) step {
	return answer(&lambdapool.InvokeError{
		Outcome: lambdapool.OutcomeNotRun, Kind: lambdapool.ErrThrottled, Err: errors.New("rate exceeded"),
		Reason: reason, RetryAfter: after,
	})
}

// wantErr checks that err matches each of the targets.
func wantErr(t *testing.T, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Errorf("error %v does not match %v", err, target)
		}
	}
}

// itemIndex returns which item an error is about.
func itemIndex(t *testing.T, err error) int {
	t.Helper()
	var item *lambdapool.ItemError
	if !errors.As(err, &item) {
		t.Errorf("%v is no ItemError", err)
		return -1
	}
	return item.Index
}
