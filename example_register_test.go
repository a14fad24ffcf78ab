package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool"
)

// The functions of the examples.
var (
	errNoRoot = errors.New("no real root")

	spend = lambdapool.Register("spend", func(_ context.Context, n int) (int, error) {
		if n > 10 {
			return 0, fmt.Errorf("spend %d: %w", n, &QuotaError{Used: n, Limit: 10})
		}
		return n, nil
	})
	square = lambdapool.Register("square", func(_ context.Context, n int) (int, error) { return n * n, nil })
	root   = lambdapool.Register("root", func(_ context.Context, x float64) (float64, error) {
		if x < 0 {
			return 0, fmt.Errorf("%w of %v", errNoRoot, x)
		}
		return math.Sqrt(x), nil
	}, lambdapool.Idempotent())
	wait = lambdapool.Register("wait", func(ctx context.Context, d time.Duration) (string, error) {
		select {
		case <-time.After(d):
			return d.String(), nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	})
	meet = lambdapool.Register("meet", func(context.Context, int) (struct{}, error) {
		met.Done()
		met.Wait()
		return struct{}{}, nil
	})
)

// met counts those who have not come.
var met sync.WaitGroup

func init() {
	lambdapool.RegisterError("no-root", errNoRoot)
	lambdapool.RegisterFunc("repeat", strings.Repeat)
}

// errorKind names the sentinel of a PoolError.
func errorKind(err error) string {
	var pool *lambdapool.PoolError
	if !errors.As(err, &pool) {
		return fmt.Sprint(err)
	}
	return pool.Kind.Error()
}

func ExampleRegister() {
	// At package level, so that client and agent have it alike:
	//
	//	var square = lambdapool.Register("square", func(_ context.Context, n int) (int, error) { return n * n, nil })
	pool := mustPool()
	defer pool.Close()
	fmt.Println(lambdapool.Call(context.Background(), pool, square, 12))
	// Output: 144 <nil>
}

func ExampleRegister_refused() {
	defer func() {
		message := fmt.Sprint(recover())
		fmt.Println(message[strings.LastIndex(message, "argument"):])
	}()
	type order struct{ Done chan struct{} }
	lambdapool.Register("ship", func(context.Context, order) (bool, error) { return true, nil })
	// Output: argument 1: order.Done: chan struct {} cannot travel: a channel belongs to one process; return the values instead
}

func ExampleRegisterFunc() {
	// Any shape will do:
	//
	//	lambdapool.RegisterFunc("repeat", strings.Repeat)
	pool := mustPool()
	defer pool.Close()
	fmt.Println(pool.Submit(context.Background(), "repeat", "ab", 3).Result(context.Background()))
	fmt.Println(pool.Submit(context.Background(), strings.Repeat, "-", 5).Result(context.Background()))
	// Output:
	// ababab <nil>
	// ----- <nil>
}

func ExampleRegisterIn() {
	registry := lambdapool.NewRegistry()
	negate := lambdapool.RegisterIn(registry, "negate", func(_ context.Context, n int) (int, error) { return -n, nil })
	fmt.Println(negate.Name())
	// Output: negate
}

func ExampleRegisterFuncIn() {
	registry := lambdapool.NewRegistry()
	lambdapool.RegisterFuncIn(registry, "add", func(a, b int) int { return a + b })
	add, _ := registry.Lookup("add")
	fmt.Println(add.Name(), add.Shape())
	// Output: add func(int, int) int
}

func ExampleRegisterError() {
	// lambdapool.RegisterError("no-root", errNoRoot)
	pool := mustPool()
	defer pool.Close()
	_, err := lambdapool.Call(context.Background(), pool, root, -4)
	fmt.Println(err)
	fmt.Println(errors.Is(err, errNoRoot))
	// Output:
	// lambdapool: call root: no real root of -4
	// true
}

func ExampleRegisterErrorIn() {
	registry := lambdapool.NewRegistry()
	errEmpty := errors.New("empty")
	lambdapool.RegisterErrorIn(registry, "empty", errEmpty)
	fmt.Println(registry.ErrorCodes(fmt.Errorf("line 3: %w", errEmpty)))
	// Output: [empty]
}

// QuotaError is an error of this program's.
type QuotaError struct{ Used, Limit int }

func (e *QuotaError) Error() string { return fmt.Sprintf("%d of %d used", e.Used, e.Limit) }

func init() { lambdapool.RegisterErrorType[*QuotaError]() } // in a package that client and agent import

func ExampleRegisterErrorType() {
	pool := mustPool()
	defer pool.Close()
	_, err := lambdapool.Call(context.Background(), pool, spend, 12)
	var quota *QuotaError
	if errors.As(err, &quota) {
		fmt.Println("over by", quota.Used-quota.Limit)
	}
	fmt.Println(err)
	// Output:
	// over by 2
	// lambdapool: call spend: spend 12: 12 of 10 used
}

func ExampleRegisterErrorTypeIn() {
	registry := lambdapool.NewRegistry()
	lambdapool.RegisterErrorTypeIn[*QuotaError](registry, "quota")
	value, ok := registry.ErrorValue(&QuotaError{Used: 3, Limit: 2})
	fmt.Println(value.Code, ok)
	// Output: quota true
}

func ExampleIdempotent() {
	registry := lambdapool.NewRegistry()
	lambdapool.RegisterIn(registry, "parse", func(_ context.Context, s string) (int, error) { return len(s), nil },
		lambdapool.Idempotent())
	f, _ := registry.Lookup("parse")
	fmt.Println(f.Idempotent())
	// Output: true
}

func ExampleNewRegistry() {
	client, agent := lambdapool.NewRegistry(), lambdapool.NewRegistry()
	lambdapool.RegisterFuncIn(client, "add", func(a, b int) int { return a + b })
	lambdapool.RegisterFuncIn(agent, "add", func(a, b float64) float64 { return a + b })
	fmt.Println(client.Fingerprint() == agent.Fingerprint())
	// Output: false
}
