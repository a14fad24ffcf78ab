package inproc_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

var square = lambdapool.Register("example.square", func(_ context.Context, n int) (int, error) { return n * n, nil })

func Example() {
	b := inproc.New()
	defer b.Close()
	e, err := lambdapool.New(b)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer e.Close()

	squares, err := lambdapool.Map(context.Background(), e, square, []int{1, 2, 3})
	fmt.Println(squares, err)
	// Output: [1 4 9] <nil>
}

// Functions that wait rather than compute want more workers than processors.
func ExampleWithConcurrency() {
	b := inproc.New(inproc.WithConcurrency(64))
	defer b.Close()
	fmt.Println(b.Limits().Workers)
	// Output: 64
}

func ExampleWithTimeout() {
	b := inproc.New(inproc.WithTimeout(10 * time.Second))
	defer b.Close()
	fmt.Println(b.Limits().Timeout)
	// Output: 10s
}

// A client and an agent that were built from different code.
func ExampleWithRegistry() {
	client, deployed := lambdapool.NewRegistry(), lambdapool.NewRegistry()
	lambdapool.RegisterFuncIn(client, "Add", func(a, b int) int { return a + b })
	lambdapool.RegisterFuncIn(deployed, "Add", func(a, b float64) float64 { return a + b })

	b := inproc.New(inproc.WithRegistry(deployed))
	defer b.Close()
	e, err := lambdapool.New(b, lambdapool.WithRegistry(client))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer e.Close()

	ctx := context.Background()
	_, err = e.Submit(ctx, "Add", 1, 2).Result(ctx)
	fmt.Println(errors.Is(err, lambdapool.ErrVersionMismatch))
	// Output: true
}

// A bad option shows in Err, and in lambdapool.New.
func ExampleBackend_Err() {
	b := inproc.New(inproc.WithConcurrency(0))
	fmt.Println(b.Err())
	// Output: lambdapool: inproc: WithConcurrency(0): must be from 1 to 100000
}

// Payloads that an invocation cannot carry go through a store, in memory here.
func ExampleWithStoreThreshold() {
	b := inproc.New(inproc.WithStoreThreshold(1 << 20))
	fmt.Println(b.Store().Threshold(), b.StoreOption())
	// Output: 1048576 inproc.WithStoreThreshold
}
