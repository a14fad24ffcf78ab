package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/deploy"
)

// policyCommand has a command for each of those who need rights. All print the policy, and with
// --apply attach it, too. A policy is printed for a function that does not exist yet.
func (a *app) policyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Print or attach the least rights that callers, agents or deployers need",
		Example: `  lambdapool policy client demo                  # for programs that call demo
  lambdapool policy client demo --apply --user ci
  lambdapool policy agent demo --apply           # what create gave its role
  lambdapool policy deployer demo                # for this command itself
  lambdapool policy lifecycle > rule.json        # for the bucket of large payloads
  lambdapool policy client demo --on cloudrun    # roles of Google's, with the commands that give them`,
		Args: noSuchCommand,
		RunE: func(*cobra.Command, []string) error {
			return usage("policy of whom: client, agent, deployer or lifecycle")
		},
	}
	cmd.AddCommand(a.policyOfClient(), a.policyOfAgent(), a.policyOfDeployer(), a.policyOfBucket())
	return cmd
}

// policyOfClient is about programs that call a function. The flags of the bucket must be those
// of the program, or its large payloads are refused.
func (a *app) policyOfClient() *cobra.Command {
	var in deploy.PolicyInput
	var to deploy.Principal
	var apply, dryRun bool
	var member string
	cmd := &cobra.Command{
		Use:   "client NAME",
		Short: "Rights of programs that call NAME",
		Example: `  lambdapool policy client demo
  lambdapool policy client demo --bucket payloads        # with large payloads
  lambdapool policy client demo --apply --role build-server
  lambdapool policy client demo --on cloudrun --apply --member serviceAccount:EMAIL`,
		Args: named(1, 1, "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			on, err := a.on()
			if err != nil {
				return err
			}
			if on == onCloudRun {
				for _, flag := range []string{"prefix", "kms-key", "user", "role"} {
					if cmd.Flags().Changed(flag) {
						return usage("%s: only on Lambda; on Cloud Run --member and --bucket say whom and what", flag)
					}
				}
				return a.callers(cmd.Context(), &callerFlags{args[0], member, in.Bucket, apply, dryRun})
			}
			if member != "" {
				return usage("member: only on Cloud Run; --user or --role on Lambda")
			}
			if apply && (to.User == "") == (to.Role == "") {
				return usage("apply: to whom? --user or --role says it, and only one of them")
			}
			in.Function = args[0]
			var grant func(*deploy.Client) error
			if apply && !dryRun {
				grant = func(c *deploy.Client) error { return c.GrantClient(cmd.Context(), in, to) }
			}
			return a.policy(cmd.Context(), in, a.measured(deploy.ClientPolicy, apply), grant)
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
	cmd.Flags().StringVar(&member, "member", "", "Cloud Run: who calls, such as serviceAccount:EMAIL")
	return a.asJSON(cmd)
}

// policyOfAgent is about the function's own role.
func (a *app) policyOfAgent() *cobra.Command {
	var apply, dryRun, nested bool
	cmd := &cobra.Command{
		Use:   "agent NAME",
		Short: "Rights of the agent of NAME",
		Example: `  lambdapool policy agent demo
  lambdapool policy agent demo --apply
  lambdapool policy agent demo --nested --apply        # functions call on their own pool
  lambdapool policy agent demo --nested=false --apply  # no longer`,
		Args: named(1, 1, "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.onlyOnLambda("policy agent", ": an agent on Cloud Run needs no role; give it a service account without any"); err != nil {
				return err
			}
			var grant func(*deploy.Client) error
			if apply && !dryRun {
				grant = func(c *deploy.Client) error {
					if err := c.GrantAgent(cmd.Context(), args[0]); err != nil || !cmd.Flags().Changed("nested") {
						return err
					}
					return c.GrantNested(cmd.Context(), args[0], nested)
				}
			}
			return a.policy(cmd.Context(), deploy.PolicyInput{Function: args[0], Nested: nested}, deploy.AgentPolicy, grant)
		},
		ValidArgsFunction: a.completeNames,
	}
	cmd.Flags().BoolVar(&nested, "nested", false, "functions call on their own pool: the right to invoke NAME, and nothing else")
	cmd.Flags().BoolVar(&apply, "apply", false, "attach it to the role that create made")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "attach nothing")
	return cmd
}

