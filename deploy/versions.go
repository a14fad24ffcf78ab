package deploy

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

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
