package rundeploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/lambdapool/lambdapool/deploy/internal/steps"
	"github.com/lambdapool/lambdapool/deploy/shared"
)

// List yields the services of the project and region that lambdapool made, in Cloud Run's order. It asks page by page
// while the loop runs. An error is yielded once, with an empty Service, and ends the loop.
func (c *Client) List(ctx context.Context) iter.Seq2[Service, error] {
	return func(yield func(Service, error) bool) {
		for token := ""; ; {
			var page struct {
				Services []json.RawMessage `json:"services"`
				Next     string            `json:"nextPageToken"`
			}
			if err := c.read(ctx, c.admin(c.parent()+"/services", "pageToken", token), &page); err != nil {
				yield(Service{}, fail("list", "services", err))
				return
			}
			for _, data := range page.Services {
				s, err := describe(data)
				if err != nil {
					yield(Service{}, fail("list", "services", err))
					return
				}
				if s.Labels[Label] != "" && !yield(*s, nil) {
					return
				}
			}
			if token = page.Next; token == "" {
				return
			}
		}
	}
}

// A Shown is all there is to know about a service. It can be printed as JSON.
type Shown struct {
	Service Service `json:"service"`

	// Registry is what the agent says. It is nil when it could not be asked; Problem says why then.
	Registry *shared.Registry `json:"registry,omitempty"`
	Problem  string           `json:"problem,omitempty"`
}

// Show returns a service's configuration, and what its agent says when it is called. It also shows services that
// lambdapool did not make. An agent that does not answer is no error: Problem in the result says why. The error matches
// shared.ErrNotFound when there is no such service, shared.ErrInvalid for a bad name.
func (c *Client) Show(ctx context.Context, name string) (*Shown, error) {
	s, err := c.Service(ctx, name)
	if err != nil {
		return nil, err
	}
	shown := &Shown{Service: s}
	if shown.Registry, err = c.Describe(ctx, name); err != nil {
		shown.Problem = err.Error()
	}
	return shown, fail("show", name, context.Cause(ctx))
}

// Service returns the configuration of a service. It blocks for one request. The error matches shared.ErrNotFound when
// there is no such service, shared.ErrInvalid for a bad name.
func (c *Client) Service(ctx context.Context, name string) (Service, error) {
	if err := checkName(name); err != nil {
		return Service{}, fail("show", name, err)
	}
	s, err := c.get(ctx, name)
	if err != nil {
		return Service{}, fail("show", name, err)
	}
	return *s, nil
}

// Delete deletes a service with all its revisions. Its images stay in the repository, and its archives
// in their bucket. Calls that run are not waited for.
// It cannot be undone. With dryRun it only says what would be deleted.
//
// It returns what was deleted, or would be. The error matches shared.ErrNotFound when there is no such service,
// shared.ErrForeign when lambdapool did not make it, shared.ErrChanged when somebody changes it at the same time.
func (c *Client) Delete(ctx context.Context, name string, dryRun bool) ([]string, error) {
	if err := checkName(name); err != nil {
		return nil, fail("delete", name, err)
	}
	s, err := c.own(ctx, name)
	if err != nil {
		return nil, fail("delete", name, err)
	}
	u := &steps.Undo{}
	u.Add("service "+name, fmt.Sprintf("gcloud run services delete %s --region=%s --project=%s", name, c.at.Region, c.at.ID),
		func(ctx context.Context) error { return c.deleteService(ctx, name, s.etag) })
	deleted, left, err := u.All(ctx, dryRun, c.say)
	err = fail("delete", name, err)
	if e, ok := errors.AsType[*shared.Error](err); ok {
		e.Left = left
	}
	return deleted, err
}
