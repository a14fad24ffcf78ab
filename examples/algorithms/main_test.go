package main

import (
	"bytes"
	"errors"
	"testing"

	"go.uber.org/goleak"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/examples/algorithms/numbers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out, []int{0, 10, 30}); err != nil {
		t.Fatal(err)
	}
	const want = `fibonacci(0) = 0
fibonacci(10) = 55
fibonacci(30) = 832040
factorial(0) = 1
factorial(10) = 3628800
factorial(30) is too large
`
	if out.String() != want {
		t.Errorf("output:\n%s\nwant:\n%s", &out, want)
	}
}

func TestANegativeNumberIsTheFunctionsError(t *testing.T) {
	err := run(t.Context(), &bytes.Buffer{}, []int{3, -1})
	var function *lambdapool.FunctionError
	if !errors.As(err, &function) || !errors.Is(err, numbers.ErrNegative) {
		t.Fatalf("error = %v, want a FunctionError that is ErrNegative", err)
	}
	var item *lambdapool.ItemError
	if !errors.As(err, &item) || item.Index != 1 {
		t.Errorf("error = %v, want it to name item 1", err)
	}
}
