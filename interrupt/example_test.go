package interrupt_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/interrupt"
)

var double = lambdapool.Register("example.double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })

func ExampleContext() {
	pool, err := lambdapool.New(inproc.New(), lambdapool.WithOwnedBackend())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	ctx, stop := interrupt.Context(context.Background(), pool, os.Stderr)
	defer stop()
	fmt.Println(lambdapool.Map(ctx, pool, double, []int{1, 2, 3})) // Ctrl-C lets what runs come to its end
	// Output: [2 4 6] <nil>
}

func ExampleSeen() {
	pool, err := lambdapool.New(inproc.New(), lambdapool.WithOwnedBackend())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	ctx, stop := interrupt.Context(context.Background(), pool, os.Stderr)
	defer stop()
	short, cancel := context.WithTimeout(ctx, time.Nanosecond)
	defer cancel()
	_, err = lambdapool.Call(short, pool, double, 1)
	fmt.Println(err != nil, interrupt.Seen(ctx)) // it failed, and for another reason: no exit status 130
	// Output: true false
}
