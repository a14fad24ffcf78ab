package lambdapool_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/lambdapool/lambdapool"
)

// sumOfSquares runs as a function, and has others run.
var sumOfSquares = lambdapool.Register("example.sumOfSquares", func(ctx context.Context, n int) (sum int, err error) {
	pool, err := lambdapool.FromContext(ctx)
	if err != nil {
		return 0, err
	}
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i + 1
	}
	squares, err := lambdapool.Map(ctx, pool, square, numbers)
	for _, s := range squares {
		sum += s
	}
	return sum, err
})

func ExampleFromContext() {
	pool := mustPool(lambdapool.WithWorkers(1)) // the function that waits lends its worker
	defer pool.Close()
	fmt.Println(lambdapool.Call(context.Background(), pool, sumOfSquares, 4))
	// Output: 30 <nil>
}

func ExampleWithMaxDepth() {
	pool := mustPool(lambdapool.WithMaxDepth(0)) // no function calls another
	defer pool.Close()
	_, err := lambdapool.Call(context.Background(), pool, sumOfSquares, 4)
	fmt.Println(errors.Is(err, lambdapool.ErrTooDeep))
	// Output: true
}
