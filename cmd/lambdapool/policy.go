package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/deploy"
)

func (a *app) policyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Print or attach the least rights that callers, agents or deployers need",
		Example: `  lambdapool policy client demo                  # for programs that call demo
  lambdapool policy client demo --apply --user ci
  lambdapool policy agent demo --apply           # what create gave its role
  lambdapool policy deployer demo                # for this command itself
  lambdapool policy lifecycle > rule.json        # for the bucket of large payloads`,
		Args: noSuchCommand,
		RunE: func(*cobra.Command, []string) error {
			return usage("policy of whom: client, agent, deployer or lifecycle")
		},
	}
	cmd.AddCommand(a.policyOfClient(), a.policyOfAgent(), a.policyOfDeployer(), a.policyOfBucket())
	return cmd
}

func (a *app) policyOfClient() *cobra.Command {
	var in deploy.PolicyInput
	var to deploy.Principal
	var apply, dryRun bool
	cmd := &cobra.Command{
		Use:   "client NAME",
		Short: "Rights of programs that call NAME",
		Example: `  lambdapool policy client demo
  lambdapool policy client demo --bucket payloads        # with large payloads
  lambdapool policy client demo --apply --role build-server`,
		Args: named(1, 1, "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if apply && (to.User == "") == (to.Role == "") {
				return usage("apply: to whom? --user or --role says it, and only one of them")
			}
			in.Function = args[0]
			var grant func(*deploy.Client) error
			if apply && !dryRun {
				grant = func(c *deploy.Client) error { return c.GrantClient(cmd.Context(), in, to) }
			}
			return a.policy(cmd.Context(), in, deploy.ClientPolicy, grant)
		},
		ValidArgsFunction: a.completeNames,
	}
	cmd.Flags().StringVar(&in.Bucket, "bucket", "", "bucket for payloads that an invocation cannot carry")
	cmd.Flags().StringVar(&in.Prefix, "prefix", "", "prefix of keys in the bucket (default lambdapool)")
	cmd.Flags().StringVar(&in.KMSKey, "kms-key", "", "ARN of the key that the bucket's objects are encrypted with")
	cmd.Flags().BoolVar(&apply, "apply", false, "attach it to --user or --role")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "attach nothing")
	cmd.Flags().StringVar(&to.User, "user", "", "name of an IAM user")
	cmd.Flags().StringVar(&to.Role, "role", "", "name of an IAM role")
	return cmd
}

func (a *app) policyOfAgent() *cobra.Command {
	var apply, dryRun bool
	cmd := &cobra.Command{
		Use:     "agent NAME",
		Short:   "Rights of the agent of NAME",
		Example: "  lambdapool policy agent demo\n  lambdapool policy agent demo --apply",
		Args:    named(1, 1, "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var grant func(*deploy.Client) error
			if apply && !dryRun {
				grant = func(c *deploy.Client) error { return c.GrantAgent(cmd.Context(), args[0]) }
			}
			return a.policy(cmd.Context(), deploy.PolicyInput{Function: args[0]}, deploy.AgentPolicy, grant)
		},
		ValidArgsFunction: a.completeNames,
	}
	cmd.Flags().BoolVar(&apply, "apply", false, "attach it to the role that create made")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "attach nothing")
	return cmd
}

func (a *app) policyOfDeployer() *cobra.Command {
	return &cobra.Command{
		Use:     "deployer NAME",
		Short:   "Rights of whoever creates and updates NAME with this command",
		Example: "  lambdapool policy deployer demo",
		Args:    named(1, 1, "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.policy(cmd.Context(), deploy.PolicyInput{Function: args[0]}, deploy.DeployerPolicy, nil)
		},
		ValidArgsFunction: a.completeNames,
	}
}

func (a *app) policyOfBucket() *cobra.Command {
	var prefix string
	var keepRuns int
	cmd := &cobra.Command{
		Use:   "lifecycle",
		Short: "Lifecycle rules of the bucket for large payloads and detached runs",
		Long: `Print the lifecycle configuration of the bucket of awslambda.WithBucket. It removes
what crashed clients left of calls, after a day, and detached runs after --keep-runs days,
which has to be longer than runs are to be read. Attaching it replaces the bucket's
other rules: merge them first.`,
		Example: `  lambdapool policy lifecycle > rule.json
  lambdapool policy lifecycle --keep-runs 31 > rule.json
  aws s3api put-bucket-lifecycle-configuration --bucket payloads --lifecycle-configuration file://rule.json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			rule, err := awslambda.LifecycleRule(prefix, awslambda.KeepRuns(keepRuns))
			if err != nil {
				return usage("%v", err)
			}
			fmt.Fprint(a.stdout, rule)
			return nil
		},
	}
	cmd.Flags().StringVar(&prefix, "prefix", "", "prefix of keys in the bucket (default lambdapool)")
	cmd.Flags().IntVar(&keepRuns, "keep-runs", 8, "`days` after which detached runs are removed")
	return cmd
}

// policy prints a policy, and attaches it if grant is not nil.
func (a *app) policy(ctx context.Context, in deploy.PolicyInput, policy func(deploy.PolicyInput) (string, error), grant func(*deploy.Client) error) error {
	client, err := a.client(ctx)
	if err != nil {
		return err
	}
	if in, err = client.PolicyInput(ctx, in); err != nil {
		return err
	}
	doc, err := policy(in)
	if err != nil {
		return err
	}
	fmt.Fprint(a.stdout, doc)
	if grant != nil {
		return grant(client)
	}
	return nil
}
