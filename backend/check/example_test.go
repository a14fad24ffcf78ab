package check_test

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/check"
	"github.com/lambdapool/lambdapool/backend/local"
)

// greeting is a package-level variable that main sets: no agent will ever see that.
var greeting = "hello"

var greet = lambdapool.Register("check.greet", func(_ context.Context, name string) (string, error) {
	return greeting + " " + name, nil
})

// In a test, TestMain calls agent.Main.
func ExampleNew() {
	ctx := context.Background()
	greeting = "good evening"

	b, err := check.New(local.WithConcurrency(1), local.WithLogOutput(io.Discard))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	pool, err := lambdapool.New(b)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()

	_, err = lambdapool.Call(ctx, pool, greet, "Ada")
	var failed *lambdapool.PoolError
	if errors.As(err, &failed) {
		fmt.Println(errors.Is(err, lambdapool.ErrVersionMismatch))
		fmt.Println(failed.Err)
	}
	fmt.Println("the agents' build is known:", b.Build() != "")
	// Output:
	// true
	// the result is "good evening Ada" in this process and "hello Ada" in an agent of it
	// the agents' build is known: true
}
