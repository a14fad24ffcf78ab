package local_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/local"
)

// Agents are processes of this very program, as many as there are CPUs, unless options say otherwise.
func ExampleNew() {
	b, err := local.New(local.WithConcurrency(1), local.WithMemory(512))
	if err != nil {
		panic(err)
	}
	defer b.Close()
	e, err := lambdapool.New(b)
	if err != nil {
		panic(err)
	}
	defer e.Close()

	fmt.Println(lambdapool.Call(context.Background(), e, quote, 100))
	// Output: it costs 100 <nil>
}

// What functions print goes to a log on Lambda, and here where this option says.
func ExampleWithLogOutput() {
	b, err := local.New(local.WithLogOutput(os.Stdout), local.WithConcurrency(1))
	if err != nil {
		panic(err)
	}
	e, err := lambdapool.New(b)
	if err != nil {
		panic(err)
	}
	if _, err := lambdapool.Call(context.Background(), e, greet, "Grace"); err != nil {
		panic(err)
	}
	e.Close()
	b.Close() // every line has been written then
	// Output: the agent greets Grace
}

// One fault at a time shows what a program does about it: here every agent dies during its first call.
func ExampleFaults() {
	b, err := local.New(local.WithFaults(local.Faults{Seed: 1, Crash: 1}))
	if err != nil {
		panic(err)
	}
	defer b.Close()
	e, err := lambdapool.New(b)
	if err != nil {
		panic(err)
	}
	defer e.Close()

	_, err = lambdapool.Call(context.Background(), e, charge, 100)
	fmt.Println(errors.Is(err, lambdapool.ErrAgentCrashed))
	fmt.Println(b.FaultCounts()[local.FaultCrash], "crash") // not tried again: charge is not idempotent
	// Output:
	// true
	// 1 crash
}
