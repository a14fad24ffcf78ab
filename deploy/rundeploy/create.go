package rundeploy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/lambdapool/lambdapool/deploy/internal/ask"
	"github.com/lambdapool/lambdapool/deploy/internal/build"
	"github.com/lambdapool/lambdapool/deploy/internal/steps"
	"github.com/lambdapool/lambdapool/deploy/shared"
	"github.com/lambdapool/lambdapool/internal/agentmain"
)

// A Created says what [Client.Create] did. It can be printed as JSON.
type Created struct {
	// Service is the new service as Cloud Run describes it. It is empty for a dry run, and its
	// JSON then has none.
	Service Service `json:"service,omitzero"`

	// Plan is what was done, or would be: one line for people per step.
	Plan []string `json:"plan"`

	// Registry is what the agent answered to the smoke call. It is nil for a dry run, without a smoke call, and when that
	// failed.
	Registry *shared.Registry `json:"registry,omitempty"`
}

// CreateOptions change how [Client.Create] works, not what it makes. The zero value creates, and calls the agent once.
type CreateOptions struct {
	// DryRun only says what would be done. The agent is built, and Cloud Run checks the service (validateOnly), but
	// nothing is pushed or changed.
	DryRun bool

	// NoSmoke makes no call of the new agent. Use it where whoever deploys may not call.
	NoSmoke bool
}

// Create builds the agent, makes an image of it, pushes that, creates the service, waits until it is ready and calls
// its agent once. With a SourceBucket it uploads an archive instead. That is the smoke call: it runs none of the registered functions. Where the repository for images is
// missing it is made. Create is for new services only. [Client.Update] changes one that exists.
//
// It blocks for about half a minute. [WithProgress] tells the steps.
//
// When it fails or ctx ends before the service is ready, the service is deleted again. The error's Left names it if
// that failed, too. When only the smoke call fails, the service stays, for its log. Then the error matches
// shared.ErrSmoke, and the result is returned beside it. The agent of a ready service already listens: mostly whoever
// deploys may not call it.
//
// Other errors match shared.ErrInvalid for a bad or missing value, shared.ErrExists when the name is taken,
// shared.ErrNotAgent for a package that is no agent, and shared.ErrNotReady when the service did not start.
func (c *Client) Create(ctx context.Context, s Spec, o CreateOptions) (*Created, error) {
	created, err := c.create(ctx, s, o)
	return created, fail("create", s.Name, err)
}

func (c *Client) create(ctx context.Context, s Spec, o CreateOptions) (*Created, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if s.Package == "" && s.Artifact == nil {
		return nil, steps.Invalid("no package: name a main package that calls agent.Main()")
	}
	s.defaults()
	if err := fit(s.Memory, s.CPU, s.Concurrency); err != nil {
		return nil, err
	}
	if err := c.free(ctx, s.Name); err != nil {
		return nil, err
	}
	a, err := c.artifact(ctx, &s)
	if err != nil {
		return nil, err
	}
	code, err := c.planned(s.Name, s.bucket(""), a)
	if err != nil {
		return nil, err
	}
	created := &Created{Plan: c.plan(&s, a, code)}
	u := &steps.Undo{ID: strings.ToLower(rand.Text())}
	if o.DryRun {
		in := s.service(a, code, u.ID)
		return created, c.validate(ctx, http.MethodPost, c.admin(c.parent()+"/services", "serviceId", s.Name, "validateOnly", "true"), in)
	}
	made, err := c.make(ctx, &s, a, code, u)
	if err != nil {
		return nil, interrupted(ctx, err, u.Rollback(ctx, c.say))
	}
	created.Service = *made
	if o.NoSmoke {
		return created, nil
	}
	if created.Registry, err = c.smoke(ctx, s.Name); err != nil && ctx.Err() != nil {
		return nil, interrupted(ctx, err, u.Rollback(ctx, c.say))
	}
	return created, err
}

// interrupted adds to an error what is left behind.
func interrupted(ctx context.Context, err error, left []shared.Leftover) error {
	if _, ok := errors.AsType[*shared.Error](err); !ok {
		err = fail("", "", steps.Cause(ctx, err))
	}
	return steps.Interrupted(ctx, err, left)
}

// artifact returns what is to be pushed, which it builds unless it is there.
func (c *Client) artifact(ctx context.Context, s *Spec) (*Artifact, error) {
	if s.Artifact != nil {
		return s.Artifact, nil
	}
	c.say("build", s.Package+" for linux/amd64")
	a, err := compile(ctx, s.Dir, s.Package)
	if err != nil {
		return nil, err
	}
	c.say("image", a.String())
	if a.SDK {
		c.say("image", "the agent links the AWS SDK: one whose main imports neither awslambda nor local is smaller and starts faster")
	}
	return a, nil
}

// free returns an error if there is a service of that name.
func (c *Client) free(ctx context.Context, name string) error {
	s, err := c.get(ctx, name)
	switch {
	case isMissing(err):
		return nil
	case err != nil:
		return err
	case s.Labels[Label] == "":
		return &shared.Error{Kind: shared.ErrExists, Hint: "lambdapool did not make it: choose another name"}
	}
	return &shared.Error{Kind: shared.ErrExists, Hint: "lambdapool update " + name + " brings it up to date"}
}

