package deploy

import (
	"context"
	"errors"
	"fmt"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/deploy/internal/ask"
)

// Describe asks the agent of a function for its registry. qualifier is a version or an alias of
// it, "" is the newest code. None of the registered functions runs, but the invocation is
// billed as any.
//
// It blocks for the time of a call, which may be a cold start. It tries again, up to eight
// times, while Lambda cannot start the call. The error matches the sentinels of package
// lambdapool, and [ErrNotAgent] when something else answers.
func (c *Client) Describe(ctx context.Context, name, qualifier string) (*Registry, error) {
	if err := checkName(name); err != nil {
		return nil, fail("describe", name, err)
	}
	var r *Registry
	err := c.agent(ctx, name, qualifier, func(a *ask.Agent) (err error) {
		r, err = a.Describe(ctx)
		return err
	})
	return r, fail("describe", name, err)
}

// Ask asks the agent behind a backend for its registry. It is [Client.Describe] for backends of
// every kind, also those that have nothing to do with Lambda. b stays open: the caller closes
// it. It blocks for the time of a call.
func Ask(ctx context.Context, b lambdapool.Backend) (*Registry, error) {
	r, err := (&ask.Agent{Backend: b, Name: "agent", Poll: defaultPoll}).Describe(ctx)
	return r, fail("describe", "agent", err)
}

// agent opens a backend for a function, and lets use ask its agent.
func (c *Client) agent(ctx context.Context, name, qualifier string, use func(*ask.Agent) error) (err error) {
	opts := []awslambda.Option{awslambda.WithConfig(c.cfg), awslambda.WithWorkers(1), awslambda.WithShards(1)}
	if qualifier != "" {
		opts = append(opts, awslambda.WithQualifier(qualifier))
	}
	b, err := awslambda.New(ctx, name, opts...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	return use(&ask.Agent{Backend: b, Name: name, Poll: c.poll})
}

// smoke calls the agent of a fresh function once.
func (c *Client) smoke(ctx context.Context, name, qualifier string) (r *Registry, err error) {
	c.say("smoke", "call "+name)
	fix := fmt.Sprintf("the function is deployed: see lambdapool logs %s, correct it and lambdapool update %[1]s, or lambdapool delete %[1]s", name)
	err = c.agent(ctx, name, qualifier, func(a *ask.Agent) (err error) {
		r, err = a.Smoke(ctx, fix)
		return err
	})
	return r, err
}
