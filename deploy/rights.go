package deploy

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// A Principal is who gets rights: one of both.
type Principal struct{ User, Role string }

// AgentRights returns the IAM policy that the role of a function needs: to write its own
// log, and nothing else unless it runs in a VPC.
func (c *Client) AgentRights(ctx context.Context, function string) (string, error) {
	s := Spec{Name: function}
	if err := checkName(function); err != nil {
		return "", fail("policy agent", function, err)
	}
	f, err := c.get(ctx, function, "")
	switch {
	case err == nil:
		s.Subnets = f.Subnets
	case code(err) != "ResourceNotFoundException":
		return "", fail("policy agent", function, err)
	}
	doc, err := c.agentPolicy(ctx, &s)
	return doc, fail("policy agent", function, err)
}

// ClientRights returns the IAM policy that a program needs to call a function.
func (c *Client) ClientRights(ctx context.Context, function string) (string, error) {
	if err := checkName(function); err != nil {
		return "", fail("policy client", function, err)
	}
	doc, err := c.clientPolicy(ctx, function)
	return doc, fail("policy client", function, err)
}

// GrantAgent gives the role that [Client.Create] made for a function AgentRights again,
// for instance after somebody changed them.
func (c *Client) GrantAgent(ctx context.Context, function string) error {
	doc, err := c.AgentRights(ctx, function)
	if err != nil {
		return err
	}
	if arn, err := c.findRole(ctx, RoleName(function)); err != nil || arn == "" {
		if err == nil {
			err = &Error{Kind: ErrNotFound, Err: errors.New("role " + RoleName(function)), Hint: "lambdapool create makes it"}
		}
		return fail("policy agent", function, err)
	}
	return fail("policy agent", function, c.putRolePolicy(ctx, RoleName(function), inlinePolicy, doc))
}

// GrantClient gives a user or a role ClientRights for a function, as an inline policy.
func (c *Client) GrantClient(ctx context.Context, function string, to Principal) error {
	if (to.User == "") == (to.Role == "") {
		return fail("policy client", function, invalid("to whom: name a user or a role, and not both"))
	}
	doc, err := c.ClientRights(ctx, function)
	if err != nil {
		return err
	}
	policy := "lambdapool-client-" + function
	if to.Role != "" {
		return fail("policy client", function, c.putRolePolicy(ctx, to.Role, policy, doc))
	}
	_, err = c.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{
		UserName: aws.String(to.User), PolicyName: aws.String(policy), PolicyDocument: aws.String(doc),
	})
	return fail("policy client", function, cause(ctx, err))
}

func (c *Client) putRolePolicy(ctx context.Context, role, name, doc string) error {
	_, err := c.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
		RoleName: aws.String(role), PolicyName: aws.String(name), PolicyDocument: aws.String(doc),
	})
	return cause(ctx, err)
}

// agentPolicy is [AgentPolicy] in this account.
func (c *Client) agentPolicy(ctx context.Context, s *Spec) (string, error) {
	in, err := c.policyInput(ctx, s.Name)
	if err != nil {
		return "", err
	}
	in.VPC = len(s.Subnets) > 0
	return AgentPolicy(in)
}

// clientPolicy is [ClientPolicy] in this account.
func (c *Client) clientPolicy(ctx context.Context, function string) (string, error) {
	in, err := c.policyInput(ctx, function)
	if err != nil {
		return "", err
	}
	return ClientPolicy(in)
}

func (c *Client) policyInput(ctx context.Context, function string) (PolicyInput, error) {
	id, err := c.WhoAmI(ctx)
	return PolicyInput{Partition: id.Partition, Region: c.cfg.Region, Account: id.Account, Function: function}, err
}
