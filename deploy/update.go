package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// An Updated says what [Client.Update] did.
type Updated struct {
	Function Function  `json:"function"`
	Plan     []string  `json:"plan"`              // what was changed, or would be: "memory 128 → 256 MB"
	Changed  bool      `json:"changed"`           // false: everything was as wanted already
	Version  string    `json:"version,omitempty"` // that was published
	Alias    string    `json:"alias,omitempty"`   // that points to it
	Registry *Registry `json:"registry,omitempty"`
}

// UpdateOptions change how [Client.Update] works.
type UpdateOptions struct {
	DryRun  bool
	NoSmoke bool
	Publish bool   // publish a version of the result
	Alias   string // point this alias to the published version, once its agent has answered
}

// Update compares what is wanted with what is deployed and changes what differs, and
// nothing else. Without a Package the code stays. Between two changes it waits until
// Lambda has finished the first. It blocks for some seconds.
//
// Two updates at the same time do not overwrite each other: one of them ends with
// [ErrChanged]. What had been changed before an error is in the error's Done. With an
// Alias, clients of the alias see the old code until the new one has answered a call.
func (c *Client) Update(ctx context.Context, s Spec, o UpdateOptions) (*Updated, error) {
	up := &updater{c: c, s: s, o: o}
	updated, err := up.run(ctx)
	if err != nil {
		err = fail("update", s.Name, cause(ctx, err))
		if e, ok := errors.AsType[*Error](err); ok {
			e.Done = up.done
		}
	}
	return updated, err
}

// An updater brings one function up to date.
type updater struct {
	c    *Client
	s    Spec
	o    UpdateOptions
	f    Function // as last seen
	done []string
}

func (u *updater) run(ctx context.Context) (*Updated, error) {
	if err := u.s.Check(); err != nil {
		return nil, err
	}
	if err := checkAlias(u.o.Alias); err != nil {
		return nil, err
	}
	if u.o.Alias != "" && !u.o.Publish {
		return nil, invalid("alias %q: an alias points to a published version, so publish must be set too", u.o.Alias)
	}
	var err error
	if u.f, err = u.c.own(ctx, u.s.Name); err != nil {
		return nil, err
	}
	a, err := u.build(ctx)
	if err != nil {
		return nil, err
	}
	// Another update that is under way is waited for, and compared with.
	if u.f, err = u.c.settled(ctx, u.s.Name); err != nil && !errors.Is(err, ErrNotReady) {
		return nil, err
	}
	days := 0
	if u.s.LogRetention != 0 {
		if days, err = u.c.retentionDays(ctx, u.s.Name); err != nil {
			return nil, err
		}
	}
	d, err := differ(&u.s, &u.f, a, days)
	if err != nil {
		return nil, err
	}
	updated := &Updated{Function: u.f, Plan: d.plan, Changed: d.any(), Alias: u.o.Alias}
	if u.o.DryRun {
		if u.o.Publish {
			updated.Plan = append(updated.Plan, "publish a version, unless the newest one has this code and configuration")
		}
		if u.o.Alias != "" {
			updated.Plan = append(updated.Plan, "alias "+u.o.Alias+" → that version")
		}
		return updated, nil
	}
	return updated, u.apply(ctx, &d, a, updated)
}

func (u *updater) build(ctx context.Context) (*Artifact, error) {
	switch {
	case u.s.Artifact != nil:
		u.s.Arch = u.s.Artifact.Arch
	case u.s.Package != "":
		if u.s.Arch == "" {
			u.s.Arch = u.f.Arch
		}
	case u.s.Arch != "":
		return nil, invalid("architecture %s: changing it needs the package, to build it anew", u.s.Arch)
	default:
		return nil, nil //nolint:nilnil // the code stays
	}
	return u.c.artifact(ctx, &u.s)
}

func (u *updater) apply(ctx context.Context, d *changes, a *Artifact, updated *Updated) error {
	if d.code {
		if err := u.code(ctx, d, a); err != nil {
			return err
		}
	}
	if d.config != nil {
		if err := u.config(ctx, d); err != nil {
			return err
		}
	}
	if err := u.rest(ctx, d); err != nil {
		return err
	}
	qualifier := ""
	if u.o.Publish {
		version, err := u.publish(ctx)
		if err != nil {
			return err
		}
		updated.Version, qualifier = version, version
		updated.Plan = append(updated.Plan, "version "+version)
	}
	updated.Function = u.f
	if !u.o.NoSmoke && (updated.Changed || u.o.Publish) {
		var err error
		if updated.Registry, err = u.c.smoke(ctx, u.s.Name, qualifier); err != nil {
			return err
		}
	}
	if u.o.Alias != "" {
		updated.Plan = append(updated.Plan, "alias "+u.o.Alias+" → version "+updated.Version)
		return u.point(ctx, u.o.Alias, updated.Version)
	}
	return nil
}

// code sends the zip, and waits. The revision makes Lambda refuse it if somebody
// else was faster.
func (u *updater) code(ctx context.Context, d *changes, a *Artifact) error {
	u.c.say("code", fmt.Sprintf("send %.1f MB", float64(len(a.Zip))/(1<<20)))
	request, done := whole(ctx)
	defer done()
	_, err := u.c.lambda.UpdateFunctionCode(request, &lambda.UpdateFunctionCodeInput{
		FunctionName: aws.String(u.s.Name), ZipFile: a.Zip, RevisionId: u.revision(),
		Architectures: []types.Architecture{types.Architecture(or(d.arch, u.f.Arch))},
	})
	if err != nil {
		return raced(err)
	}
	u.done = append(u.done, "code")
	want := u.f
	want.CodeSHA256 = a.Sum
	return u.wait(ctx, want)
}

