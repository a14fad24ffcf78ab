package cloudrun

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/lambdapool/lambdapool/driver"
)

// A Target says which service a [Deployer] brings to the code of this client, and how the client gets there.
type Target struct {
	Project, Region, Service string

	// Account is the service account of [WithServiceAccount], Endpoint what [WithEndpoint] says. Both may be empty.
	Account, Endpoint string
}

// A Deployer brings a service to the code of this client, and returns the traffic tag of the revision that has it.
// Package deploy/rundeploy has one, rundeploy.Auto. It blocks until the revision can be invoked, or ctx ends.
type Deployer func(ctx context.Context, at Target) (tag string, err error)

// WithAutoDeploy lets [New] deploy the service before it returns, and makes the backend invoke the revision whose tag d
// returned. Use it while you develop: client and agent are always the same build. A client in production should name a
// service that was deployed, and needs fewer rights.
//
// It takes as long as deploying does, within New's ctx. An error of d is one of New. It excludes [WithTag] and [WithURL].
// Nil is an error.
func WithAutoDeploy(d Deployer) Option {
	return func(o *options) error {
		if d == nil {
			return errors.New("WithAutoDeploy: nil deployer")
		}
		o.deploy = d
		return nil
	}
}

// tagPattern is what Cloud Run takes for a tag, which becomes a part of a host's name.
var tagPattern = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,44}[a-z0-9])?$`)

// WithTag has the revision be invoked that has this traffic tag, whatever the service serves else. Its URL is looked up,
// and its tokens are for the service's own URL, unless [WithAudience] says otherwise. Timeout, concurrency and instances
// are taken to be those of the newest revision. It excludes [WithURL].
func WithTag(tag string) Option {
	return func(o *options) error {
		if !tagPattern.MatchString(tag) {
			return fmt.Errorf("WithTag: %q is not a tag (lower-case letters, digits and hyphens, 46 at most, the first a letter)", tag)
		}
		o.tag = tag
		return nil
	}
}

// deployed asks the deployer, if there is one, for the tag.
func (b *Backend) deployed(ctx context.Context, o *options) error {
	if o.deploy == nil {
		return nil
	}
	tag, err := o.deploy(ctx, Target{b.place.project, b.place.region, b.place.service, o.account, o.endpoint})
	if err == nil {
		err = WithTag(tag)(o)
	}
	if err != nil {
		return fmt.Errorf("WithAutoDeploy: %w", err)
	}
	return nil
}

// tagged is where a tag leads.
func (s *service) tagged(tag string) (uri string, err error) {
	for _, t := range s.Traffic {
		if t.Tag == tag && t.URI != "" {
			return t.URI, nil
		}
	}
	return "", fmt.Errorf("look it up: %w: it has no traffic tag %s (lambdapool show lists its tags)", driver.ErrFunctionNotFound, tag)
}

// checkTag finds options that exclude each other.
func (o *options) checkTag() error {
	switch {
	case o.deploy != nil && o.tag != "":
		return fmt.Errorf("WithAutoDeploy: it chooses the tag, but %q was asked for (leave WithTag out)", o.tag)
	case o.url != "" && (o.deploy != nil || o.tag != ""):
		return errors.New("WithURL: nothing is looked up, and no tag either (name the tag's own URL, and the service's with WithAudience)")
	}
	return nil
}
