package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/lambdapool/lambdapool/deploy/rundeploy"
	"github.com/lambdapool/lambdapool/internal/legible"
)

// callerFlags are those of `lambdapool policy client` on Cloud Run.
type callerFlags struct {
	service, member, bucket string
	apply, dryRun           bool
}

// callers prints the roles that callers of a service need, and gives those that are on the service. Of the others it says so.
func (a *app) callers(ctx context.Context, f *callerFlags) error {
	if f.apply && f.member == "" {
		return usage("apply: to whom? --member says it, such as serviceAccount:EMAIL")
	}
	client, err := a.runClient(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // it always returns nil
	in := rightsOf(client, f.service, f.member)
	in.Bucket, in.CallAs = f.bucket, client.Project().CallAs
	if f.member == "serviceAccount:"+in.CallAs {
		in.CallAs = "" // it calls as itself
	}
	rights, err := rundeploy.ClientRights(in)
	if err != nil {
		return err
	}
	if err := a.print(rights, func(w io.Writer) { showRights(w, rights) }); err != nil || !f.apply || f.dryRun {
		return err
	}
	caller := f.member
	if in.CallAs != "" {
		caller = "serviceAccount:" + in.CallAs
	}
	if err := client.GrantInvoker(ctx, f.service, caller); err != nil {
		return err
	}
	if err := client.GrantViewer(ctx, f.service, f.member); err != nil {
		return err
	}
	if a.quiet {
		return nil
	}
	fmt.Fprintf(a.stderr, "%-10s %s may call %s\n", "grant", legible.Line(caller), legible.Line(f.service))
	fmt.Fprintf(a.stderr, "%-10s %s may look up %s\n", "grant", legible.Line(f.member), legible.Line(f.service))
	for _, r := range rights {
		if !strings.HasPrefix(r.On, "run services ") {
			fmt.Fprintf(a.stderr, "%-10s %s on %s: %s\n", "not given", legible.Line(r.Role), legible.Line(r.On), legible.Line(r.Command))
		}
	}
	return nil
}

// deployers prints the roles that whoever deploys needs. Only an administrator may give them.
func (a *app) deployers(ctx context.Context, service, member, account, source string) error {
	client, err := a.runClient(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // it always returns nil
	in := rightsOf(client, service, member)
	in.ServiceAccount, in.SourceBucket = account, source
	rights, err := rundeploy.DeployerRights(in)
	if err != nil {
		return err
	}
	return a.print(rights, func(w io.Writer) { showRights(w, rights) })
}

func rightsOf(client *rundeploy.Client, service, member string) rundeploy.RightsInput {
	p := client.Project()
	return rundeploy.RightsInput{Project: p.ID, Region: p.Region, Service: service, Member: member, Repository: p.Repository}
}

// showRights prints what a shell can run, with the reasons as its comments.
func showRights(w io.Writer, rights []rundeploy.Right) {
	for _, r := range rights {
		fmt.Fprintf(w, "# %s on %s: %s\n%s\n", legible.Line(r.Role), legible.Line(r.On), legible.Line(r.Why), legible.Line(r.Command))
	}
}
