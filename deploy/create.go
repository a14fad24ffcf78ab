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
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// A Created says what [Client.Create] did.
type Created struct {
	Function Function  `json:"function"`
	Plan     []string  `json:"plan"`               // what was done, or would be
	Registry *Registry `json:"registry,omitempty"` // what the smoke call returned; nil for a dry run, or without one
}

// CreateOptions change how [Client.Create] works, not what it makes.
type CreateOptions struct {
	DryRun  bool // only say what would be done; nothing is changed
	NoSmoke bool // make no call
}

// Create builds the agent, makes or reuses a role, creates the function, waits until it
// is active and calls its agent once. It blocks for some seconds, in a VPC for minutes.
//
// When it fails or ctx ends before the function is ready, what it made is removed again;
// the error's Left names what could not be. A failed smoke call leaves the function as
// it is, for its log, and the error matches [ErrSmoke]. Other errors match [ErrInvalid],
// [ErrExists], [ErrNotAgent], [ErrForeign] or [ErrNotReady].
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
	if err := c.free(ctx, s.Name); err != nil {
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
	u := &undo{id: rand.Text()}
	if created.Function, err = c.make(ctx, &s, a, u); err != nil {
		return nil, interrupted(ctx, err, u.rollback(ctx, c))
	}
	if o.NoSmoke {
		return created, nil
	}
	if created.Registry, err = c.smoke(ctx, s.Name, ""); err != nil {
		if ctx.Err() != nil {
			return nil, interrupted(ctx, err, u.rollback(ctx, c))
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
	a, err := build(ctx, s.Dir, s.Package, goos, arch)
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
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e, _ = errors.AsType[*Error](fail("", "", cause(ctx, err)))
	}
	e.Left = left
	if ctx.Err() != nil && len(left) == 0 {
		e.Hint = "everything that was made has been removed again"
	}
	return e
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
	return &Error{Kind: ErrExists, Hint: "lambdapool update " + name + " brings it up to date"}
}

func (s *Spec) plan(a *Artifact) []string {
	plan := []string{fmt.Sprintf("create function %s: %s, %.1f MB zipped, %s, memory %d MB, timeout %v, /tmp %d MB",
		s.Name, a.Package, float64(len(a.Zip))/(1<<20), a.Arch, s.Memory, s.Timeout, s.EphemeralStorage)}
	if s.Role == "" {
		plan = slices.Insert(plan, 0, "make or reuse role "+RoleName(s.Name))
	}
	for _, d := range []struct {
		wanted bool
		text   string
	}{
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

// make does what Create's plan says, and waits for the function.
func (c *Client) make(ctx context.Context, s *Spec, a *Artifact, u *undo) (Function, error) {
	role := s.Role
	if role == "" {
		var err error
		if role, err = c.ensureRole(ctx, s, u); err != nil {
			return Function{}, err
		}
	}
	if s.LogRetention != 0 {
		if err := c.makeLogGroup(ctx, s, u); err != nil {
			return Function{}, err
		}
	}
	u.add("function "+s.Name, "aws lambda delete-function --function-name "+s.Name,
		func(ctx context.Context) error { return c.deleteCreated(ctx, s.Name, u.id) })
	c.say("create", "function "+s.Name)
	if err := c.createFunction(ctx, s, a, role, u); err != nil {
		return Function{}, err
	}
	if r := s.ReservedConcurrency; r != nil && *r >= 0 {
		if err := c.reserve(ctx, s.Name, *r); err != nil {
			return Function{}, err
		}
	}
	return c.settled(ctx, s.Name)
}

func (c *Client) createFunction(ctx context.Context, s *Spec, a *Artifact, role string, u *undo) error {
	env := maps.Clone(s.Env)
	if env == nil {
		env = map[string]string{}
	}
	env[Marker] = Version()
	tags := maps.Clone(s.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	tags[Tag], tags[tagCreated] = Version(), u.id
	in := &lambda.CreateFunctionInput{
		FunctionName:     aws.String(s.Name),
		Description:      aws.String("lambdapool agent " + a.Package),
		Runtime:          types.RuntimeProvidedal2023,
		Handler:          aws.String("bootstrap"),
		PackageType:      types.PackageTypeZip,
		Architectures:    []types.Architecture{types.Architecture(s.Arch)},
		Code:             &types.FunctionCode{ZipFile: a.Zip},
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
		case code(err) == "ResourceConflictException":
			// The SDK may have sent the request twice, and the first arrived.
			if f, found := c.get(ctx, s.Name, ""); found == nil && f.Tags[tagCreated] == u.id {
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
			if arn, err := c.findRole(ctx, RoleName(s.Name)); err == nil && arn == "" {
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

// logGroup is where Lambda puts the log of a function.
func logGroup(function string) string { return "/aws/lambda/" + function }

// makeLogGroup makes the log group before Lambda does, so that it can have a retention.
func (c *Client) makeLogGroup(ctx context.Context, s *Spec, u *undo) error {
	group := logGroup(s.Name)
	forget := u.add("log group "+group, "aws logs delete-log-group --log-group-name "+group,
		func(ctx context.Context) error { return c.unlessTaken(ctx, s.Name, u.id, c.deleteLogGroup) })
	request, done := whole(ctx)
	defer done()
	_, err := c.logs.CreateLogGroup(request, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String(group)})
	if code(err) == "ResourceAlreadyExistsException" {
		forget()
	} else if err != nil {
		return err
	}
	return c.retain(ctx, s.Name, s.LogRetention)
}

// retain sets for how many days the log is kept; negative: for ever.
func (c *Client) retain(ctx context.Context, name string, days int) error {
	c.say("logs", "retention: "+retention(days))
	group := aws.String(logGroup(name))
	if days < 0 {
		_, err := c.logs.DeleteRetentionPolicy(ctx, &cloudwatchlogs.DeleteRetentionPolicyInput{LogGroupName: group})
		return err
	}
	_, err := c.logs.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: group, RetentionInDays: aws.Int32(int32(days))})
	return err
}

func (c *Client) deleteLogGroup(ctx context.Context, name string) error {
	_, err := c.logs.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: aws.String(logGroup(name))})
	if code(err) == notFound {
		return nil
	}
	return err
}

func reserved(n *int) string {
	if n == nil || *n < 0 {
		return "none"
	}
	return fmt.Sprint(*n)
}

func retention(days int) string {
	switch {
	case days <= 0:
		return "for ever"
	case days == 1:
		return "1 day"
	}
	return fmt.Sprintf("%d days", days)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
