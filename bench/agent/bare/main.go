// Bare is the smallest handler on aws-lambda-go: what an agent is compared to.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(_ context.Context, n int) (int, error) { return n + 1, nil })
}
