package journal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

// roleVariable has a copy of the test executable be a client that is killed.
const roleVariable = "LAMBDAPOOL_JOURNAL_TEST"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role))
	}
	noleak.Main(m)
}

var (
	errUnlucky = errors.New("unlucky")
	executions atomic.Int64

	square  = lambdapool.Register("test.square", squareOf)
	cube    = lambdapool.Register("test/cube", func(_ context.Context, n int) (int, error) { return n * n * n, nil })
	stretch = lambdapool.Register("test.stretch", func(_ context.Context, n int) (string, error) {
		executions.Add(1)
		return strings.Repeat("x", n), nil
	})
	moody = lambdapool.Register("test.moody", func(_ context.Context, n int) (int, error) {
		if executions.Add(1) <= 2 {
			return 0, errUnlucky
		}
		return n, nil
	})
)

func init() { lambdapool.RegisterError("test.unlucky", errUnlucky) }

// squareOf fails and panics for some numbers.
func squareOf(_ context.Context, n int) (int, error) {
	executions.Add(1)
	switch {
	case n%17 == 13:
		return 0, fmt.Errorf("square of %d: %w", n, errUnlucky)
	case n%19 == 11:
		panic(fmt.Sprintf("no square of %d", n))
	}
	return n * n, nil
}

// pool returns an executor on goroutines, closed with the test.
func pool(t testing.TB) *lambdapool.Executor {
	t.Helper()
	executions.Store(0)
	b := inproc.New()
	e, err := lambdapool.New(b, lambdapool.WithWorkers(8))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(e.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	})
	return e
}

// upTo returns the numbers below n.
func upTo(n int) []int {
	ns := make([]int, n)
	for i := range ns {
		ns[i] = i
	}
	return ns
}
