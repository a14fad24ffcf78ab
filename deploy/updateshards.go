package deploy

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lambdapool/lambdapool/deploy/internal/steps"
	"github.com/lambdapool/lambdapool/internal/agentmain"
	"github.com/lambdapool/lambdapool/internal/shards"
)

// A shardUpdate is what one of several functions is to become.
type shardUpdate struct {
	*updater

	d       changes
	missing *Spec    // it has to be made; nil: it is there
	before  Function // what it was
	version string   // that was published
}

// shards brings all shards up to date, or none. u is the updater of the first.
func (u *updater) shards(ctx context.Context, a *Artifact) (*Updated, error) {
	u.s.Shards = u.f.Shards
	all, err := u.compareShards(ctx, a)
	if err != nil {
		return nil, err
	}
	updated := all[0].planned(&all[0].d)
	for i, up := range all[1:] {
		name := shards.Name(u.s.Name, i+1)
		switch {
		case up.missing != nil:
			updated.Plan = append(updated.Plan, "make shard "+name+", which is missing")
			updated.Changed = true
		case !slices.Equal(up.d.plan, all[0].d.plan):
			for _, text := range up.d.plan {
				if text != codeUnchanged {
					updated.Plan = append(updated.Plan, "shard "+name+": "+text)
				}
			}
			updated.Changed = updated.Changed || up.d.any()
		}
	}
	if updated.Changed {
		updated.Plan = append(updated.Plan, fmt.Sprintf("on all %d shards, or none", len(all)))
	}
	if u.o.DryRun {
		return updated, nil
	}
	return updated, u.applyShards(ctx, all, a, updated)
}

// compareShards looks at all of them before anything is changed.
func (u *updater) compareShards(ctx context.Context, a *Artifact) (all []*shardUpdate, err error) {
	for i := range u.f.Shards {
		spec := *u.s.shardOf(i)
		up := &shardUpdate{updater: &updater{c: u.c, s: spec, o: u.o}}
		up.d, err = up.compare(ctx, a)
		switch {
		case i > 0 && code(err) == notFound:
			if up.missing, err = u.again(i, a); err != nil {
				return nil, err
			}
		case err != nil:
			return nil, err
		case up.f.base != u.f.Name || up.f.shard != i || up.f.Shards != u.f.Shards:
			return nil, &Error{Kind: ErrForeign, Err: errorf("function %s is no shard of %s", up.s.Name, u.s.Name), Hint: "it has the name of one: delete or rename it"}
		}
		if i == 0 {
			u.f = up.f
		}
		up.before = up.f
		all = append(all, up)
	}
	return all, u.tryCode(ctx, all, a)
}

// again is what a shard that is missing is made of: the configuration of the first, and what is wanted now.
func (u *updater) again(i int, a *Artifact) (*Spec, error) {
	if a == nil {
		return nil, &Error{Kind: ErrNotFound, Err: errorf("shard %s is missing", shards.Name(u.s.Name, i)),
			Hint: "name the package, to make it again: lambdapool update " + u.s.Name + " PACKAGE"}
	}
	f, s := &u.f, u.s.shardOf(i)
	env := maps.Clone(f.Env)
	for _, name := range []string{Marker, agentmain.BuildVariable, shards.Variable} {
		delete(env, name)
	}
	for _, name := range s.UnsetEnv {
		delete(env, name)
	}
	maps.Copy(env, s.env())
	tags := maps.Clone(f.Tags)
	for _, key := range []string{Tag, tagCreated, shards.Tag} {
		delete(tags, key)
	}
	maps.Copy(tags, s.Tags)
	have := Settings{
		Memory: f.Memory, Timeout: time.Duration(f.Timeout) * time.Second, EphemeralStorage: f.EphemeralStorage,
		Layers: f.Layers, Subnets: f.Subnets, SecurityGroups: f.SecurityGroups,
	}
	have.Memory = pick(s.Memory, have.Memory)
	have.Timeout = pick(s.Timeout, have.Timeout)
	have.EphemeralStorage = pick(s.EphemeralStorage, have.EphemeralStorage)
	if s.Layers != nil {
		have.Layers = s.Layers
	}
	if len(s.Subnets) > 0 {
		have.Subnets, have.SecurityGroups = s.Subnets, s.SecurityGroups
	}
	have.Env, have.Tags, have.LogRetention = env, tags, s.LogRetention
	if have.ReservedConcurrency = s.ReservedConcurrency; have.ReservedConcurrency == nil {
		have.ReservedConcurrency = f.Reserved
	}
	s.Settings, s.Artifact, s.Arch, s.Role = have, a, a.Arch, or(s.Role, f.Role)
	return s, nil
}

