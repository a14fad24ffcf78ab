package deploy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lambdapool/lambdapool/deploy/internal/steps"
	"github.com/lambdapool/lambdapool/internal/agentmain"
	"github.com/lambdapool/lambdapool/internal/isolate"
	"github.com/lambdapool/lambdapool/internal/shards"
)

// A Created says what [Client.Create] did. It can be printed as JSON.
type Created struct {
	// Function is the new function as Lambda describes it. It is empty for a dry run, and its
	// JSON then has none.
	Function Function `json:"function,omitzero"`

	// Plan is what was done, or would be: one line for people per step.
	Plan []string `json:"plan"`

	// Registry is what the agent answered to the smoke call. It is nil for a dry run, without a
	// smoke call, and when that failed.
	Registry *Registry `json:"registry,omitempty"`
}

// CreateOptions change how [Client.Create] works, not what it makes. The zero value creates,
// and calls the agent once.
type CreateOptions struct {
	// DryRun only says what would be done. The agent is built and AWS is asked whether the name
	// is free, but nothing is changed.
	DryRun bool

	// NoSmoke makes no call of the new agent. Use it where the function cannot run yet, for
	// example before its network exists. Then a broken agent is noticed at the first real call.
	NoSmoke bool
}

// Create builds the agent, makes or reuses a role, creates the function, waits until it is
// active and calls its agent once. That is the smoke call: it runs none of the registered
// functions. Create is for new functions only. [Client.Update] changes one that exists.
//
// It blocks for some seconds, in a VPC for minutes. A new role is not known to Lambda at once:
// Create waits up to a minute for that, and up to five minutes for the function. [WithProgress]
// tells the steps.
//
// When it fails or ctx ends before the function is ready, what it made is removed again. The
// error's Left names what could not be. When only the smoke call fails, the function stays as
// it is, for its log. Then the error matches [ErrSmoke], and the result is returned beside it.
//
// Other errors match [ErrInvalid] for a bad or missing value, [ErrExists] when the name is
// taken, [ErrNotAgent] for a package that is no agent, [ErrForeign] when a role of that name
// was not made by lambdapool, and [ErrNotReady] when waiting was in vain.
func (c *Client) Create(ctx context.Context, s Spec, o CreateOptions) (*Created, error) {
	created, err := c.create(ctx, s, o)
	return created, fail("create", s.Name, err)
}

func (c *Client) create(ctx context.Context, s Spec, o CreateOptions) (*Created, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if s.Package == "" && s.Artifact == nil {
		return nil, invalid("no package: name a main package that calls agent.Main()")
	}
	s.defaults()
	for i := range s.shards() {
		if err := c.free(ctx, shards.Name(s.Name, i)); err != nil {
			return nil, err
		}
	}
	if err := c.roleHolds(ctx, &s); err != nil {
		return nil, err
	}
	a, err := c.artifact(ctx, &s)
	if err != nil {
		return nil, err
	}
	s.Arch = a.Arch
	created := &Created{Plan: s.plan(a)}
	if o.DryRun {
		return created, nil
	}
	u := &steps.Undo{ID: rand.Text()}
	if created.Function, err = c.make(ctx, &s, a, u); err != nil {
		return nil, interrupted(ctx, err, u.Rollback(ctx, c.say))
	}
	if o.NoSmoke {
		return created, nil
	}
	if created.Registry, err = c.smoke(ctx, s.Name, ""); err != nil {
		if ctx.Err() != nil {
			return nil, interrupted(ctx, err, u.Rollback(ctx, c.say))
		}
		return created, err
	}
	return created, nil
}

// artifact returns what is to be sent, which it builds unless it is there.
func (c *Client) artifact(ctx context.Context, s *Spec) (*Artifact, error) {
	if s.Artifact != nil {
		return s.Artifact, nil
	}
	goos, arch := c.target(s.Arch)
	c.say("build", fmt.Sprintf("%s for %s/%s", s.Package, goos, arch))
	a, err := compile(ctx, s.Dir, s.Package, goos, arch)
	if err != nil {
		return nil, err
	}
	c.say("zip", fmt.Sprintf("%.1f MB, %.1f MB zipped", float64(a.Size)/(1<<20), float64(len(a.Zip))/(1<<20)))
	if a.SDK {
		c.say("zip", "the agent links the AWS SDK: one whose main imports neither awslambda nor local is smaller and starts faster")
	}
	return a, nil
}

// interrupted adds to an error what is left behind.
func interrupted(ctx context.Context, err error, left []Leftover) error {
	if _, ok := errors.AsType[*Error](err); !ok {
		err = fail("", "", cause(ctx, err))
	}
	return steps.Interrupted(ctx, err, left)
}

