package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lambdapool/lambdapool/deploy"
)

func (a *app) policyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Print or attach the least rights that a function's caller, or its agent, needs",
		Example: `  lambdapool policy client demo                  # for programs that call demo
  lambdapool policy client demo --apply --user ci
  lambdapool policy agent demo --apply           # what create gave its role`,
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return usage("policy of whom: client or agent") },
	}
	cmd.AddCommand(a.policyOfClient(), a.policyOfAgent())
	return cmd
}

func (a *app) policyOfClient() *cobra.Command {
	var to deploy.Principal
	var apply, dryRun bool
	cmd := &cobra.Command{
		Use:     "client NAME",
		Short:   "Rights of programs that call NAME",
		Example: "  lambdapool policy client demo\n  lambdapool policy client demo --apply --role build-server",
		Args:    named(1, 1, "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if apply && (to.User == "") == (to.Role == "") {
				return usage("apply: to whom? --user or --role says it")
			}
			return a.policy(cmd.Context(), apply && !dryRun,
				func(c *deploy.Client) (string, error) { return c.ClientRights(cmd.Context(), args[0]) },
				func(c *deploy.Client) error { return c.GrantClient(cmd.Context(), args[0], to) })
		},
		ValidArgsFunction: a.completeNames,
	}
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
			return a.policy(cmd.Context(), apply && !dryRun,
				func(c *deploy.Client) (string, error) { return c.AgentRights(cmd.Context(), args[0]) },
				func(c *deploy.Client) error { return c.GrantAgent(cmd.Context(), args[0]) })
		},
		ValidArgsFunction: a.completeNames,
	}
	cmd.Flags().BoolVar(&apply, "apply", false, "attach it to the role that create made")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "attach nothing")
	return cmd
}

// policy prints a policy, and attaches it.
func (a *app) policy(ctx context.Context, apply bool, rights func(*deploy.Client) (string, error), grant func(*deploy.Client) error) error {
	client, err := a.client(ctx)
	if err != nil {
		return err
	}
	doc, err := rights(client)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, []byte(doc), "", "  "); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout, out.String())
	if apply {
		return grant(client)
	}
	return nil
}
