// Pooled is the smallest lambdapool agent.
package main

import (
	"context"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
)

func main() {
	lambdapool.Register("next", func(_ context.Context, n int) (int, error) { return n + 1, nil })
	agent.Main()
}
