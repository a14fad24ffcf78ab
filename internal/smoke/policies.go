package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/internal/smoke/work"
)

// settling is how long a new role may not be known everywhere.
const settling = 2 * time.Minute

// leastPolicies calls with nothing but what ClientPolicy says, by a role that is made for it. The
// agent has had nothing but AgentPolicy all along. A right that is missing in either shows as
// AccessDenied. A right too many does not show: the policies are held against the calls of the code
// by a test of package deploy.
//
// IAM tells its regions of a new role in its own time, so a refusal is believed only after two
// minutes.
func (a *account) leastPolicies(ctx context.Context) (string, error) {
	who, err := a.client.WhoAmI(ctx)
	if err != nil {
		return "", err
	}
	trust, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": map[string]string{"AWS": "arn:aws:iam::" + who.Account + ":root"},
	}}})
	if err != nil {
		return "", err
	}
	cfg := a.client.Config()
	roles, name := iam.NewFromConfig(cfg), a.name+"-client"
	made, err := roles.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(string(trust))})
	if err != nil {
		return "", err
	}
	a.remember("role "+name, func(ctx context.Context) error { return removeRole(ctx, roles, name) })
	in, err := a.client.PolicyInput(ctx, deploy.PolicyInput{Function: a.name, Bucket: a.bucket})
	if err != nil {
		return "", err
	}
	if err := a.client.GrantClient(ctx, in, deploy.Principal{Role: name}); err != nil {
		return "", err
	}
	deadline := time.Now().Add(settling)
	for {
		err := a.callAs(ctx, *made.Role.Arn)
		if err == nil || time.Now().After(deadline) || ctx.Err() != nil {
			return "a client with nothing but its policy has called, and an agent with nothing but its own has answered", err
		}
		select {
		case <-ctx.Done():
		case <-time.After(3 * time.Second):
		}
	}
}

// callAs assumes the role, and calls with what that gives.
func (a *account) callAs(ctx context.Context, role string) error {
	out, err := sts.NewFromConfig(a.client.Config()).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("smoke")})
	if err != nil {
		return err
	}
	c := out.Credentials
	b, err := awslambda.New(ctx, a.name, awslambda.WithFunctionTimeout(timeout),
		awslambda.WithStaticCredentials(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken))
	if err != nil {
		return err
	}
	defer b.Close() //nolint:errcheck // it never fails
	e, err := lambdapool.New(b, lambdapool.WithTimeout(time.Minute))
	if err != nil {
		return err
	}
	defer e.Close() //nolint:errcheck // nothing is left in it
	n, err := lambdapool.Call(ctx, e, work.Square, 7)
	if err == nil && n != 49 {
		err = fmt.Errorf("the square of 7 is %d", n)
	}
	return err
}

// removeRole removes a role's policies first: IAM deletes no role that has one.
func removeRole(ctx context.Context, roles *iam.Client, name string) error {
	policies, err := roles.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: &name})
	if err != nil {
		return err
	}
	for _, policy := range policies.PolicyNames {
		_, gone := roles.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &name, PolicyName: &policy})
		err = errors.Join(err, gone)
	}
	_, gone := roles.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &name})
	return errors.Join(err, gone)
}
