package rundeploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/lambdapool/lambdapool/deploy/internal/build"
	"github.com/lambdapool/lambdapool/deploy/internal/steps"
	"github.com/lambdapool/lambdapool/deploy/shared"
	"github.com/lambdapool/lambdapool/internal/agentmain"
)

// An Updated says what [Client.Update] did. It can be printed as JSON.
type Updated struct {
	// Service is as Cloud Run describes it after the change, for a dry run before it.
	Service Service `json:"service"`

	// Plan is what was changed, or would be, one line each: "memory 512 → 1024 MB". Of the environment it has names
	// alone, since values may be secrets.
	Plan []string `json:"plan"`

	// Changed is false if everything was as wanted already. For a dry run it says whether something would change.
	Changed bool `json:"changed"`

	// Registry is what the agent answered to the smoke call, nil if there was none.
	Registry *shared.Registry `json:"registry,omitempty"`
}

// UpdateOptions change how [Client.Update] works. The zero value changes the service, and calls the agent once if
// something changed.
type UpdateOptions struct {
	// DryRun only says what would be done. The agent is built, if there is a Package, and Cloud Run checks the change.
	DryRun bool

	// NoSmoke makes no call afterwards.
	NoSmoke bool

	// Tag is a traffic tag that leads to the resulting revision, and from then on stays there: clients that name it, with
	// cloudrun.WithTag, do not see later updates until one moves it. "": no tag is set or moved.
	Tag string
}

// Update compares what is wanted with what is deployed and changes what differs, and nothing else: also settings that
// this package does not know stay as they are. Without a Package or an Artifact the code stays. What s leaves at its
// zero value stays, too. All changes make one new revision, which serves once it is ready: until then the old one does.
// Update calls the agent once at the end, if something changed.
//
// It blocks for about half a minute. Two updates at the same time do not overwrite each other: one of them ends with
// shared.ErrChanged, and is simply run again.
//
// The error matches shared.ErrInvalid for a bad value, shared.ErrNotFound or shared.ErrForeign for a service that is not
// ours, shared.ErrNotAgent, shared.ErrNotReady when the new revision did not start (the old one serves on), and
// shared.ErrSmoke when the changed agent does not answer.
func (c *Client) Update(ctx context.Context, s Spec, o UpdateOptions) (*Updated, error) {
	updated, err := c.update(ctx, s, o)
	return updated, fail("update", s.Name, err)
}

func (c *Client) update(ctx context.Context, s Spec, o UpdateOptions) (*Updated, error) {
	if err := errors.Join(s.Check(), checkTag(s.Name, o.Tag)); err != nil {
		return nil, err
	}
	have, err := c.own(ctx, s.Name)
	if err != nil {
		return nil, err
	}
	var a *Artifact
	if s.Package != "" || s.Artifact != nil {
		if a, err = c.artifact(ctx, &s); err != nil {
			return nil, err
		}
	}
	d := &difference{s: have, template: at(have.raw, "template"), labels: maps.Clone(have.Labels)}
	if err := d.all(c, &s.Settings, a); err != nil {
		return nil, err
	}
	in, mask := object{"labels": d.labels, "template": d.template, "etag": have.etag}, "labels,template"
	if o.Tag != "" && (d.changed || have.Tags[o.Tag] != have.Revision) {
		in["traffic"], mask = d.point(o.Tag), tagMask(d.changed)
	}
	updated := &Updated{Service: *have, Plan: d.plan, Changed: d.changed}
	if !d.changed {
		return updated, nil
	}
	if o.DryRun {
		return updated, c.validate(ctx, http.MethodPatch, c.admin(c.full(s.Name), "updateMask", mask, "validateOnly", "true"), in)
	}
	if d.code {
		if err := c.send(ctx, s.Name, a, &d.place); err != nil {
			return nil, err
		}
		d.place.put(ingress(d.template))
	}
	if have, err = c.apply(ctx, have, in, mask, o.Tag); err != nil {
		return nil, err
	}
	updated.Service = *have
	if o.NoSmoke || mask == tagMask(false) {
		return updated, nil
	}
	updated.Registry, err = c.smoke(ctx, s.Name)
	return updated, err
}

// apply changes a service and waits for that.
func (c *Client) apply(ctx context.Context, have *Service, in object, mask, tag string) (*Service, error) {
	c.say("update", "service "+have.Name)
	err := c.change(ctx, http.MethodPatch, c.admin(c.full(have.Name), "updateMask", mask), in)
	if e, ok := errors.AsType[*shared.Error](err); ok && errors.Is(e.Kind, shared.ErrNotReady) {
		e.Hint = "the old revision serves on: see lambdapool logs " + have.Name
		if in["traffic"] != nil {
			err = errors.Join(err, c.retract(ctx, have, tag))
		}
	}
	if err != nil {
		return nil, err
	}
	return c.get(ctx, have.Name)
}

// A difference is what an update changes, in what the Admin API has.
type difference struct {
	s             *Service
	template      object
	labels        map[string]string
	plan          []string
	changed, code bool
	place         place // of the code, where that changes
}

func (d *difference) sayf(format string, args ...any) {
	d.plan, d.changed = append(d.plan, fmt.Sprintf(format, args...)), true
}