// policyOfDeployer is about who runs this command. It cannot be attached by it: only an
// administrator may give such rights.
func (a *app) policyOfDeployer() *cobra.Command {
	var member, account, source string
	var shards int
	var code string
	cmd := &cobra.Command{
		Use:     "deployer NAME",
		Short:   "Rights of whoever creates and updates NAME with this command",
		Example: "  lambdapool policy deployer demo\n  lambdapool policy deployer demo --on cloudrun --member user:ann@example.com",
		Args:    named(1, 1, "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch on, err := a.on(); {
			case err != nil:
				return err
			case on == onCloudRun:
				return a.deployers(cmd.Context(), args[0], member, account, source)
			}
			return a.policy(cmd.Context(), deploy.PolicyInput{Function: args[0], Shards: shards, CodeBucket: code}, a.measured(deploy.DeployerPolicy, false), nil)
		},
		ValidArgsFunction: a.completeNames,
	}
	cmd.Flags().StringVar(&code, "code-bucket", "", "Lambda: the bucket that the code goes to")
	cmd.Flags().IntVar(&shards, "shards", 0, "Lambda: `N` functions that stand for NAME, where it does not exist yet")
	cmd.Flags().StringVar(&member, "member", "", "Cloud Run: who deploys, such as user:ann@example.com")
	cmd.Flags().StringVar(&account, "service-account", "", "Cloud Run: the account that the service runs as")
	cmd.Flags().StringVar(&source, "source-bucket", "", "Cloud Run: the bucket that the code goes to, where there is no image")
	return a.asJSON(cmd)
}

// policyOfBucket prints lifecycle rules. It asks nobody, and works without an account.
func (a *app) policyOfBucket() *cobra.Command {
	var prefix string
	var keepRuns int
	cmd := &cobra.Command{
		Use:   "lifecycle",
		Short: "Lifecycle rules of the bucket for large payloads and detached runs",
		Long: `Print the lifecycle configuration of the bucket of awslambda.WithBucket, or with
--on cloudrun of cloudrun.WithBucket. It removes
what crashed clients left of calls, after a day, and detached runs after --keep-runs days,
which has to be longer than runs are to be read. Attaching it replaces the bucket's
other rules: merge them first.`,
		Example: `  lambdapool policy lifecycle > rule.json
  lambdapool policy lifecycle --keep-runs 31 > rule.json
  aws s3api put-bucket-lifecycle-configuration --bucket payloads --lifecycle-configuration file://rule.json
  lambdapool policy lifecycle --on cloudrun > rule.json
  gcloud storage buckets update gs://payloads --lifecycle-file=rule.json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			on, err := a.on()
			if err != nil {
				return err
			}
			var rule string
			if on == onCloudRun {
				rule, err = cloudrun.LifecycleRule(prefix, cloudrun.KeepRuns(keepRuns))
			} else {
				rule, err = awslambda.LifecycleRule(prefix, awslambda.KeepRuns(keepRuns))
			}
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

// measured also says where a policy fits that is long, unless it is attached here: whoever does so by hand has to know.
func (a *app) measured(policy func(deploy.PolicyInput) (string, error), apply bool) func(deploy.PolicyInput) (string, error) {
	return func(in deploy.PolicyInput) (string, error) {
		doc, err := policy(in)
		if room := deploy.PolicyRoom(doc); room != "" && !apply && !a.quiet {
			fmt.Fprintf(a.stderr, "%-10s %s\n", "size", room)
		}
		return doc, err
	}
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
