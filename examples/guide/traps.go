package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend"
	"github.com/lambdapool/lambdapool/backend/local"
)

var factor = 3 // main sets it to 10, and an agent does not come that far

// Wrong reads what only main knows.
var Wrong = lambdapool.Register("guide.wrong", func(_ context.Context, n int) (int, error) {
	return n * factor, nil
})

// Job is all that a call needs.
type Job struct{ N, Factor int }

// Right is told everything.
var Right = lambdapool.Register("guide.right", func(_ context.Context, j Job) (int, error) {
	return j.N * j.Factor, nil
})

// traps shows what a function sees of the client's variables.
func traps(ctx context.Context, w io.Writer) error {
	factor = 10
	for _, url := range []string{"inproc:", "local:"} {
		pool, err := backend.NewExecutor(ctx, url)
		if err != nil {
			return err
		}
		wrong, err := lambdapool.Call(ctx, pool, Wrong, 1)
		right, err2 := lambdapool.Call(ctx, pool, Right, Job{N: 1, Factor: factor})
		fmt.Fprintln(w, url, wrong, right)
		if err := errors.Join(err, err2, pool.Close()); err != nil {
			return err
		}
	}

	pool, err := backend.NewExecutor(ctx, "check:")
	if err != nil {
		return err
	}
	defer pool.Close()
	_, err = lambdapool.Call(ctx, pool, Wrong, 1)
	fmt.Fprintln(w, strings.Contains(err.Error(), "client and agent differ")) // true
	return nil
}

// Env reads a variable of the agent's environment.
var Env = lambdapool.Register("guide.env", func(context.Context, struct{}) (string, error) {
	fmt.Println("this goes to the log of the agent")
	return os.Getenv("GREETING"), nil
})

// printing shows where the output of a function goes, and how agents get variables.
func printing(ctx context.Context, w io.Writer) error {
	var log bytes.Buffer
	b, err := local.New(
		local.WithEnv(map[string]string{"GREETING": "hello"}), // lambdapool create --env GREETING=hello
		local.WithLogOutput(&log),                             // lambdapool logs NAME
	)
	if err != nil {
		return err
	}
	pool, err := lambdapool.New(b, lambdapool.WithOwnedBackend()) // closing the pool closes b
	if err != nil {
		return errors.Join(err, b.Close())
	}
	greeting, err := lambdapool.Call(ctx, pool, Env, struct{}{})
	if err := errors.Join(err, pool.Close()); err != nil { // all has been logged then
		return err
	}
	fmt.Fprintln(w, greeting, strings.Contains(log.String(), "goes to the log")) // hello true
	return nil
}

// Parse fails for some items, and for one of them it panics.
var Parse = lambdapool.Register("guide.parse", func(_ context.Context, s string) (int, error) {
	n := 0
	if s == "" {
		panic("nothing to parse")
	}
	_, err := fmt.Sscan(s, &n)
	return n, err
}, lambdapool.Idempotent())

// poison shows a run of which some items fail.
func poison(ctx context.Context, pool *lambdapool.Executor, w io.Writer) error {
	numbers, err := lambdapool.Map(ctx, pool, Parse, []string{"7", "x", "", "9"}, lambdapool.ContinueOnError())
	fmt.Fprintln(w, numbers) // [7 0 0 9]
	for item := range lambdapool.ItemErrors(err) {
		var failed *lambdapool.FunctionError
		if errors.As(item.Err, &failed) {
			fmt.Fprintln(w, item.Index, failed.Panic) // 1 false, then 2 true
		}
	}

	slow, cancel := context.WithTimeout(ctx, time.Minute) // the whole run, queueing included
	defer cancel()
	numbers, err = lambdapool.Map(slow, pool, Parse, []string{"1", "2"})
	fmt.Fprintln(w, numbers, err) // [1 2] <nil>
	return nil
}
