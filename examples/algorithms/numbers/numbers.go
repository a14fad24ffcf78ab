// Package numbers holds functions for a pool: ordinary Go, registered by name.
// Client and agent both import it, and so agree on what a name means.
package numbers

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/lambdapool/lambdapool"
)

var (
	// ErrNegative says that the argument is below zero.
	ErrNegative = errors.New("negative")
	// ErrOverflow says that the result does not fit into an int.
	ErrOverflow = errors.New("does not fit into an int")
)

// The handles that typed calls take, for example lambdapool.Map(ctx, e, numbers.Fib, ns).
var (
	Fib  = lambdapool.Register("fibonacci", Fibonacci, lambdapool.Idempotent())
	Fact = lambdapool.Register("factorial", Factorial, lambdapool.Idempotent())
)

func init() {
	// So that errors.Is(err, ErrNegative) holds on the client, too.
	lambdapool.RegisterError("numbers.negative", ErrNegative)
	lambdapool.RegisterError("numbers.overflow", ErrOverflow)
}

// Fibonacci returns the nth Fibonacci number, from Fibonacci(0) = 0. The last
// one that fits is Fibonacci(92); its errors wrap ErrNegative and ErrOverflow.
func Fibonacci(_ context.Context, n int) (int, error) {
	if n < 0 {
		return 0, fmt.Errorf("fibonacci(%d): %w", n, ErrNegative)
	}
	before, result := 1, 0
	for range n {
		if result > math.MaxInt-before {
			return 0, fmt.Errorf("fibonacci(%d): %w (the last that does is 92)", n, ErrOverflow)
		}
		before, result = result, before+result
	}
	return result, nil
}

// Factorial returns n!. The last one that fits is 20!; its errors wrap
// ErrNegative and ErrOverflow.
func Factorial(_ context.Context, n int) (int, error) {
	if n < 0 {
		return 0, fmt.Errorf("factorial(%d): %w", n, ErrNegative)
	}
	result := 1
	for i := 2; i <= n; i++ {
		if result > math.MaxInt/i {
			return 0, fmt.Errorf("factorial(%d): %w (the last that does is 20)", n, ErrOverflow)
		}
		result *= i
	}
	return result, nil
}
