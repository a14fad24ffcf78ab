package agent_test

import (
	"context"
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
)

// A program that runs a Handler itself waits for functions that ignored their
// context, before it takes away what they use.
func ExampleHandler_Wait() {
	h := agent.NewHandler(lambdapool.NewRegistry())
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	fmt.Println(h.Wait(ctx), "functions still run")
	// Output: 0 functions still run
}
