package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/lambdapool/lambdapool"
)

// advice tells what to do about an error of a call.
func advice(err error) string {
	var function *lambdapool.FunctionError
	var pool *lambdapool.PoolError
	switch {
	case err == nil:
		return "nothing"
	case errors.As(err, &function):
		return "the function failed: " + function.Message // its stack is in function.Stack, and in %+v
	case errors.Is(err, lambdapool.ErrTimeout), errors.Is(err, lambdapool.ErrThrottled):
		return "more time, or fewer workers"
	case errors.Is(err, lambdapool.ErrUnknownOutcome):
		return "look whether it ran, before it runs again"
	case errors.As(err, &pool):
		return pool.Hint // for a person
	default:
		return "it is no error of a call"
	}
}

// explain asks for advice.
func explain(ctx context.Context, pool *lambdapool.Executor, w io.Writer) error {
	_, err := lambdapool.Call(ctx, pool, Parse, "x")
	fmt.Fprintln(w, advice(err)) // the function failed: expected integer
	_, err = pool.Submit(ctx, "guide.pares", "7").Result(ctx)
	fmt.Fprintln(w, advice(err)) // did you mean guide.parse?
	return nil
}
