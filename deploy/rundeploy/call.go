package rundeploy

import (
	"context"
	"errors"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/deploy/internal/ask"
	"github.com/lambdapool/lambdapool/deploy/shared"
)

// backend opens a service for calls.
func (c *Client) backend(ctx context.Context, name, tag string) (*cloudrun.Backend, error) {
	opts := []cloudrun.Option{cloudrun.WithWorkers(1)}
	if c.at.Endpoint != "" {
		opts = append(opts, cloudrun.WithEndpoint(c.at.Endpoint))
	}
	if as := c.at.CallAs; as != "" {
		opts = append(opts, cloudrun.WithServiceAccount(as))
	}
	if tag != "" {
		opts = append(opts, cloudrun.WithTag(tag))
	}
	return cloudrun.New(ctx, c.full(name), opts...)
}

// agent opens a service, and lets use ask its agent.
func (c *Client) agent(ctx context.Context, name, qualifier string, use func(*ask.Agent) error) (err error) {
	if err := checkTag(name, qualifier); err != nil {
		return err
	}
	b, err := c.backend(ctx, name, qualifier)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	return use(&ask.Agent{Backend: b, Name: name, Poll: c.poll})
}

// Describe asks the agent of a service for its registry. None of the registered functions runs, but the request is
// billed as any.
//
// It blocks for the time of a call, which may be a cold start. It tries again, up to eight times, while Cloud Run cannot
// start the call. The error matches the sentinels of package lambdapool, and shared.ErrNotAgent when something else
// answers.
func (c *Client) Describe(ctx context.Context, name string) (*shared.Registry, error) {
	if err := checkName(name); err != nil {
		return nil, fail("describe", name, err)
	}
	var r *shared.Registry
	err := c.agent(ctx, name, "", func(a *ask.Agent) (err error) {
		r, err = a.Describe(ctx)
		return err
	})
	return r, fail("describe", name, err)
}

// Foreign asks the agent of a service for one of the functions that it registers, so that deploy.NewConverter or
// Executor.MapDetachedEncoded can use it. Of call only Function and Qualifier are used. Nothing runs but the agent's own
// answer. It blocks for the time of a call, or of two when there is no such name: then the error matches
// lambdapool.ErrNotRegistered.
func (c *Client) Foreign(ctx context.Context, name string, call shared.Call) (lambdapool.Foreign, error) {
	if err := checkName(name); err != nil {
		return lambdapool.Foreign{}, fail("describe", name, err)
	}
	f := lambdapool.Foreign{Name: call.Function}
	err := c.agent(ctx, name, call.Qualifier, func(a *ask.Agent) (err error) {
		f.Shape, f.Signature, err = a.Signature(ctx, call.Function)
		return err
	})
	return f, fail("describe", name, err)
}

// Call calls a registered function of a deployed agent, with JSON for arguments and result. Use it to try a function. For
// work, use package lambdapool. The rules of conversion are those of deploy.Client.Call.
//
// It makes two requests: one asks for the signature, one runs. It blocks until the answer. An error of the function is a
// *lambdapool.FunctionError. One that matches shared.ErrInvalid is about the arguments or the name of the service,
// lambdapool.ErrNotRegistered is about the name of the function. Errors of the request match the sentinels of package
// lambdapool.
func (c *Client) Call(ctx context.Context, name string, call shared.Call) (*shared.Result, error) {
	if err := checkName(name); err != nil {
		return nil, fail("invoke", name, err)
	}
	var r *shared.Result
	err := c.agent(ctx, name, call.Qualifier, func(a *ask.Agent) (err error) {
		r, err = a.Call(ctx, call)
		return err
	})
	if ferr, ok := errors.AsType[*lambdapool.FunctionError](err); ok {
		return nil, ferr
	}
	return r, fail("invoke", name, err)
}
