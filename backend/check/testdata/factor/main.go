// Command factor has the trap of everyone's first hour: its function uses a flag.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend"
)

var (
	where  = flag.String("backend", "local:", "where functions run")
	factor = flag.Int("factor", 1, "what scale multiplies by")
)

var scale = lambdapool.Register("scale", func(_ context.Context, n int) (int, error) { return n * *factor, nil })

func main() {
	agent.Main()
	flag.Parse()
	if err := run(context.Background()); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	pool, err := backend.NewExecutor(ctx, *where)
	if err != nil {
		return err
	}
	defer pool.Close()
	n, err := lambdapool.Call(ctx, pool, scale, 3)
	if err != nil {
		return err
	}
	fmt.Println(n)
	return nil
}