// defaults are those of new functions.
func (s *Settings) defaults() {
	if s.Memory == 0 {
		s.Memory = defaultMemory
	}
	if s.Timeout == 0 {
		s.Timeout = defaultTimeout
	}
	if s.EphemeralStorage == 0 {
		s.EphemeralStorage = MinEphemeralStorage
	}
}

// free returns an error if there is a function of that name.
func (c *Client) free(ctx context.Context, name string) error {
	f, err := c.get(ctx, name, "")
	switch {
	case code(err) == notFound:
		return nil
	case err != nil:
		return err
	case f.Lambdapool == "":
		return &Error{Kind: ErrExists, Hint: "lambdapool did not make it: choose another name"}
	}
	if f.shard > 0 || f.Shards > 0 {
		return &Error{Kind: ErrExists, Err: errorf("function %s is one of %s's shards", name, f.base), Hint: "lambdapool update " + f.base + " brings them up to date"}
	}
	return &Error{Kind: ErrExists, Hint: "lambdapool update " + name + " brings it up to date"}
}

// plan says what Create does, in its order.
func (s *Spec) plan(a *Artifact) []string {
	plan := []string{fmt.Sprintf("create function %s: %s, %.1f MB zipped, %s, memory %d MB, timeout %v, /tmp %d MB",
		s.Name, a.Package, float64(len(a.Zip))/(1<<20), a.Arch, s.Memory, s.Timeout, s.EphemeralStorage)}
	if n := s.shards(); n > 1 {
		plan = append(plan, fmt.Sprintf("shards %s to %s of the same archive: %d functions", shards.Name(s.Name, 1), shards.Name(s.Name, n-1), n))
	}
	if s.Role == "" {
		plan = slices.Insert(plan, 0, "make or reuse role "+RoleName(s.Name))
	}
	for _, d := range []struct {
		wanted bool
		text   string
	}{
		{s.CodeBucket != "", "store the archive once in bucket " + s.CodeBucket},
		{s.Nested, "the role may invoke the function, for calls from calls"},
		{len(s.Env) > 0, "environment: " + strings.Join(sortedKeys(s.Env), ", ")},
		{len(s.Layers) > 0, "layers: " + strings.Join(s.Layers, ", ")},
		{len(s.Subnets) > 0, "VPC: " + strings.Join(slices.Concat(s.Subnets, s.SecurityGroups), ", ")},
		{len(s.Tags) > 0, "tags: " + strings.Join(sortedKeys(s.Tags), ", ")},
		{s.ReservedConcurrency != nil, "reserved concurrency: " + reserved(s.ReservedConcurrency)},
		{s.LogRetention != 0, "log retention: " + retention(s.LogRetention)},
	} {
		if d.wanted {
			plan = append(plan, d.text)
		}
	}
	return plan
}

// make does what Create's plan says, and waits for the functions. The one that the others are known by is
// made last: a client that finds it finds all of them.
func (c *Client) make(ctx context.Context, s *Spec, a *Artifact, u *steps.Undo) (f Function, err error) {
	role := s.Role
	if role == "" {
		if role, err = c.ensureRole(ctx, s, u); err != nil {
			return Function{}, err
		}
	}
	at, err := c.archive(ctx, s, a)
	if err != nil {
		return Function{}, err
	}
	for i := s.shards() - 1; i >= 0; i-- {
		if f, err = c.makeShard(ctx, s.shardOf(i), a, at, role, u); err != nil {
			return Function{}, err
		}
	}
	return f, nil
}

// makeShard makes one function, and waits for it.
func (c *Client) makeShard(ctx context.Context, s *Spec, a *Artifact, at *archive, role string, u *steps.Undo) (Function, error) {
	if s.LogRetention != 0 {
		if err := c.makeLogGroup(ctx, s, u); err != nil {
			return Function{}, err
		}
	}
	u.Add("function "+s.Name, "aws lambda delete-function --function-name "+s.Name,
		func(ctx context.Context) error { return c.deleteCreated(ctx, s.Name, u.ID) })
	c.say("create", "function "+s.Name)
	if err := c.createFunction(ctx, s, a, at, role, u); err != nil {
		return Function{}, err
	}
	if r := s.ReservedConcurrency; r != nil && *r >= 0 {
		if err := c.reserve(ctx, s.Name, *r); err != nil {
			return Function{}, err
		}
	}
	return c.settled(ctx, s.Name)
}

