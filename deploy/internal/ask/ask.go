// Package ask asks the agents behind backends of all kinds: what they register, and what a function
// returns for arguments that are JSON.
package ask

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/deploy/internal/steps"
	"github.com/lambdapool/lambdapool/deploy/shared"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// attempts is how often an agent is called that is throttled or not ready, a second or more apart.
const attempts = 8

// An Agent is one behind a backend, which stays open.
type Agent struct {
	Backend lambdapool.Backend
	Name    string        // of the function or service, for errors
	Poll    time.Duration // between two attempts
}

// Describe asks it for its registry. None of the registered functions runs.
func (a *Agent) Describe(ctx context.Context) (*shared.Registry, error) {
	reply, resp, err := a.exchange(ctx, &codec.Request{Op: codec.OpDescribe})
	if err != nil {
		return nil, err
	}
	return registryOf(reply, resp), nil
}

// Smoke calls the agent of what was just deployed once. fix is what to do if it does not answer.
func (a *Agent) Smoke(ctx context.Context, fix string) (*shared.Registry, error) {
	r, err := a.Describe(ctx)
	switch {
	case err == nil:
		return r, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, &shared.Error{Kind: shared.ErrSmoke, Err: err, Hint: fix}
}

func registryOf(reply *codec.Reply, resp *lambdapool.Response) *shared.Registry {
	r := &shared.Registry{
		Version: resp.ExecutedVersion, Cold: reply.Agent.Cold, Init: reply.Agent.Init, Procs: reply.Agent.Procs,
		Functions: []shared.RegisteredFn{},
	}
	for _, f := range reply.Functions {
		r.Functions = append(r.Functions, shared.RegisteredFn{Name: f.Name, Shape: f.Shape})
	}
	return r
}

// exchange sends one request to an agent, again if it certainly did not run.
func (a *Agent) exchange(ctx context.Context, req *codec.Request) (*codec.Reply, *lambdapool.Response, error) {
	req.ID = rand.Text()
	payload, err := codec.EncodeRequest(req)
	if err != nil {
		return nil, nil, err
	}
	for left := attempts - 1; ; left-- {
		resp, err := a.Backend.Invoke(ctx, &lambdapool.Request{Payload: payload})
		if err == nil {
			reply, err := codec.DecodeReply(resp.Payload)
			if err != nil {
				return nil, resp, &shared.Error{Kind: shared.ErrNotAgent, Err: err}
			}
			return reply, resp, nil
		}
		ierr, ok := errors.AsType[*lambdapool.InvokeError](err)
		if !ok || ierr.Permanent || ierr.Outcome != lambdapool.OutcomeNotRun || left == 0 {
			return nil, nil, explain(ctx, err)
		}
		if err := steps.Sleep(ctx, max(min(ierr.RetryAfter, schedule.MaxWish), a.Poll)); err != nil {
			return nil, nil, err
		}
	}
}

// explain gives an error of a call what a person needs to go on.
func explain(ctx context.Context, err error) error {
	ierr, ok := errors.AsType[*lambdapool.InvokeError](err)
	if !ok || ctx.Err() != nil {
		return steps.Cause(ctx, err)
	}
	text := err
	if ierr.LogTail != "" {
		text = fmt.Errorf("%w\nthe end of its log:\n%s", err, ierr.LogTail)
	}
	return &shared.Error{Err: text, Hint: ierr.Hint}
}
