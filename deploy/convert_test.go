package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/deploy"
)

func TestConverter(t *testing.T) {
	r := echoes()
	foreign := func(name string) lambdapool.Foreign {
		f, ok := r.Lookup(name)
		if !ok {
			t.Fatalf("%s is not registered", name)
		}
		return lambdapool.Foreign{Name: name, Shape: f.Shape(), Signature: f.Signature()}
	}
	to, err := deploy.NewConverter(foreign("order"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.Arguments(`{"Items":[{"X":"1"}]}`); !errors.Is(err, deploy.ErrInvalid) || !strings.Contains(err.Error(), "order: argument 1") {
		t.Errorf("arguments that do not fit: %v", err)
	}
	if value, err := to.Result([]byte{0xc1}); err == nil || !strings.Contains(err.Error(), "the result of order") {
		t.Errorf("a result that is none: %s, %v", value, err)
	}
	if _, err := deploy.NewConverter(foreign("tree")); err == nil || !strings.Contains(err.Error(), "tree") || !strings.Contains(err.Error(), "a Go program") {
		t.Errorf("a type without JSON: %v", err)
	}
}

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
