package deploy

import (
	"context"
	"errors"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// A Principal is who gets rights: a user or a role, by name and not by ARN. Exactly one of the
// fields must be set.
type Principal struct{ User, Role string }

// PolicyInput completes in for a function of this account and region. It asks AWS whose
// credentials these are, and whether the function lives in a VPC. Partition, Region and Account
// are overwritten, and so is Shards where the function has some. A function that does not exist yet is fine: VPC stays as it is then. The
// error matches [ErrInvalid] for a bad name.
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
	if f.Shards > 0 && f.shard == 0 {
		in.Shards = f.Shards
	}
	return in, nil
}

// GrantAgent gives the role that [Client.Create] made for a function its [AgentPolicy] again,
// for instance after somebody changed it. Other policies of the role stay.
//
// The error matches [ErrNotFound] when there is no such role, [ErrForeign] when it was not made
// by lambdapool.
func (c *Client) GrantAgent(ctx context.Context, function string) error {
	in, err := c.PolicyInput(ctx, PolicyInput{Function: function})
	if err != nil {
		return err
	}
	if err := c.hasRole(ctx, function); err != nil {
		return fail("policy", function, cause(ctx, err))
	}
	return fail("policy", function, c.putAgentPolicy(ctx, in))
}

// GrantNested gives the role that [Client.Create] made for a function the right to invoke that
// function, or with on = false takes it away: functions that call on their own pool need it
// (lambdapool.FromContext). It is a policy of its own, lambdapool-nested, and others stay. AWS takes some
// seconds to know of it everywhere.
//
// The errors are those of [Client.GrantAgent].
func (c *Client) GrantNested(ctx context.Context, function string, on bool) error {
	in, err := c.PolicyInput(ctx, PolicyInput{Function: function})
	if err != nil {
		return err
	}
	if err := c.hasRole(ctx, function); err != nil {
		return fail("policy", function, cause(ctx, err))
	}
	if on {
		if err := in.roleHolds(true); err != nil {
			return fail("policy", function, err)
		}
		return fail("policy", function, c.putNestedPolicy(ctx, in))
	}
	return fail("policy", function, cause(ctx, c.deleteRolePolicy(ctx, RoleName(function), nestedPolicy)))
}

// hasRole returns an error unless there is a role that was made for the function.
func (c *Client) hasRole(ctx context.Context, function string) error {
	arn, err := c.findRole(ctx, RoleName(function))
	if err == nil && arn == "" {
		err = &Error{Kind: ErrNotFound, Err: errors.New("role " + RoleName(function)), Hint: "lambdapool create makes it"}
	}
	return err
}

// GrantClient gives a user or a role the [ClientPolicy] of in, as an inline policy with the
// name lambdapool-client-NAME. Doing it again replaces that policy, other policies stay. in is
// completed as by [Client.PolicyInput].
//
// Your credentials need iam:PutUserPolicy or iam:PutRolePolicy for the principal. That is an
// administrator's right: [DeployerPolicy] has it for the function's own role only. The error
// matches [ErrInvalid] when to names none or both, or when the policy is longer than IAM allows for a
// user, which that of many shards is. Its hint says how to give the rights all the same. It matches
// [ErrNotFound] when there is no such principal.
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
	name := clientPolicy(in.Function)
	if to.Role != "" {
		return fail("policy", in.Function, c.putRolePolicy(ctx, to.Role, name, doc))
	}
	if err := userHolds(doc, to.User, in.Function); err != nil {
		return fail("policy", in.Function, err)
	}
	_, err = c.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{
		UserName: aws.String(to.User), PolicyName: aws.String(name), PolicyDocument: aws.String(doc),
	})
	return fail("policy", in.Function, noRoom(cause(ctx, err), managed(to.User, in.Function)))
}

// clientPolicy is the name of the policy that GrantClient puts.
func clientPolicy(function string) string { return "lambdapool-client-" + function }

func (c *Client) putAgentPolicy(ctx context.Context, in PolicyInput) error {
	doc, err := AgentPolicy(in)
	if err != nil {
		return err
	}
	return c.putRolePolicy(ctx, RoleName(in.Function), inlinePolicy, doc)
}

func (c *Client) putNestedPolicy(ctx context.Context, in PolicyInput) error {
	doc, err := in.policy(forNested)
	if err != nil {
		return err
	}
	return c.putRolePolicy(ctx, RoleName(in.Function), nestedPolicy, doc)
}

func (c *Client) putRolePolicy(ctx context.Context, role, name, doc string) error {
	_, err := c.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
		RoleName: aws.String(role), PolicyName: aws.String(name), PolicyDocument: aws.String(doc),
	})
	return noRoom(cause(ctx, err), "inline policies of a role hold "+strconv.Itoa(maxRolePolicies)+" characters together: delete one of "+role+", or make it a managed policy")
}
