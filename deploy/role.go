package deploy

import (
	"context"
	"errors"
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// inlinePolicy is the only policy of the roles made here.
const inlinePolicy = "lambdapool-agent"

// RoleName returns the name of the role that [Client.Create] makes for a function.
func RoleName(function string) string {
	name := "lambdapool-" + function
	if len(name) <= maxNameLen {
		return name
	}
	h := fnv.New32a()
	h.Write([]byte(function))
	return name[:maxNameLen-9] + "-" + strconv.FormatUint(uint64(h.Sum32()), 16)
}

// trust lets Lambda, and nobody else, assume a role.
const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// An Identity is whom the credentials belong to.
type Identity struct {
	Account   string `json:"account"`
	ARN       string `json:"arn"`
	Partition string `json:"partition"` // "aws", "aws-cn", "aws-us-gov"
}

// WhoAmI asks AWS for the identity behind the credentials.
func (c *Client) WhoAmI(ctx context.Context) (Identity, error) {
	out, err := c.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return Identity{}, fail("check", "credentials", cause(ctx, err))
	}
	id := Identity{Account: aws.ToString(out.Account), ARN: aws.ToString(out.Arn), Partition: "aws"}
	if parts := strings.SplitN(id.ARN, ":", 3); len(parts) == 3 && parts[1] != "" {
		id.Partition = parts[1]
	}
	return id, nil
}

// ensureRole returns the ARN of the function's role, which it makes unless there is one
// from an earlier time. Whatever it makes is in u.
func (c *Client) ensureRole(ctx context.Context, s *Spec, u *undo) (string, error) {
	name := RoleName(s.Name)
	arn, err := c.findRole(ctx, name)
	switch {
	case err != nil:
		return "", err
	case arn != "":
		c.say("role", "reuse "+name)
	default:
		c.say("role", "make "+name)
		forget := u.add("role "+name, "aws iam delete-role-policy --role-name "+name+" --policy-name "+inlinePolicy+"; aws iam delete-role --role-name "+name,
			func(ctx context.Context) error {
				return c.unlessTaken(ctx, s.Name, u.id, func(ctx context.Context, _ string) error { return c.deleteRole(ctx, name) })
			})
		request, done := whole(ctx)
		defer done()
		out, err := c.iam.CreateRole(request, &iam.CreateRoleInput{
			RoleName:                 aws.String(name),
			AssumeRolePolicyDocument: aws.String(trust),
			Description:              aws.String("Agent of lambdapool function " + s.Name),
			Tags:                     []types.Tag{{Key: aws.String(Tag), Value: aws.String(Version())}},
		})
		if code(err) == "EntityAlreadyExists" { // made since we looked
			forget()
			return c.ensureRole(ctx, s, u)
		}
		if err != nil {
			return "", err
		}
		arn = aws.ToString(out.Role.Arn)
	}
	return arn, c.grant(ctx, s)
}

// grant gives the function's role what its agent needs, no more and no less.
func (c *Client) grant(ctx context.Context, s *Spec) error {
	id, err := c.WhoAmI(ctx)
	if err != nil {
		return err
	}
	return c.putAgentPolicy(ctx, PolicyInput{
		Partition: id.Partition, Region: c.cfg.Region, Account: id.Account, Function: s.Name, VPC: len(s.Subnets) > 0,
	})
}

// findRole returns the ARN of a role of ours, "" if there is none.
func (c *Client) findRole(ctx context.Context, name string) (string, error) {
	out, err := c.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(name)})
	switch {
	case code(err) == "NoSuchEntity":
		return "", nil
	case err != nil:
		return "", err
	}
	for _, tag := range out.Role.Tags {
		if aws.ToString(tag.Key) == Tag {
			return aws.ToString(out.Role.Arn), nil
		}
	}
	return "", &Error{Kind: ErrForeign, Err: errors.New("role " + name), Hint: "pass its ARN as role to use it as it is"}
}

// deleteRole deletes a role of ours with its policy. That it is gone already is fine.
func (c *Client) deleteRole(ctx context.Context, name string) error {
	_, err := c.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: aws.String(name), PolicyName: aws.String(inlinePolicy)})
	if err != nil && code(err) != "NoSuchEntity" {
		return err
	}
	_, err = c.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String(name)})
	if code(err) == "NoSuchEntity" {
		return nil
	}
	return err
}