// all compares everything, and edits the template and the labels.
func (d *difference) all(c *Client, want *Settings, a *Artifact) error {
	container := ingress(d.template)
	delete(d.template, "revision") // the next one gets a name of its own
	if err := d.build(c, container, want, a); err != nil {
		return err
	}
	if err := d.size(container, want); err != nil {
		return err
	}
	if n := want.Instances; n != 0 && n != d.s.Instances {
		d.sayf("instances %d → %d", d.s.Instances, n)
		at(d.template, "scaling")["maxInstanceCount"] = n
	}
	if want.ServiceAccount != "" && want.ServiceAccount != d.s.ServiceAccount {
		d.sayf("runs as %s → %s", d.s.ServiceAccount, want.ServiceAccount)
		d.template["serviceAccount"] = want.ServiceAccount
	}
	d.environment(container, want)
	for _, key := range slices.Sorted(maps.Keys(want.Labels)) {
		if value, there := d.labels[key]; !there || value != want.Labels[key] {
			d.sayf("label %s=%s", key, want.Labels[key])
			d.labels[key] = want.Labels[key]
		}
	}
	if d.changed {
		d.labels[Label] = version()
		setEnv(container, Marker, build.Version())
	}
	return nil
}

// build compares the code, and where it is. Without an artifact it stays where it is.
func (d *difference) build(c *Client, container object, want *Settings, a *Artifact) error {
	bucket := want.bucket(d.s.source.Bucket)
	moved := bucket != d.s.source.Bucket
	switch {
	case a == nil && moved:
		return steps.Invalid("source bucket %q: the code is elsewhere; name the package, too", want.SourceBucket)
	case a == nil:
		return nil
	}
	planned, err := c.planned(d.s.Name, bucket, a)
	if err != nil {
		return err
	}
	switch {
	case moved, !planned.same(d.s):
		d.code = true
		d.sayf("code %s", a)
		if moved {
			d.sayf("code from %s → %s", or(d.s.source.Bucket, "an image"), or(bucket, "an image"))
		}
	case d.s.Lambdapool != build.Version() && d.s.Labels[Label] != version():
		d.sayf("lambdapool %s → %s", d.s.Lambdapool, build.Version())
	default:
		return nil
	}
	if d.code {
		d.place = planned
		planned.put(container)
	}
	if a.Commit != "" {
		setEnv(container, agentmain.BuildVariable, a.Commit)
	} else {
		unsetEnv(container, agentmain.BuildVariable)
	}
	return nil
}

// size compares what belongs together, and what the agent is told of it.
func (d *difference) size(container object, want *Settings) error {
	have := d.s
	memory, cpu, concurrency, timeout := have.Memory, have.CPU, have.Concurrency, time.Duration(have.Timeout)*time.Second
	before := len(d.plan)
	if want.Memory != 0 && want.Memory != memory {
		d.sayf("memory %d → %d MB", memory, want.Memory)
		memory = want.Memory
	}
	if want.CPU != 0 && want.CPU != cpu {
		d.sayf("vCPUs %v → %v", cpu, want.CPU)
		cpu = want.CPU
	}
	if want.Concurrency != 0 && want.Concurrency != concurrency {
		d.sayf("concurrency %d → %d", concurrency, want.Concurrency)
		concurrency = want.Concurrency
	}
	if want.Timeout != 0 && want.Timeout != timeout {
		d.sayf("timeout %v → %v", timeout, want.Timeout)
		timeout = want.Timeout
	}
	if len(d.plan) == before {
		return nil
	}
	if err := fit(memory, cpu, concurrency); err != nil {
		return err
	}
	resources := at(container, "resources")
	maps.Copy(at(resources, "limits"), toAny(limits(cpu, memory)))
	resources["cpuIdle"] = true
	d.template["maxInstanceRequestConcurrency"] = concurrency
	d.template["timeout"] = seconds(timeout + startAllowance)
	env := told(timeout, memory, cpu, concurrency)
	for _, name := range slices.Sorted(maps.Keys(env)) {
		setEnv(container, name, env[name])
	}
	return nil
}

func toAny(m map[string]string) object {
	o := object{}
	for k, v := range m {
		o[k] = v
	}
	return o
}

func (d *difference) environment(container object, want *Settings) {
	env := maps.Clone(want.Env)
	if env == nil {
		env = map[string]string{}
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		value, there := d.s.Env[name]
		if there && value == env[name] {
			continue
		}
		verb := "add"
		if there {
			verb = "change"
		}
		d.sayf("environment: %s %s", verb, name)
		setEnv(container, name, env[name])
	}
	for _, name := range want.UnsetEnv {
		if _, there := d.s.Env[name]; there {
			d.sayf("environment: remove %s", name)
			unsetEnv(container, name)
		}
	}
}

// setEnv sets a variable of a container, and leaves the others in their order.
func setEnv(container object, name, value string) {
	variables, _ := container["env"].([]any)
	for i, each := range variables {
		if v, _ := each.(object); v["name"] == name {
			variables[i] = object{"name": name, "value": value}
			return
		}
	}
	container["env"] = append(variables, object{"name": name, "value": value})
}

func unsetEnv(container object, name string) {
	variables, _ := container["env"].([]any)
	container["env"] = slices.DeleteFunc(variables, func(each any) bool {
		v, _ := each.(object)
		return v["name"] == name
	})
}
