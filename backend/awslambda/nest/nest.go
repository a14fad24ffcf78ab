// Package nest lets functions on AWS Lambda, and on backend/local, call on the pool that they run
// in. Import it for that, in the package of the functions, so that client and agent have it:
//
//	import _ "github.com/lambdapool/lambdapool/backend/awslambda/nest"
//
// [lambdapool.FromContext] then returns an executor on the function's own deployment: its name and
// version as Lambda's environment says them, with the credentials of its role. The role needs
// lambda:InvokeFunction on itself and on its shards, which "lambdapool create --nested" gives it. backend/local asks
// for no right.
//
// An agent with it contains the AWS SDK, and a client with it keeps workers for calls of functions:
// see [lambdapool.WithMaxDepth]. What functions pass on must fit into an invocation, since an agent
// has no rights in a store.
package nest

import (
	"context"
	"os"

	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/nested"
	"github.com/lambdapool/lambdapool/internal/shards"
)

var _ = nested.Link(&nested.Opener{Import: nested.Lambda, Variable: nested.LambdaVariable, Open: open})

// open reads what Lambda sets for a function.
// Source: docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html, 2026-11.
func open(ctx context.Context) (driver.Backend, error) {
	function, version := os.Getenv(nested.LambdaVariable), os.Getenv("AWS_LAMBDA_FUNCTION_VERSION")
	name, _, n := shards.Of(function, os.Getenv(shards.Variable))
	if version != "" && version != "$LATEST" {
		name, n = function, 1 // shards number their versions each for itself
	}
	opts := []awslambda.Option{awslambda.WithShards(n)}
	if version != "" {
		opts = append(opts, awslambda.WithQualifier(version)) // the same build, whatever is deployed meanwhile
	}
	b, err := awslambda.New(ctx, name, opts...)
	if err != nil {
		return nil, err // a nil *Backend would be none
	}
	return b, nil
}
