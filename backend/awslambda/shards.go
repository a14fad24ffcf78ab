package awslambda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lambdapool/lambdapool/internal/contain"
	"github.com/lambdapool/lambdapool/internal/shards"
)

// findWithin bounds the look-up of how many shards there are, which events wait for.
const findWithin = 2 * time.Second

// hintShards is for a shard that is not as the others are.
const hintShards = "lambdapool doctor %s compares its shards, lambdapool update %[1]s PACKAGE makes them equal"

// WithShards says how many functions stand for this one: NAME, NAME-1 and so on, as
// `lambdapool create NAME PACKAGE --shards n` makes them. Lambda's scaling law is per function,
// 1,000 environments at once and 100 more a second, so n of them grow n times as fast. The account's
// limit of executions stays what it is. 1 to 20; 1 is the function of that name alone.
//
// Without the option Lambda is asked once after [New] has returned: lambdapool's functions say in their configuration
// how many they are. That takes a request, which calls do not wait for, and
// the right lambda:GetFunctionConfiguration. Until the answer is there, invocations go to the function of that name, and
// executors start as many as one function allows ([Backend.WatchLimits]); detached ones wait for it. Where it does not come
// within two seconds, or the caller may not ask, it is that function alone. Say the number to save the request.
//
// An invocation goes to the shard with the most idle environments, or else the most room. A
// throttle of one shard slows that shard down, and the executor sends the request to another. A
// shard that is missing, may not be invoked or does not start is left out for a while, up to a minute.
// A qualifier holds for all shards: publish their versions together, with `lambdapool update`.
func WithShards(n int) Option {
	return func(o *options) error {
		if n < 1 || n > shards.Most {
			return fmt.Errorf("WithShards: %d is not between 1 and %d", n, shards.Most)
		}
		o.shards = n
		return nil
	}
}

// shard is the target of shard i.
func (t target) shard(i int) target {
	t.name = shards.Name(t.name, i)
	return t
}

// configuration reads the configuration of a function, once and without retries.
func (b *Backend) configuration(ctx context.Context, cfg aws.Config, t target) (*lambda.GetFunctionConfigurationOutput, error) {
	client := lambda.NewFromConfig(cfg, func(o *lambda.Options) {
		o.HTTPClient = asClient{b.transport}
		o.Retryer = aws.NopRetryer{}
	})
	return configurationOf(ctx, client, t)
}

// configurationOf has client read the configuration of a function. That is done on goroutines of the backend's: an HTTP
// client of the program's that panics would take the program down, and one that ends its goroutine would leave others
// waiting.
func configurationOf(ctx context.Context, client *lambda.Client, t target) (*lambda.GetFunctionConfigurationOutput, error) {
	in := &lambda.GetFunctionConfigurationInput{FunctionName: &t.name}
	if t.qualifier != "" {
		in.Qualifier = &t.qualifier
	}
	return contain.Value(ctx, "the HTTP client or a middleware of the aws.Config", nil, func() (*lambda.GetFunctionConfigurationOutput, error) {
		return client.GetFunctionConfiguration(ctx, in)
	})
}

// findShards asks Lambda how many shards the function has. Whatever is not known is one.
func (b *Backend) findShards(ctx context.Context, cfg aws.Config, t target, log *slog.Logger) int {
	ctx, cancel := context.WithTimeout(ctx, findWithin)
	defer cancel()
	out, err := b.configuration(ctx, cfg, t)
	if fault, ok := errors.AsType[*contain.FaultError](err); ok {
		log.Warn("lambdapool: nobody could ask how many shards a Lambda function has: it does the work alone",
			"function", t.short(), "error", fault)
	}
	if err != nil || out.Environment == nil {
		return 1
	}
	_, i, n := shards.Of(t.short(), out.Environment.Variables[shards.Variable])
	if i > 0 {
		return 1 // one of them is meant, by its own name
	}
	return n
}

// compare logs a warning when the shards are not of the same code, as after an update that stopped
// half-way: which code answers a call would then be chance. Who may not read configurations learns nothing.
func (b *Backend) compare(ctx context.Context, cfg aws.Config, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	var first string
	functions := b.fleet.Load().functions
	for i := range functions {
		f := &functions[i]
		out, err := b.configuration(ctx, cfg, f.target)
		var missing *types.ResourceNotFoundException
		if i > 0 && errors.As(err, &missing) {
			log.Warn("lambdapool: a shard of a Lambda function is missing: the others do its work",
				"function", b.target.short(), "shard", f.short(), "hint", fmt.Sprintf(hintShards, b.target.short()))
			continue
		}
		if err != nil {
			return
		}
		switch sum := aws.ToString(out.CodeSha256); {
		case i == 0:
			first = sum
		case sum != first:
			log.Warn("lambdapool: shards of a Lambda function have different code: which of it answers a call is chance",
				"function", b.target.short(), "code", first, "shard", f.short(), "its_code", sum, "hint", fmt.Sprintf(hintShards, b.target.short()))
			return
		}
	}
}
