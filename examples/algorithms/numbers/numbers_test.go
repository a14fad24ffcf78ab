package numbers_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/lambdapool/lambdapool/examples/algorithms/numbers"
)

func TestNumbers(t *testing.T) {
	type function = func(context.Context, int) (int, error)
	for _, test := range []struct {
		name string
		f    function
		n    int
		want int
		err  error
	}{
		{"fibonacci", numbers.Fibonacci, 0, 0, nil},
		{"fibonacci", numbers.Fibonacci, 1, 1, nil},
		{"fibonacci", numbers.Fibonacci, 2, 1, nil},
		{"fibonacci", numbers.Fibonacci, 30, 832_040, nil},
		{"fibonacci", numbers.Fibonacci, 92, 7_540_113_804_746_346_429, nil},
		{"fibonacci", numbers.Fibonacci, 93, 0, numbers.ErrOverflow},
		{"fibonacci", numbers.Fibonacci, math.MaxInt, 0, numbers.ErrOverflow},
		{"fibonacci", numbers.Fibonacci, -1, 0, numbers.ErrNegative},
		{"factorial", numbers.Factorial, 0, 1, nil},
		{"factorial", numbers.Factorial, 1, 1, nil},
		{"factorial", numbers.Factorial, 5, 120, nil},
		{"factorial", numbers.Factorial, 20, 2_432_902_008_176_640_000, nil},
		{"factorial", numbers.Factorial, 21, 0, numbers.ErrOverflow},
		{"factorial", numbers.Factorial, math.MaxInt, 0, numbers.ErrOverflow},
		{"factorial", numbers.Factorial, math.MinInt, 0, numbers.ErrNegative},
	} {
		got, err := test.f(t.Context(), test.n)
		if got != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s(%d) = %d, %v; want %d, %v", test.name, test.n, got, err, test.want, test.err)
		}
	}
}
