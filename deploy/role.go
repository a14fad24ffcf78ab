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

	"github.com/lambdapool/lambdapool/deploy/internal/steps"
)

// The policies of the roles made here. The second one is apart, so that it stays when the first is
// brought up to date.
const (
	inlinePolicy = "lambdapool-agent"
	nestedPolicy = "lambdapool-nested" // of functions that call on their own pool
)

// RoleName returns the name of the role that [Client.Create] makes for a function:
// lambdapool-NAME. Names above 64 bytes, the limit of IAM, are cut, and end in a hash of the
// whole name. It asks nobody.
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
	// Account is a number of twelve digits.
	Account string `json:"account"`

	// ARN names the user or the assumed role.
	ARN string `json:"arn"`

	// Partition is "aws", "aws-cn" or "aws-us-gov": the first part of every ARN there.
	Partition string `json:"partition"`
}

// WhoAmI asks AWS for the identity behind the credentials. It needs no rights, so it is the way
// to find out whether credentials work at all. It blocks for one request.
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
func (c *Client) ensureRole(ctx context.Context, s *Spec, u *steps.Undo) (string, error) {
	name := RoleName(s.base())
	arn, err := c.findRole(ctx, name)
	switch {
	case err != nil:
		return "", err
	case arn != "":
		c.say("role", "reuse "+name)
	default:
		c.say("role", "make "+name)
		forget := u.Add("role "+name, "aws iam delete-role-policy --role-name "+name+" --policy-name "+inlinePolicy+"; "+s.undoNested(name)+"aws iam delete-role --role-name "+name,
			func(ctx context.Context) error {
				return c.unlessTaken(ctx, s.base(), u.ID, func(ctx context.Context, _ string) error { return c.deleteRole(ctx, name) })
			})
		request, done := whole(ctx)
		defer done()
		out, err := c.iam.CreateRole(request, &iam.CreateRoleInput{
			RoleName:                 aws.String(name),
			AssumeRolePolicyDocument: aws.String(trust),
			Description:              aws.String("Agent of lambdapool function " + s.base()),
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

// undoNested is the command that takes back what Nested gives.
func (s *Spec) undoNested(role string) string {
	if !s.Nested {
		return ""
	}
	return "aws iam delete-role-policy --role-name " + role + " --policy-name " + nestedPolicy + "; "
}

// agentInput says for what the function's role needs rights.
func (c *Client) agentInput(ctx context.Context, s *Spec) (PolicyInput, error) {
	id, err := c.WhoAmI(ctx)
	return PolicyInput{
		Partition: id.Partition, Region: c.cfg.Region, Account: id.Account, Function: s.base(), VPC: len(s.Subnets) > 0, Shards: s.shards(),
	}, err
}

// roleHolds refuses a function whose role could not have its policies, before anything is made. That of one function
// always can.
func (c *Client) roleHolds(ctx context.Context, s *Spec) error {
	if s.Role != "" || s.shards() == 1 {
		return nil
	}
	in, err := c.agentInput(ctx, s)
	if err != nil {
		return err
	}
	return in.roleHolds(s.Nested)
}

// grant gives the function's role what its agent needs, no more and no less.
func (c *Client) grant(ctx context.Context, s *Spec) error {
	in, err := c.agentInput(ctx, s)
	if err != nil {
		return err
	}
	if err := c.putAgentPolicy(ctx, in); err != nil || !s.Nested {
		return err
	}
	return c.putNestedPolicy(ctx, in)
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

// deleteRolePolicy deletes one policy. That it is gone already, or its role, is fine.
func (c *Client) deleteRolePolicy(ctx context.Context, role, policy string) error {
	_, err := c.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: aws.String(role), PolicyName: aws.String(policy)})
	if code(err) == "NoSuchEntity" {
		return nil
	}
	return err
}

// deleteRole deletes a role of ours with its policy. That it is gone already is fine.
func (c *Client) deleteRole(ctx context.Context, name string) error {
	for _, policy := range []string{inlinePolicy, nestedPolicy} {
		if err := c.deleteRolePolicy(ctx, name, policy); err != nil {
			return err
		}
	}
	_, err := c.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String(name)})
	if code(err) == "NoSuchEntity" {
		return nil
	}
	return err
}
