package deploy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/codec"
)

// A Registry is what an agent says about itself.
type Registry struct {
	Version   string         `json:"version"` // that answered: "$LATEST" or a number
	Functions []RegisteredFn `json:"functions"`
	Cold      bool           `json:"cold"`
	Init      time.Duration  `json:"init_ns,omitempty"`
	Procs     int            `json:"procs"` // items the agent runs at once
}

// A RegisteredFn is a function that an agent has.
type RegisteredFn struct {
	Name  string `json:"name"`
	Shape string `json:"shape"` // "func(int, int) int"
}

// Describe asks the agent of a function, or of a version or alias of it, for its
// registry. It blocks for the time of a call. The error matches the sentinels of package
// lambdapool, and [ErrNotAgent] when something else answers.
func (c *Client) Describe(ctx context.Context, name, qualifier string) (*Registry, error) {
	if err := checkName(name); err != nil {
		return nil, fail("describe", name, err)
	}
	reply, resp, err := c.ask(ctx, name, qualifier, &codec.Request{Op: codec.OpDescribe})
	if err != nil {
		return nil, fail("describe", name, err)
	}
	return registryOf(reply, resp), nil
}

// Ask asks the agent behind a backend for its registry. It blocks for the time of a call.
func Ask(ctx context.Context, b lambdapool.Backend) (*Registry, error) {
	reply, resp, err := exchange(ctx, b, &codec.Request{Op: codec.OpDescribe}, defaultPoll)
	if err != nil {
		return nil, fail("describe", "agent", err)
	}
	return registryOf(reply, resp), nil
}

func registryOf(reply *codec.Reply, resp *lambdapool.Response) *Registry {
	r := &Registry{
		Version: resp.ExecutedVersion, Cold: reply.Agent.Cold, Init: reply.Agent.Init, Procs: reply.Agent.Procs,
		Functions: []RegisteredFn{},
	}
	for _, f := range reply.Functions {
		r.Functions = append(r.Functions, RegisteredFn{f.Name, f.Shape})
	}
	return r
}

// ask sends one request to an agent, again if it certainly did not run.
func (c *Client) ask(ctx context.Context, name, qualifier string, req *codec.Request) (_ *codec.Reply, _ *lambdapool.Response, err error) {
	opts := []awslambda.Option{awslambda.WithConfig(c.cfg), awslambda.WithWorkers(1)}
	if qualifier != "" {
		opts = append(opts, awslambda.WithQualifier(qualifier))
	}
	b, err := awslambda.New(ctx, name, opts...)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	return exchange(ctx, b, req, c.poll)
}

func exchange(ctx context.Context, b lambdapool.Backend, req *codec.Request, poll time.Duration) (*codec.Reply, *lambdapool.Response, error) {
	req.ID = rand.Text()
	payload, err := codec.EncodeRequest(req)
	if err != nil {
		return nil, nil, err
	}
	for left := askAttempts - 1; ; left-- {
		resp, err := b.Invoke(ctx, &lambdapool.Request{Payload: payload})
		if err == nil {
			reply, err := codec.DecodeReply(resp.Payload)
			if err != nil {
				return nil, resp, &Error{Kind: ErrNotAgent, Err: err}
			}
			return reply, resp, nil
		}
		ierr, ok := errors.AsType[*lambdapool.InvokeError](err)
		if !ok || ierr.Permanent || ierr.Outcome != lambdapool.OutcomeNotRun || left == 0 {
			return nil, nil, explain(ctx, err)
		}
		if err := sleep(ctx, max(ierr.RetryAfter, poll)); err != nil {
			return nil, nil, err
		}
	}
}

// explain gives an error of a call what a person needs to go on.
func explain(ctx context.Context, err error) error {
	ierr, ok := errors.AsType[*lambdapool.InvokeError](err)
	if !ok || ctx.Err() != nil {
		return cause(ctx, err)
	}
	text := err
	if ierr.LogTail != "" {
		text = fmt.Errorf("%w\nthe end of its log:\n%s", err, ierr.LogTail)
	}
	return &Error{Err: text, Hint: ierr.Hint}
}

// smoke calls the agent of a fresh function once.
func (c *Client) smoke(ctx context.Context, name, qualifier string) (*Registry, error) {
	c.say("smoke", "call "+name)
	r, err := c.Describe(ctx, name, qualifier)
	switch {
	case err == nil:
		return r, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, &Error{Kind: ErrSmoke, Err: err,
		Hint: fmt.Sprintf("the function is deployed: see lambdapool logs %s, correct it and lambdapool update %[1]s, or lambdapool delete %[1]s", name)}
}
