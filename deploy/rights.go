package deploy

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// A Principal is who gets rights: one of both.
type Principal struct{ User, Role string }

// PolicyInput completes in for a function of this account and region: it asks whose
// credentials these are, and whether the function lives in a VPC.
func (c *Client) PolicyInput(ctx context.Context, in PolicyInput) (PolicyInput, error) {
	if err := checkName(in.Function); err != nil {
		return in, fail("policy", in.Function, err)
	}
	id, err := c.WhoAmI(ctx)
	if err != nil {
		return in, err
	}
	in.Partition, in.Region, in.Account = id.Partition, c.cfg.Region, id.Account
	f, err := c.get(ctx, in.Function, "")
	if err != nil && code(err) != notFound {
		return in, fail("policy", in.Function, err)
	}
	in.VPC = in.VPC || len(f.Subnets) > 0
	return in, nil
}

// GrantAgent gives the role that [Client.Create] made for a function its [AgentPolicy] again,
// for instance after somebody changed it.
func (c *Client) GrantAgent(ctx context.Context, function string) error {
	in, err := c.PolicyInput(ctx, PolicyInput{Function: function})
	if err != nil {
		return err
	}
	arn, err := c.findRole(ctx, RoleName(function))
	if err == nil && arn == "" {
		err = &Error{Kind: ErrNotFound, Err: errors.New("role " + RoleName(function)), Hint: "lambdapool create makes it"}
	}
	if err != nil {
		return fail("policy", function, cause(ctx, err))
	}
	return fail("policy", function, c.putAgentPolicy(ctx, in))
}

// GrantClient gives a user or a role the [ClientPolicy] of in, as an inline policy.
func (c *Client) GrantClient(ctx context.Context, in PolicyInput, to Principal) error {
	if (to.User == "") == (to.Role == "") {
		return fail("policy", in.Function, invalid("to whom: name a user or a role, and not both"))
	}
	in, err := c.PolicyInput(ctx, in)
	if err != nil {
		return err
	}
	doc, err := ClientPolicy(in)
	if err != nil {
		return err
	}
	name := "lambdapool-client-" + in.Function
	if to.Role != "" {
		return fail("policy", in.Function, c.putRolePolicy(ctx, to.Role, name, doc))
	}
	_, err = c.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{
		UserName: aws.String(to.User), PolicyName: aws.String(name), PolicyDocument: aws.String(doc),
	})
	return fail("policy", in.Function, cause(ctx, err))
}

func (c *Client) putAgentPolicy(ctx context.Context, in PolicyInput) error {
	doc, err := AgentPolicy(in)
	if err != nil {
		return err
	}
	return c.putRolePolicy(ctx, RoleName(in.Function), inlinePolicy, doc)
}

func (c *Client) putRolePolicy(ctx context.Context, role, name, doc string) error {
	_, err := c.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
		RoleName: aws.String(role), PolicyName: aws.String(name), PolicyDocument: aws.String(doc),
	})
	return cause(ctx, err)
}