// createFunction sends the request until the role is known. A role that was just made cannot be
// assumed for some seconds: Lambda says so in words, and only by them can that be told from a role
// that is wrong.
func (c *Client) createFunction(ctx context.Context, s *Spec, a *Artifact, at *archive, role string, u *steps.Undo) error {
	env := map[string]string{isolate.Variable: IsolationOn}
	maps.Copy(env, s.env())
	env[Marker] = Version()
	if s.mark != "" {
		env[shards.Variable] = s.mark
	}
	if a.Commit != "" {
		env[agentmain.BuildVariable] = a.Commit
	}
	tags := maps.Clone(s.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	tags[Tag], tags[tagCreated] = Version(), u.ID
	if s.mark != "" {
		tags[shards.Tag] = s.mark
	}
	in := &lambda.CreateFunctionInput{
		FunctionName:     aws.String(s.Name),
		Description:      aws.String("lambdapool agent " + a.Package),
		Runtime:          types.RuntimeProvidedal2023,
		Handler:          aws.String("bootstrap"),
		PackageType:      types.PackageTypeZip,
		Architectures:    []types.Architecture{types.Architecture(s.Arch)},
		Code:             at.function(),
		Role:             aws.String(role),
		MemorySize:       aws.Int32(int32(s.Memory)),
		Timeout:          aws.Int32(int32(s.Timeout / time.Second)),
		EphemeralStorage: &types.EphemeralStorage{Size: aws.Int32(int32(s.EphemeralStorage))},
		Environment:      &types.Environment{Variables: env},
		Layers:           s.Layers,
		Tags:             tags,
	}
	if len(s.Subnets) > 0 {
		in.VpcConfig = &types.VpcConfig{SubnetIds: s.Subnets, SecurityGroupIds: s.SecurityGroups}
	}
	for deadline, said := time.Now().Add(assumableWithin), false; ; {
		request, done := whole(ctx)
		_, err := c.lambda.CreateFunction(request, in)
		done()
		switch {
		case err == nil:
			return nil
		case at.withoutReference(err):
			in.Code = at.function()
			continue
		case code(err) == "ResourceConflictException":
			// The SDK may have sent the request twice, and the first arrived.
			if f, found := c.get(ctx, s.Name, ""); found == nil && f.Tags[tagCreated] == u.ID {
				return nil
			}
			return &Error{Kind: ErrExists, Hint: "somebody else is creating it at the same time"}
		case !strings.Contains(message(err), "cannot be assumed by Lambda"):
			return err
		case time.Now().After(deadline):
			return &Error{Kind: ErrNotReady, Err: fmt.Errorf("after %v Lambda still cannot assume role %s", assumableWithin, role),
				Hint: "its trust policy must name lambda.amazonaws.com"}
		}
		if !said {
			c.say("wait", "for the role to be known to Lambda")
			said = true
		}
		if err := sleep(ctx, c.poll); err != nil {
			return err
		}
		if s.Role == "" { // somebody else who made it may have taken it back
			if arn, err := c.findRole(ctx, RoleName(s.base())); err == nil && arn == "" {
				if _, err := c.ensureRole(ctx, s, u); err != nil {
					return err
				}
			}
		}
	}
}

// deleteCreated deletes the function that one Create made, not one that somebody
// else made under the same name.
func (c *Client) deleteCreated(ctx context.Context, name, id string) error {
	f, err := c.get(ctx, name, "")
	if code(err) == notFound {
		return nil
	}
	if err != nil || f.Tags[tagCreated] != id {
		return err
	}
	_, err = c.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String(name)})
	return err
}

// unlessTaken removes what belongs to a function, but not if somebody else made the function
// meanwhile, and uses it.
func (c *Client) unlessTaken(ctx context.Context, name, id string, remove func(ctx context.Context, name string) error) error {
	if f, err := c.get(ctx, name, ""); err == nil && f.Tags[tagCreated] != id {
		return nil
	}
	return remove(ctx, name)
}

// reserve sets the reserved concurrency; negative removes it.
func (c *Client) reserve(ctx context.Context, name string, n int) error {
	if n < 0 {
		_, err := c.lambda.DeleteFunctionConcurrency(ctx, &lambda.DeleteFunctionConcurrencyInput{FunctionName: aws.String(name)})
		return err
	}
	_, err := c.lambda.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{
		FunctionName: aws.String(name), ReservedConcurrentExecutions: aws.Int32(int32(n)),
	})
	if err != nil && strings.Contains(message(err), "UnreservedConcurrentExecution") {
		return &Error{Err: err, Hint: fmt.Sprintf("%d executions must stay unreserved in the account: lambdapool doctor shows how many there are", UnreservedFloor)}
	}
	return err
}

func reserved(n *int) string {
	if n == nil || *n < 0 {
		return "none"
	}
	return fmt.Sprint(*n)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