func (u *updater) config(ctx context.Context, d *changes) error {
	u.c.say("configure", u.s.Name)
	if d.config.VpcConfig != nil && strings.HasSuffix(u.f.Role, "/"+RoleName(u.s.Name)) {
		if err := u.c.grant(ctx, &u.s); err != nil { // a VPC needs further rights
			return err
		}
	}
	d.config.RevisionId = u.revision()
	request, done := whole(ctx)
	defer done()
	if _, err := u.c.lambda.UpdateFunctionConfiguration(request, d.config); err != nil {
		return raced(err)
	}
	u.done = append(u.done, "configuration")
	want := u.f
	if m := d.config.MemorySize; m != nil {
		want.Memory = int(*m)
	}
	if t := d.config.Timeout; t != nil {
		want.Timeout = int(*t)
	}
	if e := d.config.Environment; e != nil {
		want.Env = e.Variables
	}
	return u.wait(ctx, want)
}

// wait waits until a change is complete, and looks whether somebody else came
// between: each end of a change gives the function a new revision, so that the one
// that comes back may be of another's.
func (u *updater) wait(ctx context.Context, want Function) error {
	f, err := u.c.settled(ctx, u.s.Name)
	if err != nil {
		return err
	}
	if f.CodeSHA256 != want.CodeSHA256 || f.Memory != want.Memory || f.Timeout != want.Timeout || !maps.Equal(f.Env, want.Env) {
		return &Error{Kind: ErrChanged, Hint: hintChanged}
	}
	u.f = f
	return nil
}

func (u *updater) revision() *string {
	if u.f.revision == "" {
		return nil
	}
	return aws.String(u.f.revision)
}

// raced recognises how Lambda refuses a change because of another one.
func raced(err error) error {
	switch code(err) {
	case "PreconditionFailedException", "ResourceConflictException":
		return &Error{Kind: ErrChanged, Err: err, Hint: hintChanged}
	}
	return err
}

// rest changes what has no revision.
func (u *updater) rest(ctx context.Context, d *changes) error {
	if d.reserve != nil {
		if err := u.c.reserve(ctx, u.s.Name, *d.reserve); err != nil {
			return err
		}
		u.done = append(u.done, "reserved concurrency")
	}
	if len(d.tags) > 0 {
		_, err := u.c.lambda.TagResource(ctx, &lambda.TagResourceInput{Resource: aws.String(plain(u.f.ARN)), Tags: d.tags})
		if err != nil {
			return err
		}
		u.done = append(u.done, "tags")
	}
	if d.retain != 0 {
		_, err := u.c.logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String(logGroup(u.s.Name))})
		if err != nil && code(err) != "ResourceAlreadyExistsException" {
			return err
		}
		if err := u.c.retain(ctx, u.s.Name, d.retain); err != nil {
			return err
		}
		u.done = append(u.done, "log retention")
	}
	return nil
}

// publish makes a version of exactly the code that was compared. Lambda returns the
// newest version if nothing has changed since.
func (u *updater) publish(ctx context.Context) (string, error) {
	in := &lambda.PublishVersionInput{FunctionName: aws.String(u.s.Name), RevisionId: u.revision()}
	if u.f.CodeSHA256 != "" {
		in.CodeSha256 = aws.String(u.f.CodeSHA256)
	}
	request, done := whole(ctx)
	defer done()
	out, err := u.c.lambda.PublishVersion(request, in)
	if err != nil {
		return "", raced(err)
	}
	version := aws.ToString(out.Version)
	u.done = append(u.done, "version "+version)
	u.c.say("publish", "version "+version)
	return version, u.c.published(ctx, u.s.Name, version)
}

// published waits until a version can be invoked.
func (c *Client) published(ctx context.Context, name, version string) error {
	for {
		f, err := c.get(ctx, name, version)
		if err != nil {
			return err
		}
		switch types.State(f.State) {
		case types.StatePending:
			if err := sleep(ctx, c.poll); err != nil {
				return err
			}
		case types.StateFailed:
			return &Error{Kind: ErrNotReady, Err: errorf("version %s: Lambda says: %s", version, f.Reason)}
		default:
			return nil
		}
	}
}

// point moves an alias in one step, or makes it.
func (u *updater) point(ctx context.Context, alias, version string) error {
	name := aws.String(u.s.Name)
	have, err := u.c.lambda.GetAlias(ctx, &lambda.GetAliasInput{FunctionName: name, Name: aws.String(alias)})
	switch {
	case code(err) == notFound:
		u.c.say("alias", alias+" → version "+version)
		_, err = u.c.lambda.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: name, Name: aws.String(alias), FunctionVersion: aws.String(version)})
	case err != nil || aws.ToString(have.FunctionVersion) == version:
	default:
		u.c.say("alias", fmt.Sprintf("%s: version %s → %s", alias, aws.ToString(have.FunctionVersion), version))
		_, err = u.c.lambda.UpdateAlias(ctx, &lambda.UpdateAliasInput{
			FunctionName: name, Name: aws.String(alias), FunctionVersion: aws.String(version), RevisionId: have.RevisionId,
		})
	}
	if err != nil {
		return raced(err)
	}
	u.done = append(u.done, "alias "+alias)
	return nil
}

// retentionDays returns for how many days the log is kept, 0 for ever.
func (c *Client) retentionDays(ctx context.Context, name string) (int, error) {
	out, err := c.logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String(logGroup(name))})
	if err != nil {
		return 0, err
	}
	for _, g := range out.LogGroups {
		if aws.ToString(g.LogGroupName) == logGroup(name) {
			return int(aws.ToInt32(g.RetentionInDays)), nil
		}
	}
	return 0, nil
}