// plan says what Create does, in its order.
func (c *Client) plan(s *Spec, a *Artifact, code place) []string {
	plan := []string{
		"make or reuse repository " + c.at.Repository + " in " + c.at.Region,
		"push image " + code.Image,
	}
	if code.Source != nil {
		plan = []string{"upload " + code.Source.Storage.String()}
	}
	plan = append(
		plan,
		fmt.Sprintf("create service %s: %s, memory %d MB, %v vCPU, timeout %v, concurrency %d, %d instances at most", s.Name, a, s.Memory, s.CPU, s.Timeout, s.Concurrency, s.Instances),
	)
	for _, d := range []struct {
		wanted bool
		text   string
	}{
		{s.ServiceAccount != "", "runs as " + s.ServiceAccount},
		{len(s.Env) > 0, "environment: " + strings.Join(slices.Sorted(maps.Keys(s.Env)), ", ")},
		{len(s.Labels) > 0, "labels: " + strings.Join(slices.Sorted(maps.Keys(s.Labels)), ", ")},
	} {
		if d.wanted {
			plan = append(plan, d.text)
		}
	}
	return plan
}

// service is what is sent. id marks it as made by one Create.
func (s *Spec) service(a *Artifact, code place, id string) serviceJSON {
	env := maps.Clone(s.Env)
	if env == nil {
		env = map[string]string{}
	}
	maps.Copy(env, told(s.Timeout, s.Memory, s.CPU, s.Concurrency))
	env[Marker] = build.Version()
	if a.Commit != "" {
		env[agentmain.BuildVariable] = a.Commit
	}
	variables := []envJSON{}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		variables = append(variables, envJSON{name, env[name]})
	}
	labels := maps.Clone(s.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[Label], labels[labelCreated] = version(), id
	container := containerJSON{Env: variables, Resources: resourcesJSON{limits(s.CPU, s.Memory), true, true}}
	container.Image, container.BaseImage, container.Source, container.Command = code.Image, code.BaseImage, code.Source, code.Command
	return serviceJSON{
		Description: "lambdapool agent " + a.Package, Labels: labels, Client: "lambdapool",
		Template: templateJSON{
			Scaling: scalingJSON{s.Instances}, Timeout: seconds(s.Timeout + startAllowance), ServiceAccount: s.ServiceAccount, Concurrency: s.Concurrency,
			Containers: []containerJSON{container},
		},
	}
}

// make does what Create's plan says, and waits for the service.
func (c *Client) make(ctx context.Context, s *Spec, a *Artifact, code place, u *steps.Undo) (*Service, error) {
	err := c.send(ctx, s.Name, a, &code)
	if err != nil {
		return nil, err
	}
	u.Add("service "+s.Name, fmt.Sprintf("gcloud run services delete %s --region=%s --project=%s", s.Name, c.at.Region, c.at.ID),
		func(ctx context.Context) error { return c.deleteCreated(ctx, s.Name, u.ID) })
	c.say("create", "service "+s.Name)
	err = c.change(ctx, http.MethodPost, c.admin(c.parent()+"/services", "serviceId", s.Name), s.service(a, code, u.ID))
	switch {
	case isTaken(err):
		return nil, &shared.Error{Kind: shared.ErrExists, Err: err, Hint: "somebody else is creating it at the same time"}
	case isDenied(err):
		return nil, &shared.Error{Err: err, Hint: "that needs roles/run.developer, and roles/iam.serviceAccountUser on the account that the service runs as: lambdapool policy deployer " + s.Name + " prints both"}
	case err != nil:
		return nil, err
	}
	return c.get(ctx, s.Name)
}

// deleteCreated deletes the service that one Create made, not one that somebody else made under the same name.
func (c *Client) deleteCreated(ctx context.Context, name, id string) error {
	s, err := c.get(ctx, name)
	if isMissing(err) {
		return nil
	}
	if err != nil || s.Labels[labelCreated] != id {
		return err
	}
	return c.deleteService(ctx, name, s.etag)
}

func (c *Client) deleteService(ctx context.Context, name, etag string) error {
	err := c.change(ctx, http.MethodDelete, c.admin(c.full(name), "etag", etag), nil)
	if isMissing(err) {
		return nil
	}
	return err
}

// smoke calls the agent of a fresh service once.
func (c *Client) smoke(ctx context.Context, name string) (r *shared.Registry, err error) {
	c.say("smoke", "call "+name)
	fix := fmt.Sprintf("the service is deployed: see lambdapool logs %s, correct it and lambdapool update %[1]s, or lambdapool delete %[1]s", name)
	err = c.agent(ctx, name, "", func(a *ask.Agent) (err error) {
		r, err = a.Smoke(ctx, fix)
		return err
	})
	if err == nil || ctx.Err() != nil {
		return r, steps.Cause(ctx, err)
	}
	if isDenied(err) || !errors.Is(err, shared.ErrSmoke) { // no token, or no right
		who := c.at.CallAs
		if who == "" {
			who = "EMAIL"
		}
		fix = fmt.Sprintf("the service is deployed and ready, but it could not be called: lambdapool policy client %s --apply --member serviceAccount:%s lets a service account do it, and --call-as %[2]s calls as that; --no-smoke does without", name, who)
		err = &shared.Error{Kind: shared.ErrSmoke, Err: bare(err), Hint: fix}
	}
	return nil, err
}

// bare takes the smoke's own words off an error.
func bare(err error) error {
	if e, ok := errors.AsType[*shared.Error](err); ok && errors.Is(e.Kind, shared.ErrSmoke) && e.Err != nil {
		return e.Err
	}
	return err
}