func pick[T comparable](wanted, have T) T {
	var none T
	if wanted == none {
		return have
	}
	return wanted
}

// tryCode asks of each shard whether it would take the code, before any gets it.
func (u *updater) tryCode(ctx context.Context, all []*shardUpdate, a *Artifact) error {
	if u.o.DryRun {
		return nil
	}
	for _, up := range all {
		if !up.d.code && up.missing == nil {
			continue
		}
		if u.at == nil {
			at, err := u.c.archive(ctx, &u.s, a)
			if err != nil {
				return err
			}
			u.at = at
		}
		if up.at = u.at; up.missing != nil {
			continue
		}
		err := u.c.updateCode(ctx, up.at, lambda.UpdateFunctionCodeInput{
			FunctionName: aws.String(up.s.Name), RevisionId: up.revision(), DryRun: true,
			Architectures: []types.Architecture{types.Architecture(or(up.d.arch, up.f.Arch))},
		})
		if err != nil {
			return raced(cause(ctx, err))
		}
	}
	return nil
}

// applyShards changes them one after the other. What was changed is taken back when one fails.
func (u *updater) applyShards(ctx context.Context, all []*shardUpdate, a *Artifact, updated *Updated) error {
	undo := &steps.Undo{ID: rand.Text()}
	if err := u.changeShards(ctx, all, a, undo); err != nil {
		return u.takeBack(ctx, err, undo)
	}
	qualifier := ""
	if u.o.Publish {
		for _, up := range slices.Backward(all) {
			version, err := up.publish(ctx)
			if err != nil {
				return u.takeBack(ctx, err, undo)
			}
			up.version, qualifier, updated.Version = version, version, version
		}
		updated.Plan = append(updated.Plan, "version "+qualifier)
	}
	updated.Function = all[0].f
	together(&updated.Function, others(all))
	if !u.o.NoSmoke && (updated.Changed || u.o.Publish) {
		var err error
		if updated.Registry, err = u.c.smoke(ctx, u.s.Name, qualifier); err != nil {
			return err
		}
	}
	if u.o.Alias == "" {
		return nil
	}
	updated.Plan = append(updated.Plan, "alias "+u.o.Alias+" → version "+updated.Version)
	if err := u.pointShards(ctx, all, undo); err != nil {
		return u.takeBack(ctx, err, undo)
	}
	return nil
}

// takeBack undoes what was done, and adds to the error what could not be undone.
func (u *updater) takeBack(ctx context.Context, err error, undo *steps.Undo) error {
	u.done = nil
	return interrupted(ctx, err, undo.Rollback(ctx, u.c.say))
}

func others(all []*shardUpdate) []*Function {
	fs := make([]*Function, 0, len(all))
	for _, up := range all[1:] {
		fs = append(fs, &up.f)
	}
	return fs
}

// changeShards is the part that changes what clients without a qualifier see. The first comes last, as when they
// are made.
func (u *updater) changeShards(ctx context.Context, all []*shardUpdate, a *Artifact, undo *steps.Undo) (err error) {
	for _, up := range slices.Backward(all) {
		if up.missing != nil {
			if up.f, err = u.c.makeShard(ctx, up.missing, a, up.at, up.missing.Role, undo); err != nil {
				return err
			}
			continue
		}
		if !up.d.any() {
			continue
		}
		old, err := u.c.oldCode(ctx, &up.d, up.s.Name)
		if err != nil {
			return err
		}
		undo.Add("the change of shard "+up.s.Name, "lambdapool update "+u.s.Name+" PACKAGE", func(ctx context.Context) error { return up.restore(ctx, old) })
		up.undoRest(undo)
		if err := up.change(ctx, &up.d, a); err != nil {
			return err
		}
		u.done = append(u.done, "shard "+up.s.Name)
	}
	return nil
}

