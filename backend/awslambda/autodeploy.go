package awslambda

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// A Deployer brings a function to the code of this client, and returns the version or alias
// that has it. Package deploy has one, deploy.Auto. cfg is the configuration of the backend,
// function the bare name. It blocks until the version can be invoked, or ctx ends.
type Deployer func(ctx context.Context, cfg aws.Config, function string) (qualifier string, err error)

// WithAutoDeploy lets [New] deploy the function before it returns, and makes the backend invoke
// what d returned. Use it while you develop: client and agent are always the same build. A
// client in production should name a version instead, and needs fewer rights.
//
// It takes as long as deploying does, within New's ctx. An error of d is one of New. It
// excludes a qualifier. Nil is an error.
func WithAutoDeploy(d Deployer) Option {
	return func(o *options) error {
		if d == nil {
			return errors.New("WithAutoDeploy: nil deployer")
		}
		o.deploy = d
		return nil
	}
}

// deployed asks the deployer, if there is one, for the qualifier.
func (t *target) deployed(ctx context.Context, cfg aws.Config, d Deployer) error {
	switch {
	case d == nil:
		return nil
	case t.qualifier != "":
		return fmt.Errorf("WithAutoDeploy: it chooses the version, but %q was asked for (leave the qualifier out)", t.qualifier)
	}
	qualifier, err := d(ctx, cfg, t.short())
	if err != nil {
		return fmt.Errorf("WithAutoDeploy: %w", err)
	}
	t.qualifier = qualifier
	return checkQualifier(qualifier)
}
