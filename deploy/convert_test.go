package deploy_test

import (
	"context"
	"fmt"

	"github.com/lambdapool/lambdapool/deploy"
)

// A program that was not compiled with a function's types asks the agent for them.
func ExampleClient_Foreign() {
	onLocal(func(ctx context.Context, client *deploy.Client) error {
		fibonacci, err := client.Foreign(ctx, "demo", deploy.Call{Function: "fibonacci"})
		if err != nil {
			return err
		}
		to, err := deploy.NewConverter(fibonacci)
		if err != nil {
			return err
		}
		args, err := to.Arguments("30")
		if err != nil {
			return err
		}
		value, err := to.Result(args) // an int as well
		fmt.Printf("%s: %x is %s\n", fibonacci.Shape, args, value)
		_, missing := client.Foreign(ctx, "demo", deploy.Call{Function: "fibonaci"})
		fmt.Println(missing)
		return err
	})
	// Output:
	// func(int) int: 1e is 30
	// lambdapool: describe demo: function not registered: "fibonaci" (did you mean fibonacci? lambdapool show demo lists its functions)
}
