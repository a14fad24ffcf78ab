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

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/shards"
)

// findWithin bounds the look-up of how many shards there are, which New waits for.
const findWithin = 2 * time.Second

// hintShards is for a shard that is not as the others are.
const hintShards = "lambdapool doctor %s compares its shards, lambdapool update %[1]s PACKAGE makes them equal"

// WithShards says how many functions stand for this one: NAME, NAME-1 and so on, as
// `lambdapool create NAME PACKAGE --shards n` makes them. Lambda's scaling law is per function,
// 1,000 environments at once and 100 more a second, so n of them grow n times as fast. The account's
// limit of executions stays what it is. 1 to 20; 1 is the function of that name alone.
//
// Without the option [New] asks Lambda once: lambdapool's functions say in their configuration
// how many they are. That takes a request, on the connection that the first call then uses, and
// the right lambda:GetFunctionConfiguration. Where the answer does not come within two seconds, or the caller may
// not ask, it is the function of that name alone. Say the number to save the request.
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

// A function is what a request goes to: one shard, or all there is.
type function struct {
	target
	template *template
}

// shard is the target of shard i.
func (t target) shard(i int) target {
	t.name = shards.Name(t.name, i)
	return t
}

// aim prepares the requests to the function, or to its shards.
func (b *Backend) aim(ctx context.Context, cfg aws.Config, o options) (err error) {
	n := o.shards
	if n == 0 {
		n = b.findShards(ctx, cfg, b.target)
	}
	if b.functions, err = functionsOf(ctx, cfg, b.target, o, n); err != nil {
		return err
	}
	b.template = b.functions[0].template
	if n > 1 {
		b.shards = shards.NewRouter(n, o.workers, shards.LawOf(ctx))
	}
	return nil
}

// functionsOf prepares the requests to n shards.
func functionsOf(ctx context.Context, cfg aws.Config, t target, o options, n int) ([]function, error) {
	all := make([]function, n)
	for i := range all {
		f := t.shard(i)
		if _, err := parseTarget(f.name); err != nil { // too long with its number
			return nil, fmt.Errorf("shard %d: %w", i, errors.Unwrap(err))
		}
		tmpl, err := prepare(ctx, cfg, f, o)
		if err != nil {
			return nil, fmt.Errorf("the configuration makes no request: %w", err)
		}
		all[i] = function{f, tmpl}
	}
	return all, nil
}

// choose returns the function for the next invocation, and what is to be told of its end.
func (b *Backend) choose() (*function, func(*driver.InvokeError)) {
	if b.shards == nil {
		return &b.functions[0], func(*driver.InvokeError) {}
	}
	started := time.Now()
	i := b.shards.Take(started)
	return &b.functions[i], func(e *driver.InvokeError) {
		b.shards.Ended(i, started, time.Now(), e)
		b.explain(i, e)
	}
}

// chooseEvent is choose for one that is queued.
func (b *Backend) chooseEvent() (*function, func(*driver.InvokeError)) {
	if b.shards == nil {
		return &b.functions[0], func(*driver.InvokeError) {}
	}
	i := b.shards.TakeEvent(time.Now())
	return &b.functions[i], func(e *driver.InvokeError) {
		b.shards.Queued(i, time.Now(), e)
		b.explain(i, e)
	}
}

// explain adds to an error which shard it is of.
func (b *Backend) explain(i int, e *driver.InvokeError) {
	if e == nil {
		return
	}
	e.Err = fmt.Errorf("shard %s: %w", b.functions[i].short(), e.Err)
	if shards.Unusable(e) {
		e.Hint = fmt.Sprintf(hintShards, b.target.short())
	}
}

// configuration reads the configuration of a function, once and without retries.
func (b *Backend) configuration(ctx context.Context, cfg aws.Config, t target) (*lambda.GetFunctionConfigurationOutput, error) {
	client := lambda.NewFromConfig(cfg, func(o *lambda.Options) {
		o.HTTPClient = asClient{b.transport}
		o.Retryer = aws.NopRetryer{}
	})
	in := &lambda.GetFunctionConfigurationInput{FunctionName: &t.name}
	if t.qualifier != "" {
		in.Qualifier = &t.qualifier
	}
	return client.GetFunctionConfiguration(ctx, in)
}

// findShards asks Lambda how many shards the function has. Whatever is not known is one.
func (b *Backend) findShards(ctx context.Context, cfg aws.Config, t target) int {
	ctx, cancel := context.WithTimeout(ctx, findWithin)
	defer cancel()
	out, err := b.configuration(ctx, cfg, t)
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
	for i := range b.functions {
		f := &b.functions[i]
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
