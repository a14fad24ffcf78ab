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

// An Updated says what [Client.Update] did. It can be printed as JSON.
type Updated struct {
	// Function is as Lambda describes it after the change, for a dry run before it.
	Function Function `json:"function"`

	// Plan is what was changed, or would be, one line each: "memory 128 → 256 MB". Of the
	// environment it has names alone, since values may be secrets.
	Plan []string `json:"plan"`

	// Changed is false if everything was as wanted already. For a dry run it says whether
	// something would change.
	Changed bool `json:"changed"`

	// Version is the number that was published, Alias the alias that points to it.
	Version string `json:"version,omitempty"`
	Alias   string `json:"alias,omitempty"` // that points to it

	// Registry is what the agent answered to the smoke call, nil if there was none.
	Registry *Registry `json:"registry,omitempty"`
}

// UpdateOptions change how [Client.Update] works. The zero value changes what clients without a
// qualifier see, and calls the agent once if something changed.
type UpdateOptions struct {
	// DryRun only says what would be done. The agent is built, if there is a Package.
	DryRun bool

	// NoSmoke makes no call afterwards. An alias is moved without proof then.
	NoSmoke bool

	// Publish publishes a version of the result: code and configuration that never change
	// again. Lambda returns the newest version if nothing has changed since.
	Publish bool

	// Alias is pointed to the published version once its agent has answered, and made if there
	// is none. It needs Publish. Clients name it with awslambda.WithQualifier.
	Alias string
}

// Update compares what is wanted with what is deployed and changes what differs, and nothing
// else. Without a Package or an Artifact the code stays. What s leaves at its zero value stays,
// too. It calls the agent once at the end, if something changed or a version was published.
//
// It blocks for some seconds. Lambda takes one change at a time, so it waits after each until
// that is complete, up to five minutes. It also waits for an update of somebody else that is
// under way, and compares with the result of that.
//
// Two updates at the same time do not overwrite each other's code and configuration: one of
// them ends with [ErrChanged], and is simply run again. Tags, log retention and reserved
// concurrency have no such guard. With an Alias, clients of the alias see the old code until
// the new one has answered a call.
//
// Shards are changed together: all of them are compared and asked first whether they would take the code, and what
// was changed is taken back where a later one fails, but for tags, log retention and reserved concurrency that somebody
// else has changed since. An alias moves when all of them have the version.
// A shard that is missing is made again, for which the package must be named.
//
// An update of a function without shards that fails stays half done. What had been changed is in the error's Done. The error
// matches [ErrInvalid] for a bad value, [ErrNotFound] or [ErrForeign] for a function that is
// not ours, [ErrNotAgent], [ErrChanged], [ErrNotReady] when Lambda did not finish a change, and
// [ErrSmoke] when the changed agent does not answer.
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

// An updater brings one function, or one shard, up to date.
type updater struct {
	c    *Client
	s    Spec
	o    UpdateOptions
	f    Function // as last seen
	at   *archive // of the new code; nil: not there yet
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
	if n := max(u.f.Shards, 1); u.s.Shards > 0 && u.s.Shards != n {
		return nil, &Error{Kind: ErrInvalid, Err: errorf("%d shards: the function has %d", u.s.Shards, n),
			Hint: fmt.Sprintf("the number is said by create: lambdapool delete %s, then create it again", u.s.Name)}
	}
	a, err := u.build(ctx)
	if err != nil {
		return nil, err
	}
	if u.f.Shards > 0 {
		return u.shards(ctx, a)
	}
	d, err := u.compare(ctx, a)
	if err != nil {
		return nil, err
	}
	updated := u.planned(&d)
	if u.o.DryRun {
		return updated, nil
	}
	return updated, u.apply(ctx, &d, a, updated)
}

// compare finds what differs. Another update that is under way is waited for, and compared with.
func (u *updater) compare(ctx context.Context, a *Artifact) (d changes, err error) {
	if u.f, err = u.c.settled(ctx, u.s.Name); err != nil && !errors.Is(err, ErrNotReady) {
		return d, err
	}
	days := 0
	if u.s.LogRetention != 0 {
		if days, err = u.c.retentionDays(ctx, u.s.Name); err != nil {
			return d, err
		}
	}
	return differ(&u.s, &u.f, a, days)
}

// planned is what would be changed.
func (u *updater) planned(d *changes) *Updated {
	updated := &Updated{Function: u.f, Plan: d.plan, Changed: d.any(), Alias: u.o.Alias}
	if !u.o.DryRun {
		return updated
	}
	if u.o.Publish {
		updated.Plan = append(updated.Plan, "publish a version, unless the newest one has this code and configuration")
	}
	if u.o.Alias != "" {
		updated.Plan = append(updated.Plan, "alias "+u.o.Alias+" → that version")
	}
	return updated
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

// change makes what differs as wanted.
func (u *updater) change(ctx context.Context, d *changes, a *Artifact) error {
	// The configuration says which commit the code is of. It goes first: clients of the new commit
	// would otherwise be warned of new code that still bears the old name.
	if d.config != nil {
		if err := u.config(ctx, d); err != nil {
			return err
		}
	}
	if d.code {
		if err := u.code(ctx, d, a); err != nil {
			return err
		}
	}
	return u.rest(ctx, d)
}

func (u *updater) apply(ctx context.Context, d *changes, a *Artifact, updated *Updated) error {
	if err := u.change(ctx, d, a); err != nil {
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
	if u.at == nil {
		at, err := u.c.archive(ctx, &u.s, a)
		if err != nil {
			return err
		}
		u.at = at
	}
	u.c.say("code", fmt.Sprintf("%s: %.1f MB", u.s.Name, float64(len(a.Zip))/(1<<20)))
	request, done := whole(ctx)
	defer done()
	err := u.c.updateCode(request, u.at, lambda.UpdateFunctionCodeInput{
		FunctionName: aws.String(u.s.Name), RevisionId: u.revision(),
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
	if d.config.VpcConfig != nil && strings.HasSuffix(u.f.Role, "/"+RoleName(u.s.base())) {
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
