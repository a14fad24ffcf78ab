package rundeploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/deploy/internal/steps"
	"github.com/lambdapool/lambdapool/deploy/shared"
	"github.com/lambdapool/lambdapool/internal/agentmain"
)

const (
	// autoAttempts is how often Auto begins again when others deploy at the same time.
	autoAttempts = 20

	hashLength = 16 // hexadecimal digits of the digest in a tag
)

// Auto returns a deployer for cloudrun.WithAutoDeploy. Client and agent are the same build then, and cannot differ.
//
//	cloudrun.New(ctx, "demo", cloudrun.WithAutoDeploy(rundeploy.Auto(rundeploy.Spec{})))
//
// Use it while you develop, and for programs that run from one machine. It is not for clients that must not change
// services: they need the rights of [DeployerRights].
//
// A build is deployed once. The first client makes a revision of it, with a traffic tag that is named after the digest of
// its image. Every other client of the same build finds the tag, which takes one request. The service itself serves the
// newest build; older ones stay behind their tags for the clients that use them, cost nothing while nobody calls, and nobody
// removes them: Cloud Run keeps 1,000 revisions of a service. A service that does not exist is created with s. One that
// does exist keeps its configuration: of s it gets the code alone. The name in s is ignored: the name is that of the
// backend, as are project and region.
//
// Without a Package or an Artifact in s the code is this very executable. It must have called agent.Main, and be built for
// linux/amd64 without cgo. Otherwise the error matches shared.ErrNotAgent. The executable is read and packed each time, to
// know its digest.
//
// The deployer blocks: for one request when the build is there, for half a minute when it must be deployed. When others
// deploy at the same time it waits and begins again, 20 times at most. Then the error matches shared.ErrChanged or
// shared.ErrExists. Other errors are those of [Client.Create] and [Client.Update].
func Auto(s Spec, opts ...Option) cloudrun.Deployer {
	return func(ctx context.Context, at cloudrun.Target) (string, error) {
		c, err := Open(ctx, Project{ID: at.Project, Region: at.Region, CallAs: at.Account, Endpoint: at.Endpoint}, opts...)
		if err != nil {
			return "", err
		}
		defer func() { _ = c.Close() }() // it always returns nil
		s := s
		s.Name = at.Service
		tag, err := c.auto(ctx, s)
		return tag, fail("deploy", at.Service, err)
	}
}

func (c *Client) auto(ctx context.Context, s Spec) (tag string, err error) {
	if err := s.Check(); err != nil {
		return "", err
	}
	switch {
	case s.Artifact != nil:
	case s.Package != "":
		s.Artifact, err = c.artifact(ctx, &s)
	default:
		s.Artifact, err = ownExecutable()
	}
	if err != nil {
		return "", err
	}
	if tag, err = tagOf(s.Name, s.Artifact); err != nil {
		return "", err
	}
	for left := autoAttempts; ; left-- {
		err := c.autoOnce(ctx, s, tag)
		e, ok := errors.AsType[*shared.Error](fail("", "", err))
		if err == nil || !ok || left == 0 || !errors.Is(e, shared.ErrChanged) && !errors.Is(e, shared.ErrExists) {
			return tag, err
		}
		c.say("wait", "somebody else deploys "+s.Name)
		if err := steps.Sleep(ctx, c.poll); err != nil {
			return "", err
		}
	}
}

// tagOf names a build by its image.
func tagOf(service string, a *Artifact) (string, error) {
	_, hex, ok := strings.Cut(a.Digest, ":")
	if !ok || len(hex) < hashLength {
		return "", steps.Invalid("artifact: its digest is %q", a.Digest)
	}
	tag := "b-" + hex[:hashLength]
	if len(service)+len(tag) > maxTagged {
		return "", steps.Invalid("service name %q: with a tag of %d characters it may have %d, since both are a part of a host's name", service, len(tag), maxTagged-len(tag))
	}
	return tag, checkTag(service, tag)
}

// autoOnce returns when the service has the tag, and it leads to a revision that is ready.
func (c *Client) autoOnce(ctx context.Context, s Spec, tag string) error {
	have, err := c.settled(ctx, s.Name)
	switch {
	case isMissing(err):
		// Its tag comes next, as that of any later build does.
		if _, err := c.create(ctx, s, CreateOptions{NoSmoke: true}); err != nil {
			return err
		}
		if have, err = c.get(ctx, s.Name); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	switch {
	case have.Labels[Label] == "":
		return &shared.Error{Kind: shared.ErrForeign, Hint: "it has no label " + Label + "; choose another name"}
	case have.Tags[tag] != "":
		return nil
	}
	return c.addTag(ctx, have, s.Artifact, tag)
}

// addTag makes a revision of a build, unless the newest one has it, and a tag that leads there. Both are one change of the
// service: nobody can come between.
func (c *Client) addTag(ctx context.Context, have *Service, a *Artifact, tag string) error {
	d := &difference{s: have, template: at(have.raw, "template"), labels: have.Labels}
	if err := d.all(c, &Settings{}, a); err != nil {
		return err
	}
	if d.changed = d.code; d.code { // another version of lambdapool alone is no reason for a revision
		if err := c.send(ctx, have.Name, a, &d.place); err != nil {
			return err
		}
		d.place.put(ingress(d.template))
	}
	mask := tagMask(d.code)
	in := object{"labels": d.labels, "traffic": d.point(tag), "template": d.template, "etag": have.etag}
	_, err := c.apply(ctx, have, in, mask, tag)
	return err
}

// settled returns a service when no change of it is under way.
func (c *Client) settled(ctx context.Context, name string) (*Service, error) {
	for deadline, said := time.Now().Add(readyWithin), false; ; {
		s, err := c.get(ctx, name)
		switch {
		case err != nil || s.State != "Pending":
			return s, err
		case time.Now().After(deadline):
			return s, &shared.Error{Kind: shared.ErrNotReady, Err: fmt.Errorf("a change of it goes on after %v", readyWithin)}
		case !said:
			c.say("wait", "for a change of "+name+" that is under way")
			said = true
		}
		if err := steps.Sleep(ctx, c.poll); err != nil {
			return nil, err
		}
	}
}

// ownExecutable packs this program, which is client and agent at once.
func ownExecutable() (*Artifact, error) {
	const hint = "name a Package in rundeploy.Auto's Spec to have it built"
	refuse := func(format string, args ...any) error {
		return &shared.Error{Kind: shared.ErrNotAgent, Err: fmt.Errorf("this executable "+format, args...), Hint: hint}
	}
	switch {
	case runtime.GOOS != "linux" || runtime.GOARCH != "amd64":
		return nil, refuse("is for %s/%s, and Cloud Run is linux/amd64", runtime.GOOS, runtime.GOARCH)
	case !agentmain.Called():
		return nil, refuse("did not call agent.Main")
	}
	file, err := os.Open("/proc/self/exe") // the one that runs, even if it was replaced
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	data, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	a, err := pack(data)
	if err != nil {
		return nil, refuse("cannot be deployed: %w", err)
	}
	a.Commit = agentmain.OwnCommit()
	return a, nil
}