// oldCode fetches the archive that a function has now, if it is to get another: nothing else can bring it back.
func (c *Client) oldCode(ctx context.Context, d *changes, name string) ([]byte, error) {
	if !d.code {
		return nil, nil
	}
	out, err := c.lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String(name)})
	if err != nil {
		return nil, cause(ctx, err)
	}
	if out.Code == nil || aws.ToString(out.Code.Location) == "" {
		return nil, nil // no endpoint of AWS's: it cannot be taken back
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, *out.Code.Location, http.NoBody)
	if err != nil {
		return nil, errorf("the link to the code of %s is no URL", name) // not the link: it is a credential
	}
	client := c.cfg.HTTPClient
	if client == nil {
		client = awshttp.NewBuildableClient()
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, errorf("fetch the code of %s, to be able to restore it: no answer", name)
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	if resp.StatusCode != http.StatusOK {
		return nil, errorf("fetch the code of %s, to be able to restore it: HTTP %d", name, resp.StatusCode)
	}
	return io.ReadAll(io.LimitReader(resp.Body, MaxUnpacked))
}

// restore gives a shard back the code and the configuration that it had.
func (up *shardUpdate) restore(ctx context.Context, old []byte) error {
	now, err := up.c.settled(ctx, up.s.Name)
	if err != nil {
		return err
	}
	up.f = now
	was := up.before
	if up.d.code && now.CodeSHA256 != was.CodeSHA256 {
		if old == nil {
			return errorf("the old code of %s is not to be had", up.s.Name)
		}
		up.at = &archive{zip: old}
		if err := up.code(ctx, &changes{arch: was.Arch}, &Artifact{Zip: old, Sum: was.CodeSHA256, Arch: was.Arch}); err != nil {
			return err
		}
	}
	if up.d.config == nil || sameConfig(&now, &was) {
		return nil
	}
	in := &lambda.UpdateFunctionConfigurationInput{
		FunctionName: aws.String(up.s.Name), MemorySize: aws.Int32(int32(was.Memory)), Timeout: aws.Int32(int32(was.Timeout)), Role: aws.String(was.Role),
		EphemeralStorage: &types.EphemeralStorage{Size: aws.Int32(int32(was.EphemeralStorage))}, Layers: append([]string{}, was.Layers...),
		Environment: &types.Environment{Variables: was.Env},
	}
	if up.d.config.VpcConfig != nil {
		in.VpcConfig = &types.VpcConfig{SubnetIds: append([]string{}, was.Subnets...), SecurityGroupIds: append([]string{}, was.SecurityGroups...)}
	}
	return up.config(ctx, &changes{config: in})
}

// sameConfig compares what an update of the configuration changes.
func sameConfig(a, b *Function) bool {
	return a.Memory == b.Memory && a.Timeout == b.Timeout && a.EphemeralStorage == b.EphemeralStorage && a.Role == b.Role && maps.Equal(a.Env, b.Env) &&
		slices.Equal(a.Layers, b.Layers) && sameSet(a.Subnets, b.Subnets) && sameSet(a.SecurityGroups, b.SecurityGroups)
}

// pointShards moves the alias of each, that of the first at last: clients look there.
func (u *updater) pointShards(ctx context.Context, all []*shardUpdate, undo *steps.Undo) error {
	for _, up := range slices.Backward(all) {
		name := aws.String(up.s.Name)
		have, err := u.c.lambda.GetAlias(ctx, &lambda.GetAliasInput{FunctionName: name, Name: aws.String(u.o.Alias)})
		switch {
		case code(err) == notFound:
			undo.Add("alias "+u.o.Alias+" of "+up.s.Name, "aws lambda delete-alias --function-name "+up.s.Name+" --name "+u.o.Alias, func(ctx context.Context) error {
				_, err := u.c.lambda.DeleteAlias(ctx, &lambda.DeleteAliasInput{FunctionName: name, Name: aws.String(u.o.Alias)})
				return err
			})
		case err != nil:
			return cause(ctx, err)
		default:
			version := aws.ToString(have.FunctionVersion)
			undo.Add("alias "+u.o.Alias+" of "+up.s.Name, "aws lambda update-alias --function-name "+up.s.Name+" --name "+u.o.Alias+" --function-version "+version,
				func(ctx context.Context) error { return up.point(ctx, u.o.Alias, version) })
		}
		if err := up.point(ctx, u.o.Alias, up.version); err != nil {
			return err
		}
	}
	return nil
}
